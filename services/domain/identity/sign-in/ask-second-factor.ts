import { recordEvent } from '#services/domain/audit/record-event.ts';
import type { Caller, Ports, Sql, Tx } from '#services/domain/ports.ts';
import type { AppError } from '#services/platform/define/error.ts';
import { userLogin } from '../audit-events.ts';
import { secondFactorRequired } from '../contracts/factors-errors.ts';
import { readFactors } from '../users/accounts.store.ts';
import { insertLoginChallenge } from './login-challenge.store.ts';

const CHALLENGE_BYTES = 32;

type FactorName = 'totp' | 'passkey' | 'recovery_code' | 'enrolment';

/** The second factors of this user, `enrolment` for one that the user owes; empty: none is required. */
export async function factorsOf(sql: Sql, userId: string): Promise<FactorName[]> {
  const { hasTotp, passkeys, codesLeft, owesFactor } = await readFactors(sql, userId);
  if (!hasTotp && passkeys === 0) return owesFactor ? ['enrolment'] : [];
  return [
    ...(hasTotp ? (['totp'] as const) : []),
    ...(passkeys > 0 ? (['passkey'] as const) : []),
    ...(codesLeft > 0 ? (['recovery_code'] as const) : []),
  ];
}

/**
 * Every sign-in method calls this after verifying its factor, before it opens a session and with the user locked
 * (`lockUser`). Returns null if the user has no second factor: the sign-in continues. Otherwise returns
 * `second_factor_required` (401) with `challenge` and `factors`, which the caller throws after the commit without
 * opening a session. The challenge is valid for one sign-in, ten minutes and five attempts; a sixth challenge of one
 * user replaces the oldest.
 * @param first.amr methods verified so far (RFC 8176)
 */
export async function askSecondFactor(
  tx: Tx,
  { random }: Pick<Ports, 'random'>,
  first: {
    readonly userId: string;
    readonly amr: readonly string[];
    readonly detail: Readonly<Record<string, unknown>>;
  },
  caller: Caller,
): Promise<AppError | null> {
  const { userId, amr, detail } = first;
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
