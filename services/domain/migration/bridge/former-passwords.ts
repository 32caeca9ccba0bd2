import { formerPasswordChecks } from '#observability/metrics/migration-bridge.ts';
import type { FormerPasswords } from '#services/domain/identity/passwords/take-former-password.ts';
import type { GuardedFetch } from '#services/domain/oauth/guarded-fetch.ts';
import type { Clock, Ports } from '#services/domain/ports.ts';
import { isLoopbackUrl, type LegacySettings } from '#services/platform/config/legacy.ts';
import { legacyProviderUnavailable } from './legacy-errors.ts';
import { findLazyUser, markTaken } from './legacy-sessions.store.ts';

const DEADLINE_MS = 5_000;
const ANSWER_BYTES_MAX = 16_384;
/** Requests at the old provider at once, of this copy. */
const CONCURRENT_MAX = 16;
/** Failures in a row after which it is asked no more, and for how long; then one request tries. */
const FAILURES_MAX = 5;
const OPEN_MS = 30_000;
/** Answers about this request or user, such as too many guesses: a stranger can provoke them, and they are no outage. */
const ABOUT_THE_REQUEST = new Set([400, 413, 422, 423, 429]);

/** The answer of the old provider; undefined for anything but `{"valid": true}` or `{"valid": false}` with 200. */
async function answerOf(response: Response): Promise<boolean | undefined> {
  if (response.status !== 200) return undefined;
  const { valid } = (await response.json()) as { readonly valid?: unknown };
  return typeof valid === 'boolean' ? valid : undefined;
}

/**
 * Asks the old provider for the passwords of users who were imported without one. Null unless LEGACY_PASSWORD_URL is set.
 * A provider that is slow or away is asked no more for half a minute: only its users wait.
 */
export function createFormerPasswords(
  { passwordUrl, passwordSecret }: Pick<LegacySettings, 'passwordUrl' | 'passwordSecret'>,
  { sql, clock }: Pick<Ports, 'sql'> & { readonly clock: Pick<Clock, 'monotonic'> },
  fetchGuarded: GuardedFetch,
): FormerPasswords | null {
  if (passwordUrl === undefined) return null;
  const allowsPrivate = passwordUrl.startsWith('http:') && isLoopbackUrl(passwordUrl);
  const rules = { allowsPrivate, answerBytesMax: ANSWER_BYTES_MAX, deadlineMs: DEADLINE_MS };
  let running = 0;
  let failures = 0;
  let openUntil = Number.NEGATIVE_INFINITY;

  function unavailable(outcome: 'failed' | 'not_asked', cause?: unknown): Error {
    formerPasswordChecks.add(1, { outcome });
    return legacyProviderUnavailable({ retryAfterSeconds: OPEN_MS / 1_000, cause });
  }

  /** Whether the old provider may be asked now. The first request after a pause is the trial: the others wait for it. */
  function mayAsk(): boolean {
    const now = clock.monotonic();
    if (now < openUntil || running >= CONCURRENT_MAX) return false;
    if (failures >= FAILURES_MAX) openUntil = now + OPEN_MS;
    return true;
  }

  function failed(cause?: unknown): Error {
    failures += 1;
    if (failures >= FAILURES_MAX) openUntil = clock.monotonic() + OPEN_MS;
    return unavailable('failed', cause);
  }

  function answered(): void {
    failures = 0;
    openUntil = Number.NEGATIVE_INFINITY;
  }

  /** True or false as the old provider says; undefined if it does not say it of this user now. */
  async function ask(body: object): Promise<boolean | undefined> {
    running += 1;
    try {
      const response = await fetchGuarded(rules, passwordUrl as string, {
        method: 'POST',
        headers: { authorization: `Bearer ${passwordSecret}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
      const answer = await answerOf(response);
      if (answer === undefined && !ABOUT_THE_REQUEST.has(response.status))
        throw new Error(`the old provider answered ${response.status}`);
      answered();
      return answer;
    } catch (err) {
      throw failed(err);
    } finally {
      running -= 1;
    }
  }

  return {
    away: () => (clock.monotonic() < openUntil ? unavailable('not_asked') : null),
    async isRight({ userId, email }, password) {
      for (const legacyId of await findLazyUser(sql, userId)) {
        if (!mayAsk()) throw unavailable('not_asked');
        const isRight = await ask({ id: legacyId, email, password });
        if (isRight === undefined) throw unavailable('failed');
        formerPasswordChecks.add(1, { outcome: isRight ? 'right' : 'wrong' });
        if (isRight) return true;
      }
      return false;
    },
    taken: markTaken,
  };
}
