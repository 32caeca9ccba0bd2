import { formerPasswordChecks } from '#observability/metrics/migration-bridge.ts';
import type { FormerPasswords } from '#services/core/identity/passwords/take-former-password.ts';
import type { GuardedFetch } from '#services/core/oauth/guarded-fetch.ts';
import type { Clock, Ports } from '#services/core/ports.ts';
import { isLoopbackUrl, type LegacySettings } from '#services/platform/config/legacy.ts';
import { legacyProviderUnavailable } from './legacy-errors.ts';
import { findLazyUser, markTaken } from './legacy-sessions.store.ts';

const DEADLINE_MS = 5_000;
const ANSWER_BYTES_MAX = 16_384;
/** Requests at the old provider at once, of this copy. */
const CONCURRENT_MAX = 16;
/** How long it is not asked after a failure; after each further one twice as long. */
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 30_000;
/** Answers about this request or user, such as too many guesses: a stranger can provoke them, and they are no outage. */
const ABOUT_THE_REQUEST = new Set([400, 413, 422, 423, 429]);
/** What it may answer to the trial, which is about a user that it does not have. */
const ABOUT_THE_TRIAL = new Set([...ABOUT_THE_REQUEST, 404]);

/** The answer of the old provider; undefined for anything but `{"valid": true}` or `{"valid": false}` with 200. */
async function answerOf(response: Response): Promise<boolean | undefined> {
  if (response.status !== 200) return undefined;
  const { valid } = (await response.json()) as { readonly valid?: unknown };
  return typeof valid === 'boolean' ? valid : undefined;
}

/**
 * Asks the old provider for the passwords of users who were imported without one. Null unless LEGACY_PASSWORD_URL is set.
 * A provider that failed is not asked for a while. Then a trial about a made-up user decides whether it is back: so what a
 * sign-in is answered does not depend on whether its user was imported.
 */
export function createFormerPasswords(
  { passwordUrl, passwordSecret }: Pick<LegacySettings, 'passwordUrl' | 'passwordSecret'>,
  { sql, clock, random }: Pick<Ports, 'sql' | 'random'> & { readonly clock: Pick<Clock, 'monotonic'> },
  fetchGuarded: GuardedFetch,
): FormerPasswords | null {
  if (passwordUrl === undefined) return null;
  const allowsPrivate = passwordUrl.startsWith('http:') && isLoopbackUrl(passwordUrl);
  const rules = { allowsPrivate, answerBytesMax: ANSWER_BYTES_MAX, deadlineMs: DEADLINE_MS };
  let running = 0;
  let failures = 0;
  let pausedUntil = Number.NEGATIVE_INFINITY;
  let trial: Promise<unknown> | undefined;

  const isFull = (): boolean => running >= CONCURRENT_MAX;
  const isInUse = (): boolean => failures === 0 && !isFull();

  function unavailable(outcome: 'failed' | 'not_asked', cause?: unknown): Error {
    formerPasswordChecks.add(1, { outcome });
    const leftMs = pausedUntil - clock.monotonic();
    return legacyProviderUnavailable({ retryAfterSeconds: Math.max(1, Math.ceil(leftMs / 1_000)), cause });
  }

  function failed(): void {
    const now = clock.monotonic();
    // Requests that fail together are one failure.
    if (now < pausedUntil) return;
    failures += 1;
    pausedUntil = now + Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (failures - 1));
  }

  function answered(): void {
    failures = 0;
    pausedUntil = Number.NEGATIVE_INFINITY;
  }

  /** True or false as the old provider says; undefined if it does not say it of this user now. Throws if it failed. */
  async function ask(body: object, aboutTheRequest: ReadonlySet<number>): Promise<boolean | undefined> {
    running += 1;
    try {
      const response = await fetchGuarded(rules, passwordUrl as string, {
        method: 'POST',
        headers: { authorization: `Bearer ${passwordSecret}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
      const answer = await answerOf(response);
      if (answer === undefined && !aboutTheRequest.has(response.status))
        throw new Error(`the old provider answered ${response.status}`);
      answered();
      return answer;
    } catch (err) {
      failed();
      throw err;
    } finally {
      running -= 1;
    }
  }

  /** Its outcome is in the state. */
  function tryOut(): Promise<unknown> {
    const [id, password] = [random.uuid(), random.uuid()];
    return ask({ id, email: `${id}@trial.invalid`, password }, ABOUT_THE_TRIAL).catch(() => undefined);
  }

  return {
    isInUse,
    async away() {
      if (failures > 0 && clock.monotonic() >= pausedUntil && !isFull()) {
        trial ??= tryOut().finally(() => {
          trial = undefined;
        });
        await trial;
      }
      return isInUse() ? null : unavailable('not_asked');
    },
    async isRight({ userId, email }, password) {
      for (const legacyId of await findLazyUser(sql, userId)) {
        if (!isInUse()) return unavailable('not_asked');
        try {
          const isRight = await ask({ id: legacyId, email, password }, ABOUT_THE_REQUEST);
          if (isRight === undefined) return unavailable('failed');
          formerPasswordChecks.add(1, { outcome: isRight ? 'right' : 'wrong' });
          if (isRight) return true;
        } catch (err) {
          return unavailable('failed', err);
        }
      }
      return false;
    },
    taken: markTaken,
  };
}
