import { logins } from '#observability/metrics/identity.ts';
import { setAuditContext } from '#services/domain/audit/audit-context.ts';
import { recordEvent } from '#services/domain/audit/record-event.ts';
import type { Caller, HashAdmission, Ports } from '#services/domain/ports.ts';
import { assertMayIssue, type HasRevocationPush } from '#services/domain/tokens/revocations/revocation-set.ts';
import { isAppError } from '#services/platform/define/error.ts';
import { lockUser } from '../accounts/accounts.store.ts';
import { refuseUnverified } from '../accounts/refuse-unverified.ts';
import { PASSWORD_ALONE } from '../assurance.ts';
import { userLogin } from '../audit-events.ts';
import type { HasAuth } from '../better-auth/auth.ts';
import { normaliseEmail } from '../email.ts';
import { loginLocked, loginRefused } from '../errors.ts';
import { askSecondFactor } from '../factors/ask-second-factor.ts';
import { secondFactorRequired } from '../factors/factors-errors.ts';
import { type Credential, findCredential } from '../identity.store.ts';
import type { HasVerificationRule } from '../mail/queue-mail.ts';
import { admissionOf, assertQueueHasPlace, inQueue } from '../passwords/hash-password.ts';
import { type HasPasswordPolicy, isHashable } from '../passwords/password-policy.ts';
import { isUpgradedSince, upgradeDigest } from '../passwords/upgrade-digest.ts';
import type { HasCsrf } from '../sessions/csrf.ts';
import { type HasSessionLimit, makeRoom } from '../sessions/make-room.ts';
import { beginLogin, type LoginAnswer, type SessionTokenPorts } from '../sessions/open-session.ts';
import { findByCookie } from '../sessions/read-session.ts';
import { countSignInFailure } from './count-sign-in-failure.ts';
import { finishOrEnd, personCaller } from './finish-sign-in.ts';
import { forgiveSignIn } from './forgive-sign-in.ts';
import { admitSignIn, type HasSignInGuard, mayBeKnownDevice } from './sign-in-guard.ts';
import { readSignInOrigin } from './sign-in-origin.ts';

export type LoginPorts = Pick<Ports, 'transact' | 'sql' | 'hasher' | 'log'> &
  HasPasswordPolicy &
  SessionTokenPorts &
  HasAuth &
  HasCsrf &
  HasSignInGuard &
  HasVerificationRule &
  HasSessionLimit &
  HasRevocationPush;

export type SignInInput = {
  readonly email: string;
  readonly password: string;
  /** The Cookie header: a session it names ends as the new one begins (no fixation). */
  readonly cookie?: string | undefined;
  /** Aborted when the client leaves: its place in the hashing queue is given up. */
  readonly signal?: AbortSignal;
};

/**
 * E-mail and password for a new session and its token pair.
 * @throws secondFactorRequired (401 with a challenge: nothing was opened), loginRefused (401, alike for unknown,
 *   disabled and wrong), emailUnverified (403), loginLocked (429), hashingBusy, storeUnavailable (503)
 */
export async function signIn(ports: LoginPorts, input: SignInInput, caller: Caller): Promise<LoginAnswer> {
  try {
    const answer = await attempt(ports, input, caller);
    logins.add(1, { outcome: 'ok', factor: 'password' });
    return answer;
  } catch (err) {
    logins.add(1, { outcome: outcomeOf(err), factor: 'password' });
    throw err;
  }
}

function outcomeOf(err: unknown): 'refused' | 'locked' | 'second_factor_asked' | 'unavailable' {
  if (isRefused(err)) return 'refused';
  if (isLocked(err)) return 'locked';
  return isAsked(err) ? 'second_factor_asked' : 'unavailable';
}

const isRefused = (err: unknown): boolean => (err as { code?: unknown }).code === loginRefused.definition.code;
const isLocked = (err: unknown): boolean => (err as { code?: unknown }).code === loginLocked.definition.code;

const isAsked = (err: unknown): boolean => (err as { code?: unknown }).code === secondFactorRequired.definition.code;

