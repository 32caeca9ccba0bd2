import { setAuditContext } from '#services/domain/audit/audit-context.ts';
import { recordEvent } from '#services/domain/audit/record-event.ts';
import type { Caller, Tx } from '#services/domain/ports.ts';
import { unauthenticated } from '#services/platform/errors.ts';
import { lockUser } from '../accounts/accounts.store.ts';
import { withSecondFactor } from '../assurance.ts';
import { userSteppedUp } from '../audit-events.ts';
import type { PasskeyResponse } from '../better-auth/auth-factors.ts';
import { endSessionIn } from '../sessions/end-session.ts';
import type { OpenedSession } from '../sessions/live-session.ts';
import { createSessionFamily, type SessionWithFamily, type SignInAnswer } from '../sessions/open-session.ts';
import { finishOrEnd } from '../sign-in/finish-sign-in.ts';
import type { SignInPorts } from '../sign-in/sign-in.ts';
import { factorsOf } from './ask-second-factor.ts';
import { readOwnSession } from './factors.store.ts';
import { passkeyRefused, secondFactorRefused, secondFactorRequired } from './factors-errors.ts';
import { type LiveOwnSession, ownSession } from './own-session.ts';
import { type SentCode, verifyCode } from './verify-code.ts';
import { verifyOwnPassword } from './verify-own-password.ts';

export type StepUpInput = SentCode & {
  readonly password?: string | undefined;
  readonly passkey?: PasskeyResponse | undefined;
  readonly cookie?: string | undefined;
  readonly signal?: AbortSignal;
};

/** Opens the new session once its factor is accepted; null if another request has used the code. */
type Opener = { readonly factor: string; open(tx: Tx): Promise<OpenedSession | null> };

/**
 * Authenticates the user again: a new session with its own id and time replaces the caller's, and expires when that
 * session would have expired. If the account has a second factor, the password alone is not enough.
 * @throws secondFactorRequired, secondFactorRefused, passkeyRefused, unauthenticated (401), currentPasswordWrong (403),
 *   loginLocked, secondFactorLocked (429), hashingBusy, storeUnavailable (503)
 */
export async function stepUp(ports: SignInPorts, input: StepUpInput, caller: Caller): Promise<SignInAnswer> {
  const session = await ownSession(ports, caller);
  const opener = await openerFor(ports, input, session, caller);
  const signedIn = opener && (await replaceSession(ports, session, opener, caller).catch(refusedPasskey));
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
async function replaceSession(
  ports: SignInPorts,
  session: LiveOwnSession,
  opener: Opener,
  caller: Caller,
): Promise<SessionWithFamily | null> {
  const { userId, sessionId } = session;
  return ports.auth.transact(async (tx) => {
    await setAuditContext(tx, caller, 'step_up');
    await lockUser(tx, userId);
    // Enrolling or removing a factor ends every session: a session that ended so must not be replaced by a new one.
    if (!(await readOwnSession(tx, sessionId, userId))) throw unauthenticated();
    const opened = await opener.open(tx);
    if (!opened) return null;
    // Another user's passkey must not replace this session.
    if (opened.user.id !== userId) throw passkeyRefused();
    await endSessionIn(tx, ports, sessionId);
    await recordEvent(tx, caller, userSteppedUp, {
      outcome: 'ok',
      target: { kind: 'user', id: userId },
      detail: { factor: opener.factor, session_id: opened.session.id, replaced: sessionId },
    });
    return createSessionFamily(tx, ports, opened, caller);
  });
}

async function openerFor(
  ports: SignInPorts,
  input: StepUpInput,
  { userId, amr, acr, expiresAt }: LiveOwnSession,
  caller: Caller,
): Promise<Opener | null> {
  const { passkey } = input;
  if (passkey !== undefined)
    return {
      factor: 'passkey',
      open: () => ports.auth.factors.signInWithPasskey({ ...passkey, expiresAt }, caller.request),
    };
  if (input.password !== undefined) {
    const factors = await factorsOf(ports.sql, userId);
    if (factors.length > 0) throw secondFactorRequired({ members: { factors } });
    await verifyOwnPassword(ports, userId, { ...input, password: input.password }, caller);
    const assurance = { amr: [...new Set([...amr, 'pwd'])], acr };
    return {
      factor: 'password',
      open: () => ports.auth.openSession({ userId, assurance, expiresAt }, caller.request),
    };
  }
  const proof = await verifyCode(ports, userId, input);
  return (
    proof && {
      factor: proof.factor,
      open: async (tx) =>
        (await proof.use(tx))
          ? ports.auth.openSession({ userId, assurance: withSecondFactor(amr, ['otp']), expiresAt }, caller.request)
          : null,
    }
  );
}
