import { logins } from '#observability/metrics/identity.ts';
import { recordEvent, setAuditContext } from '#services/core/audit/record-event.ts';
import type { Caller, Tx } from '#services/core/ports.ts';
import { assertMayIssue } from '#services/core/revocations/revocation-set.ts';
import { isAppError } from '#services/platform/define/error.ts';
import { userLogin } from '../audit-events.ts';
import { challengeOver, secondFactorRefused } from '../contracts/factors-errors.ts';
import { admitSession } from '../sessions/admit-session.ts';
import { endSessionIn } from '../sessions/end-session.ts';
import { holdForRenewal } from '../sessions/hold-for-renewal.ts';
import type { LiveSession, RenewedSession } from '../sessions/live-session.ts';
import {
  consumeLoginChallenge,
  continueLegacySession,
  type LoginChallenge,
  readContinued,
  useChallengeAttempt,
} from '../sessions/login-challenge.store.ts';
import { makeRoom } from '../sessions/make-room.ts';
import { createSessionFamily, type SessionWithFamily, type SignInAnswer } from '../sessions/open-session.ts';
import { findByCookie } from '../sessions/read-session.ts';
import { finishOrEnd, userCaller } from '../sign-in/finish-sign-in.ts';
import type { SignInPorts } from '../sign-in/sign-in.ts';
import { readSignInOriginOf } from '../sign-in/sign-in-origin.ts';
import { lockUser } from '../users/accounts.store.ts';
import { withSecondFactor } from '../users/assurance.ts';
import { verifyOwedCode } from './enrol-owed-factor.ts';
import { type SentCode, type VerifiedCode, verifyCode } from './verify-code.ts';

type AnswerSecondFactorInput = SentCode & {
  readonly challenge: string;
  /** The Cookie header: its session is renewed, or ends if it is another user's. */
  readonly cookie?: string | undefined;
  readonly signal?: AbortSignal;
};

/** Using a recovery code rewrites the list that was read, so of two concurrent uses one must read again. */
const READS = 3;

/**
 * The second step of a sign-in: redeems a challenge with a code, for a two-factor session. Session, token family, use
 * of the code and use of the challenge are one transaction.
 * @throws challengeOver, secondFactorRefused (401), secondFactorLocked (429), storeUnavailable (503)
 */
export async function answerSecondFactor(
  ports: SignInPorts,
  input: AnswerSecondFactorInput,
  caller: Caller,
): Promise<SignInAnswer> {
  const factor = input.totp === undefined ? 'recovery_code' : 'totp';
  try {
    const answer = await attempt(ports, input, caller);
    logins.add(1, { outcome: 'ok', factor });
    return answer;
  } catch (err) {
    const status = isAppError(err) ? err.definition.status : 500;
    logins.add(1, { outcome: status === 429 ? 'locked' : status < 500 ? 'refused' : 'unavailable', factor });
    throw err;
  }
}

async function attempt(ports: SignInPorts, input: AnswerSecondFactorInput, caller: Caller): Promise<SignInAnswer> {
  assertMayIssue(ports.revocations);
  const asked = await useChallengeAttempt(ports.sql, input.challenge);
  if (!asked) throw challengeOver();
  for (let read = 0; read < READS; read++) {
    const proof = await verified(ports, asked.user_id, input);
    if (!proof) break;
    const signedIn = await open(ports, input, asked, proof, caller);
    if (signedIn) return finishOrEnd(ports, signedIn, { cookie: input.cookie }, userCaller(asked.user_id, caller));
    if (proof.factor === 'totp') break;
  }
  await ports.transact(async (tx) => {
    await recordEvent(tx, caller, userLogin, {
      outcome: 'refused',
      target: { kind: 'user', id: asked.user_id },
      detail: { factor: input.totp === undefined ? 'recovery_code' : 'totp' },
    });
  });
  throw secondFactorRefused();
}

/** A code of a factor that the account has, or the first one of a factor that it owes. */
async function verified(
  ports: SignInPorts,
  userId: string,
  { challenge, totp, recoveryCode }: AnswerSecondFactorInput,
): Promise<VerifiedCode | null> {
  const owed = totp === undefined ? null : await verifyOwedCode(ports, { userId, challenge, code: totp });
  return owed ?? verifyCode(ports, userId, { totp, recoveryCode });
}

/** Returns null if another request has used the code. */
async function open(
  ports: SignInPorts,
  { challenge, cookie }: AnswerSecondFactorInput,
  asked: LoginChallenge,
  code: VerifiedCode,
  caller: Caller,
): Promise<SessionWithFamily | null> {
  const { user_id: userId, amr } = asked;
  const actor = userCaller(userId, caller);
  const former = await findByCookie(ports, cookie);
  return ports.auth.transact(async (tx) => {
    await setAuditContext(tx, actor, 'sign_in');
    await lockUser(tx, userId);
    const redeem = async (): Promise<void> => {
      if (!(await consumeLoginChallenge(tx, challenge))) throw challengeOver();
    };
    if (code.isFirst) await redeem();
    const proof = await code.use(tx);
    if (proof === null) return null;
    if (!code.isFirst) await redeem();
    const renews =
      (await holdContinued(tx, ports, asked, former)) ??
      (await makeRoom(tx, ports, { userId, former, reason: 'sign_in' }, actor));
    const assurance = withSecondFactor(amr.split(' '), proof);
    const admission = await admitSession(tx, ports, { userId, assurance }, actor);
    const opened = await ports.auth.openSession({ admission, renews }, caller.request);
    if (!(await continueLegacySession(tx, asked, opened.session.id))) throw challengeOver();
    await recordEvent(tx, actor, userLogin, {
      outcome: 'ok',
      target: { kind: 'user', id: userId },
      detail: { factor: code.factor, ...(await readSignInOriginOf(tx, ports, opened, cookie, caller)) },
    });
    return createSessionFamily(tx, ports, opened, actor);
  });
}

/** The session that the old provider's became before, which goes on instead of this browser's; null: none. */
async function holdContinued(
  tx: Tx,
  ports: SignInPorts,
  asked: LoginChallenge,
  former: LiveSession | null,
): Promise<RenewedSession | null> {
  const id = await readContinued(tx, asked);
  if (id === null) return null;
  const token = former?.session.id === id ? former.session.token : null;
  const held = await holdForRenewal(tx, ports, { id, userId: asked.user_id, token });
  if (held !== null && former !== null && former.session.id !== id) await endSessionIn(tx, ports, former.session.id);
  return held;
}
