import { recordEvent, setAuditContext } from '#services/core/audit/record-event.ts';
import type { Caller, Tx } from '#services/core/ports.ts';
import { secondFactorRequired, unauthenticated } from '#services/platform/errors.ts';
import { userSteppedUp } from '../audit-events.ts';
import { passkeyRefused, secondFactorRefused } from '../contracts/factors-errors.ts';
import { admitAgain, factorsOf } from '../sessions/admit-session.ts';
import { holdForRenewal } from '../sessions/hold-for-renewal.ts';
import type { OpenedSession, RenewedSession } from '../sessions/live-session.ts';
import { createSessionFamily, type SessionWithFamily, type SignInAnswer } from '../sessions/open-session.ts';
import { type LiveOwnSession, ownSession } from '../sessions/own-session.ts';
import type { PasskeyResponse } from '../sessions/passkey-ceremonies.ts';
import { findByCookie } from '../sessions/read-session.ts';
import { finishOrEnd } from '../sign-in/finish-sign-in.ts';
import type { SignInPorts } from '../sign-in/sign-in.ts';
import { lockUser } from '../users/accounts.store.ts';
import { withMethod, withSecondFactor } from '../users/assurance.ts';
import { type SentCode, verifyCode } from './verify-code.ts';
import { verifyOwnPassword } from './verify-own-password.ts';

export type StepUpInput = SentCode & {
  readonly password?: string | undefined;
  readonly passkey?: PasskeyResponse | undefined;
  readonly cookie?: string | undefined;
  readonly signal?: AbortSignal;
};

/** Renews the session once its factor is accepted; null if another request has used the code. */
type Renewer = { readonly factor: string; renew(tx: Tx, renews: RenewedSession): Promise<OpenedSession | null> };

/**
 * Authenticates the user again: the session goes on with a new cookie, time and methods, and expires when it would have
 * expired. If the account has a second factor, the password alone is not enough.
 * @throws secondFactorRequired, secondFactorRefused, passkeyRefused, unauthenticated (401), currentPasswordWrong (403),
 *   loginLocked, secondFactorLocked (429), hashingBusy, storeUnavailable (503)
 */
export async function stepUp(ports: SignInPorts, input: StepUpInput, caller: Caller): Promise<SignInAnswer> {
  const session = await ownSession(ports, caller);
  const renewer = await renewerFor(ports, input, session, caller);
  const signedIn = renewer && (await renewOwnSession(ports, input, session, renewer, caller).catch(refusedPasskey));
  if (signedIn) return finishOrEnd(ports, signedIn, { cookie: input.cookie }, caller);
  const isCode = input.passkey === undefined;
  const factor = isCode ? (input.totp === undefined ? 'recovery_code' : 'totp') : 'passkey';
  await ports.transact(async (tx) => {
    const target = { kind: 'user', id: session.userId } as const;
    await recordEvent(tx, caller, userSteppedUp, { outcome: 'refused', target, detail: { factor } });
  });
  throw isCode ? secondFactorRefused() : passkeyRefused();
}

function refusedPasskey(err: unknown): null {
  if ((err as { code?: unknown }).code === passkeyRefused.definition.code) return null;
  throw err;
}

/** Returns null if another request has used the code. */
async function renewOwnSession(
  ports: SignInPorts,
  { cookie }: StepUpInput,
  { userId, sessionId, acr }: LiveOwnSession,
  renewer: Renewer,
  caller: Caller,
): Promise<SessionWithFamily | null> {
  const sent = await findByCookie(ports, cookie);
  return ports.auth.transact(async (tx) => {
    await setAuditContext(tx, caller, 'step_up');
    await lockUser(tx, userId);
    // Signing out, and enrolling or removing a factor, end the session: it must not come back.
    const token = sent?.session.id === sessionId ? sent.session.token : null;
    const renews = await holdForRenewal(tx, ports, { id: sessionId, userId, token });
    if (!renews) throw unauthenticated();
    const opened = await renewer.renew(tx, renews);
    if (!opened) return null;
    await recordEvent(tx, caller, userSteppedUp, {
      outcome: 'ok',
      target: { kind: 'user', id: userId },
      detail: { factor: renewer.factor, session_id: sessionId, previous_acr: acr },
    });
    return createSessionFamily(tx, ports, opened, caller);
  });
}

async function renewerFor(
  ports: SignInPorts,
  input: StepUpInput,
  { userId, assurance, expiresAt }: LiveOwnSession,
  caller: Caller,
): Promise<Renewer | null> {
  const { passkey } = input;
  if (passkey !== undefined)
    return {
      factor: 'passkey',
      renew: async (tx, renews) => {
        const { userId: owner, proof } = await ports.auth.passkeys.authenticate(passkey);
        if (owner !== userId) throw passkeyRefused();
        const admission = await admitAgain(tx, { userId, assurance: withSecondFactor([], proof) });
        return ports.auth.openSession({ admission, expiresAt, renews }, caller.request);
      },
    };
  if (input.password !== undefined) {
    const factors = await factorsOf(ports.sql, userId);
    if (factors.length > 0) throw secondFactorRequired({ members: { factors } });
    await verifyOwnPassword(ports, userId, { ...input, password: input.password }, caller);
    return {
      factor: 'password',
      renew: async (tx, renews) => {
        const admission = await admitAgain(tx, { userId, assurance: withMethod(assurance, 'pwd') });
        return ports.auth.openSession({ admission, expiresAt, renews }, caller.request);
      },
    };
  }
  const code = await verifyCode(ports, userId, input);
  return (
    code && {
      factor: code.factor,
      renew: async (tx, renews) => {
        const proof = await code.use(tx);
        if (proof === null) return null;
        const admission = await admitAgain(tx, { userId, assurance: withSecondFactor(assurance.amr, proof) });
        return ports.auth.openSession({ admission, expiresAt, renews }, caller.request);
      },
    }
  );
}
