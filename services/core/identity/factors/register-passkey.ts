import { setAuditContext } from '#services/core/audit/audit-context.ts';
import type { Caller, Tx } from '#services/core/ports.ts';
import { factorConflict } from '../contracts/factors-errors.ts';
import { admitAgain } from '../sessions/admit-session.ts';
import { endSessionIn } from '../sessions/end-session.ts';
import { lockOwnSession } from '../sessions/lock-own-session.ts';
import { createSessionFamily, type SignInAnswer } from '../sessions/open-session.ts';
import { ownSession } from '../sessions/own-session.ts';
import type { PasskeyOptions, PasskeyResponse } from '../sessions/passkey-ceremonies.ts';
import { newRecoveryCodes } from '../sessions/recovery-codes.ts';
import { finishOrEnd } from '../sign-in/finish-sign-in.ts';
import type { SignInPorts } from '../sign-in/sign-in.ts';
import { readFactors } from '../users/accounts.store.ts';
import { withSecondFactor } from '../users/assurance.ts';
import type { FactorProof } from '../users/factor-proof.ts';
import { PASSKEYS_MAXIMUM } from '../users/passkeys.store.ts';
import { insertRecoveryCodes } from './factors.store.ts';

type RegisterPasskeyInput = PasskeyResponse & {
  readonly name: string;
  readonly cookie?: string | undefined;
  readonly signal?: AbortSignal;
};

export type RegisteredPasskey = {
  readonly passkeyId: string;
  /** Returned once; null if the account already has codes. */
  readonly recoveryCodes: readonly string[] | null;
  readonly signedIn: SignInAnswer;
};

/** Returns the options for the browser to create a passkey; they exclude the caller's existing passkeys. */
export async function preparePasskey(ports: SignInPorts, _input: object, caller: Caller): Promise<PasskeyOptions> {
  const { userId } = await ownSession(ports, caller);
  if ((await readFactors(ports.sql, userId)).passkeys >= PASSKEYS_MAXIMUM) throw factorConflict();
  return ports.auth.passkeys.registrationOptions(userId);
}

/**
 * Registers a new passkey for the caller. Its ceremony verifies two factors, so a new two-factor session replaces the
 * caller's; every other session ends if the account had no factor before.
 * @throws passkeyRefused (401), factorConflict (409) if it is already registered or the maximum is reached
 */
export async function registerPasskey(
  ports: SignInPorts,
  { challenge, response, name, cookie }: RegisterPasskeyInput,
  caller: Caller,
): Promise<RegisteredPasskey> {
  const { userId, sessionId, amr, expiresAt } = await ownSession(ports, caller);
  const codes = newRecoveryCodes(ports.random);
  // The plugin requires a secret in the row; no authenticator app has this one.
  const secret = await ports.auth.factors.seal(ports.random.bytes(32).toString('base64url'));
  const backupCodes = await ports.auth.factors.seal(JSON.stringify(codes));
  const { signedIn, passkeyId, isNew } = await ports.auth
    .transact(async (tx) => {
      await setAuditContext(tx, caller, 'factor_enrolled');
      await lockOwnSession(tx, caller);
      if ((await readFactors(tx, userId)).passkeys >= PASSKEYS_MAXIMUM) throw factorConflict();
      const made = await ports.auth.passkeys.register({ userId, challenge, response, name });
      const hasNewCodes = await insertRecoveryCodes(tx, { id: ports.random.uuid(), userId, secret, backupCodes });
      return { signedIn: await reopen(tx, made.proof), passkeyId: made.id, isNew: hasNewCodes };
    })
    .catch((err: unknown) => {
      throw (err as { constraint?: unknown }).constraint === CREDENTIAL_UNIQUE ? factorConflict({ cause: err }) : err;
    });
  const answer = await finishOrEnd(ports, signedIn, { cookie }, caller);
  return { passkeyId, recoveryCodes: isNew ? codes : null, signedIn: answer };

  async function reopen(tx: Tx, proof: FactorProof) {
    await endSessionIn(tx, ports, sessionId);
    const admission = await admitAgain(tx, { userId, assurance: withSecondFactor(amr, proof) });
    const opened = await ports.auth.openSession({ admission, expiresAt }, caller.request);
    return createSessionFamily(tx, ports, opened, caller);
  }
}

const CREDENTIAL_UNIQUE = 'passkeys_credentialID_key';
