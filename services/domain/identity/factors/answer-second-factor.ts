import { logins } from '#observability/metrics/identity.ts';
import { setAuditContext } from '#services/domain/audit/audit-context.ts';
import { recordEvent } from '#services/domain/audit/record-event.ts';
import type { Caller } from '#services/domain/ports.ts';
import { assertMayIssue } from '#services/domain/tokens/revocations/revocation-set.ts';
import { isAppError } from '#services/platform/define/error.ts';
import { lockUser } from '../accounts/accounts.store.ts';
import { withSecondFactor } from '../assurance.ts';
import { userLogin } from '../audit-events.ts';
import { makeRoom } from '../sessions/make-room.ts';
import { beginLogin, type Login, type LoginAnswer } from '../sessions/open-session.ts';
import { findByCookie } from '../sessions/read-session.ts';
import { finishOrEnd, personCaller } from '../sign-in/finish-sign-in.ts';
import type { LoginPorts } from '../sign-in/sign-in.ts';
import { readSignInOriginOf } from '../sign-in/sign-in-origin.ts';
import { challengeOver, secondFactorRefused } from './factors-errors.ts';
import { consumeLoginChallenge, type LoginChallenge, takeLoginAttempt } from './login-challenge.store.ts';
import { type CodeProof, proveCode, type SentCode } from './prove-code.ts';

export type AnswerSecondFactorInput = SentCode & {
  readonly challenge: string;
  /** The Cookie header: a session it names ends as the new one begins. */
  readonly cookie?: string | undefined;
  readonly signal?: AbortSignal;
};

/** A recovery code is used with all the others read: of two at once one reads again. */
const READS = 3;

/**
 * The second half of a sign-in: a code against the challenge, for a session of two factors. Session, family, use of the
 * code and use of the challenge are one transaction; before it there is nothing.
 * @throws challengeOver, secondFactorRefused (401), secondFactorLocked (429), storeUnavailable (503)
 */
export async function answerSecondFactor(
  ports: LoginPorts,
  input: AnswerSecondFactorInput,
  caller: Caller,
): Promise<LoginAnswer> {
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

async function attempt(ports: LoginPorts, input: AnswerSecondFactorInput, caller: Caller): Promise<LoginAnswer> {
  assertMayIssue(ports.revocations);
  const asked = await takeLoginAttempt(ports.sql, input.challenge);
  if (!asked) throw challengeOver();
  for (let read = 0; read < READS; read++) {
    const proof = await proveCode(ports, asked.userId, input);
    if (!proof) break;
    const login = await open(ports, input, asked, proof, caller);
    if (login) return finishOrEnd(ports, login, { cookie: input.cookie }, personCaller(asked.userId, caller));
    if (proof.factor === 'totp') break;
  }
  await ports.transact(async (tx) => {
    await recordEvent(tx, caller, userLogin, {
      outcome: 'refused',
      target: { kind: 'user', id: asked.userId },
      detail: { factor: input.totp === undefined ? 'recovery_code' : 'totp' },
    });
  });
  throw secondFactorRefused();
}

/** Null when the code was used by another request first. */
async function open(
  ports: LoginPorts,
  { challenge, cookie }: AnswerSecondFactorInput,
  { userId, amr }: LoginChallenge,
  proof: CodeProof,
  caller: Caller,
): Promise<Login | null> {
  const actor = personCaller(userId, caller);
  const replaced = await findByCookie(ports, cookie);
  return ports.auth.transact(async (tx) => {
    await setAuditContext(tx, actor, 'sign_in');
    await lockUser(tx, userId);
    if (!(await proof.use(tx))) return null;
    if (!(await consumeLoginChallenge(tx, challenge))) throw challengeOver();
    await makeRoom(tx, ports, { userId, replaced, reason: 'sign_in' }, actor);
    const assurance = withSecondFactor(amr.split(' '), ['otp']);
    const opened = await ports.auth.openSession({ userId, assurance }, caller.request);
    await recordEvent(tx, actor, userLogin, {
      outcome: 'ok',
      target: { kind: 'user', id: userId },
      detail: { factor: proof.factor, ...(await readSignInOriginOf(tx, ports, opened, cookie, caller)) },
    });
    return beginLogin(tx, ports, opened, actor);
  });
}
