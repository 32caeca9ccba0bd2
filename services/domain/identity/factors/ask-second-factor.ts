import { recordEvent } from '#services/domain/audit/record-event.ts';
import type { Caller, Ports, Sql, Tx } from '#services/domain/ports.ts';
import type { AppError } from '#services/platform/define/error.ts';
import { userLogin } from '../audit-events.ts';
import { readFactors } from './factors.store.ts';
import { secondFactorRequired } from './factors-errors.ts';
import { insertLoginChallenge } from './login-challenge.store.ts';

const CHALLENGE_BYTES = 32;

type FactorName = 'totp' | 'passkey' | 'recovery_code';

/** What this user may prove beside a first factor; empty: nothing is asked for. */
export async function factorsOf(sql: Sql, userId: string): Promise<FactorName[]> {
  const { hasTotp, passkeys, codesLeft } = await readFactors(sql, userId);
  if (!hasTotp && passkeys === 0) return [];
  return [
    ...(hasTotp ? (['totp'] as const) : []),
    ...(passkeys > 0 ? (['passkey'] as const) : []),
    ...(codesLeft > 0 ? (['recovery_code'] as const) : []),
  ];
}

/**
 * What every way of signing in calls once its own factor is proved, before it opens a session and with the user locked
 * (`lockUser`). Null: there is no second factor, go on. Else `second_factor_required` (401) with `challenge` and
 * `factors`, to be thrown after the commit: no session was made. The challenge is good for one login, ten minutes and
 * five tries; the sixth of one user takes the place of the oldest.
 * @param login.amr methods proved so far (RFC 8176)
 */
export async function askSecondFactor(
  tx: Tx,
  { random }: Pick<Ports, 'random'>,
  login: {
    readonly userId: string;
    readonly amr: readonly string[];
    readonly detail: Readonly<Record<string, unknown>>;
  },
  caller: Caller,
): Promise<AppError | null> {
  const { userId, amr, detail } = login;
  const factors = await factorsOf(tx, userId);
  if (factors.length === 0) return null;
  const challenge = random.bytes(CHALLENGE_BYTES).toString('base64url');
  await insertLoginChallenge(tx, challenge, { userId, amr: amr.join(' ') });
  await recordEvent(tx, caller, userLogin, {
    outcome: 'second_factor_asked',
    target: { kind: 'user', id: userId },
    detail,
  });
  return secondFactorRequired({ members: { challenge, factors } });
}
