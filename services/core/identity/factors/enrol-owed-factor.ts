import { hkdfSync } from 'node:crypto';
import type { Ports, Tx } from '#services/core/ports.ts';
import { challengeOver } from '../contracts/factors-errors.ts';
import { factorsOf } from '../sessions/admit-session.ts';
import type { HasAuth } from '../sessions/auth.ts';
import { readLoginChallenge } from '../sessions/login-challenge.store.ts';
import { newRecoveryCodes } from '../sessions/recovery-codes.ts';
import { findAccount } from '../users/accounts.store.ts';
import type { TotpEnrolment } from './enrol-totp.ts';
import { insertTotp } from './factors.store.ts';
import { matchingStep, newSecret, SECRET_BYTES, totpUriOf } from './totp.ts';
import { provedIf, type VerifiedCode } from './verify-code.ts';

type OwedPorts = Pick<Ports, 'sql' | 'clock' | 'random'> & HasAuth;

/** Whether the user enrols a second factor before the first session. */
const isOwed = async (ports: Pick<Ports, 'sql'>, userId: string): Promise<boolean> =>
  (await factorsOf(ports.sql, userId)).includes('enrolment');

/**
 * What this challenge offers. It is derived from the challenge, which only the browser has: another sign-in of
 * this account has another secret, and nothing is stored before the first code.
 */
function offeredBy(challenge: string): { readonly secret: string; readonly recoveryCodes: string[] } {
  const derived = (info: string, length: number): Buffer =>
    Buffer.from(hkdfSync('sha256', challenge, '', `sallyport owed factor: ${info}`, length));
  let part = 0;
  const bytes = (length: number): Buffer => derived(`recovery codes ${part++}`, length);
  return { secret: newSecret(derived('secret', SECRET_BYTES)), recoveryCodes: newRecoveryCodes({ bytes }) };
}

/**
 * The secret of an authenticator app and recovery codes for a user who owes a second factor and has passed the first
 * one. The same challenge has the same ones. `answerSecondFactor` takes the first code, and enrols.
 * @throws challengeOver (401), also for a user who owes none
 */
export async function offerOwedFactor(
  ports: OwedPorts,
  { challenge }: { readonly challenge: string },
): Promise<TotpEnrolment> {
  const asked = await readLoginChallenge(ports.sql, challenge);
  const account = asked && (await findAccount(ports.sql, asked.user_id));
  if (!account || !(await isOwed(ports, account.id))) throw challengeOver();
  const { secret, recoveryCodes } = offeredBy(challenge);
  return { totpUri: totpUriOf(secret, account.email), recoveryCodes };
}

/** The first code of an owed authenticator; null if it is wrong, or if the user owes none. */
export async function verifyOwedCode(
  ports: OwedPorts,
  { userId, challenge, code }: { readonly userId: string; readonly challenge: string; readonly code: string },
): Promise<VerifiedCode | null> {
  if (!(await isOwed(ports, userId))) return null;
  const { secret, recoveryCodes } = offeredBy(challenge);
  const step = await matchingStep(secret, code, { nowMs: ports.clock.now(), lastUsedStep: 0 });
  if (step === null) return null;
  const { factors } = ports.auth;
  const row = {
    id: ports.random.uuid(),
    userId,
    secret: await factors.seal(secret),
    backupCodes: await factors.seal(JSON.stringify(recoveryCodes)),
    codesLeft: recoveryCodes.length,
    step,
  };
  return { factor: 'totp', isFirst: true, use: async (tx: Tx) => provedIf(await insertTotp(tx, row)) };
}