async function attempt(ports: LoginPorts, input: SignInInput, caller: Caller): Promise<LoginAnswer> {
  assertMayIssue(ports.revocations);
  const email = normaliseEmail(input.email);
  const mayBeKnown = mayBeKnownDevice(ports, { email, cookie: input.cookie });
  assertQueueHasPlace(ports.hasher, admissionOf(caller, input.signal, mayBeKnown));
  const credential = await findCredential(ports.sql, email);
  const devicesSince = credential?.devicesSince;
  const admitted = await admitSignIn(ports, { email, cookie: input.cookie, devicesSince }, caller);
  const proven = await provePassword(
    ports,
    input,
    credential,
    admissionOf(caller, input.signal, admitted.isKnownDevice),
  );
  const refuse = async (): Promise<never> => {
    const lockedSeconds = await ports.transact((tx) => countSignInFailure(tx, admitted, credential?.userId, caller));
    throw lockedSeconds > 0 ? loginLocked({ retryAfterSeconds: lockedSeconds }) : loginRefused();
  };
  if (!proven) return refuse();
  if (ports.verificationRequired && !credential?.isVerified)
    return refuseUnverified(ports.sql, { ...admitted, userId: proven.userId }, caller);
  const actor = personCaller(proven.userId, caller);
  const replaced = await findByCookie(ports, input.cookie);
  const login = await ports.auth
    .transact(async (tx) => {
      await setAuditContext(tx, actor, 'sign_in');
      // What the password was proved against is read again under this lock: no session outlives a change of it, and
      // no challenge is given for a password of before.
      await lockUser(tx, proven.userId);
      const current = await findCredential(tx, email);
      if (current?.userId !== proven.userId || current.digest !== proven.digest || current.isDisabled)
        throw loginRefused();
      // The devices of the account were forgotten meanwhile: whoever was known is judged anew.
      if (current.devicesSince?.getTime() !== devicesSince?.getTime()) return null;
      const { identifier } = admitted;
      const first = { userId: proven.userId, amr: PASSWORD_ALONE.amr, detail: { factor: 'password', identifier } };
      const asked = await askSecondFactor(tx, ports, first, actor);
      if (asked) {
        await forgiveSignIn(tx, admitted);
        return asked;
      }
      await makeRoom(tx, ports, { userId: proven.userId, replaced, reason: 'sign_in' }, actor);
      const { suspectNetwork } = await forgiveSignIn(tx, admitted);
      const session = { userId: proven.userId, assurance: PASSWORD_ALONE };
      const opened = await ports.auth.openSession(session, caller.request);
      await recordEvent(tx, actor, userLogin, {
        outcome: 'ok',
        target: { kind: 'user', id: proven.userId },
        detail: {
          factor: 'password',
          identifier: admitted.identifier,
          ...(await readSignInOrigin(tx, opened.session, { isKnownDevice: admitted.isKnownDevice, suspectNetwork })),
        },
      });
      return beginLogin(tx, ports, opened, actor);
    })
    // The account was disabled or deleted, or its password changed, between the proof and the transaction.
    .catch(async (err: unknown) => {
      if (!isRefused(err)) throw err;
      return (await isUpgradedSince(ports, email, proven)) ? null : refuse();
    });
  // A sign-in beside this one replaced the digest, and the new one is proved, which none replaces again; or see above.
  if (login === null) return attempt(ports, input, caller);
  if (isAppError(login)) throw login;
  void upgradeDigest(ports, proven, input.password, actor);
  return finishOrEnd(ports, login, { cookie: input.cookie }, actor);
}

/** The credential when the password is its; costs one verification in every case, known account or not. */
async function provePassword(
  ports: Pick<Ports, 'hasher'>,
  { password }: SignInInput,
  credential: Credential | undefined,
  admission: HashAdmission,
): Promise<{ readonly userId: string; readonly digest: string } | undefined> {
  const digest = credential?.digest ?? (await ports.hasher.dummyDigest());
  const candidate = isHashable(password) ? password : 'no password has this form';
  const matches = await inQueue(ports.hasher.verify(candidate, digest, admission));
  if (!matches || !credential?.digest || credential.isDisabled || candidate !== password) return undefined;
  return { userId: credential.userId, digest: credential.digest };
}
