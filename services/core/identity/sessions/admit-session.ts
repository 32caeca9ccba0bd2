import { recordEvent } from '#services/core/audit/record-event.ts';
import type { Caller, Ports, Sql, Tx } from '#services/core/ports.ts';
import type { EventDetail } from '#services/platform/define/audit-event.ts';
import type { AppError } from '#services/platform/define/error.ts';
import { secondFactorRequired } from '#services/platform/errors.ts';
import { userLogin } from '../audit-events.ts';
import { lockUser, readFactors } from '../users/accounts.store.ts';
import type { Assurance, TwoFactors } from '../users/assurance.ts';
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

const ADMITTED = Symbol('the factors of the account admit this session');

/** What opens a session (`Auth.openSession`). Only `admitSession` makes it. */
export type Admission = { readonly [ADMITTED]: true; readonly userId: string; readonly assurance: Assurance };

/** The factors of the account of which this assurance lacks one; empty if it lacks none. Locks the user. */
async function missing(tx: Tx, userId: string, { acr }: Assurance): Promise<FactorName[]> {
  if (acr === 'aal2') return [];
  await lockUser(tx, userId);
  return factorsOf(tx, userId);
}

export type Arrival<A extends Assurance = Assurance> = {
  readonly userId: string;
  readonly assurance: A;
  /** Of the event that records the question. */
  readonly detail?: EventDetail<typeof userLogin>;
  /** The session of an old provider that the session continues; the answer of the challenge remembers it. */
  readonly legacySession?: Buffer;
};

/**
 * The one door to a session: every entry point calls this before it opens one, in the same transaction. It locks the user
 * and reads the factors of the account. If the account has a second factor or owes one, and none was verified, it returns
 * `second_factor_required` (401) with `challenge` and `factors`, which the caller throws after the commit without opening a
 * session. The challenge is valid for one sign-in, ten minutes and five attempts; a sixth challenge of one user replaces
 * the oldest.
 */
export function admitSession(
  tx: Tx,
  ports: Pick<Ports, 'random'>,
  arrival: Arrival<TwoFactors>,
  caller: Caller,
): Promise<Admission>;
export function admitSession(
  tx: Tx,
  ports: Pick<Ports, 'random'>,
  arrival: Arrival,
  caller: Caller,
): Promise<Admission | AppError>;
export async function admitSession(
  tx: Tx,
  { random }: Pick<Ports, 'random'>,
  { userId, assurance, detail = {}, legacySession }: Arrival,
  caller: Caller,
): Promise<Admission | AppError> {
  const factors = await missing(tx, userId, assurance);
  if (factors.length === 0) return { [ADMITTED]: true, userId, assurance };
  const challenge = random.bytes(CHALLENGE_BYTES).toString('base64url');
  await insertLoginChallenge(tx, challenge, {
    user_id: userId,
    amr: assurance.amr.join(' '),
    legacy_session: legacySession ?? null,
  });
  await recordEvent(tx, caller, userLogin, {
    outcome: 'second_factor_asked',
    target: { kind: 'user', id: userId },
    detail,
  });
  return secondFactorRequired({ members: { challenge, factors } });
}

/**
 * The same for a caller who has a session that goes on, or another in its place. Throws `second_factor_required` (401) with
 * the `factors`, without a challenge: the caller steps up in the session.
 */
export async function admitAgain(
  tx: Tx,
  { userId, assurance }: Pick<Arrival, 'userId' | 'assurance'>,
): Promise<Admission> {
  const factors = await missing(tx, userId, assurance);
  if (factors.length > 0) throw secondFactorRequired({ members: { factors } });
  return { [ADMITTED]: true, userId, assurance };
}
