import { logins } from '#observability/metrics/identity.ts';
import { setAuditContext } from '#services/core/audit/audit-context.ts';
import { recordEvent } from '#services/core/audit/record-event.ts';
import type { Caller, HashAdmission, Ports, Tx } from '#services/core/ports.ts';
import { assertMayIssue, type HasRevocationPush } from '#services/core/revocations/revocation-set.ts';
import { isAppError } from '#services/platform/define/error.ts';
import { secondFactorRequired } from '#services/platform/errors.ts';
import { userLogin } from '../audit-events.ts';
import { loginLocked, loginRefused } from '../contracts/sign-in-errors.ts';
import type { HasVerificationRule } from '../mail/queue-mail.ts';
import { admissionOf, assertQueueHasPlace, inQueue, isHashable } from '../passwords/hash-password.ts';
import type { HasPasswordPolicy } from '../passwords/password-policy.ts';
import { type HasFormerPasswords, takeFormerPassword } from '../passwords/take-former-password.ts';
import { isUpgradedSince, upgradeDigest } from '../passwords/upgrade-digest.ts';
import { admitSession } from '../sessions/admit-session.ts';
import type { HasAuth } from '../sessions/auth.ts';
import type { HasCsrf } from '../sessions/csrf.ts';
import { type HasSessionLimit, makeRoom } from '../sessions/make-room.ts';
import { createSessionFamily, type SessionTokenPorts, type SignInAnswer } from '../sessions/open-session.ts';
import { findByCookie } from '../sessions/read-session.ts';
import { findCredential, lockUser, type PasswordCredential } from '../users/accounts.store.ts';
import { PASSWORD_ALONE } from '../users/assurance.ts';
import { normaliseEmail } from '../users/email.ts';
import { finishOrEnd, userCaller } from './finish-sign-in.ts';
import { refuseUnverified } from './refuse-unverified.ts';
import {
  admitSignIn,
  countSignInFailure,
  forgiveSignIn,
  type HasSignInGuard,
  mayBeKnownDevice,
} from './sign-in-guard.ts';
import { readSignInOrigin } from './sign-in-origin.ts';
import { forgiveUncompared, refuseUncompared, uncomparedOf } from './uncompared-sign-ins.ts';

export type SignInPorts = Pick<Ports, 'transact' | 'sql' | 'hasher' | 'log'> &
  HasPasswordPolicy &
  SessionTokenPorts &
  HasAuth &
  HasCsrf &
  HasSignInGuard &
  HasVerificationRule &
  HasSessionLimit &
  HasFormerPasswords &
  HasRevocationPush;

export type SignInInput = {
  readonly email: string;
  readonly password: string;
  /** The Cookie header: its session is renewed, with a new cookie (session fixation), or ends if it is another user's. */
  readonly cookie?: string | undefined;
  /** Aborted when the client disconnects, to free its place in the hashing queue. */
  readonly signal?: AbortSignal;
};

/**
 * Exchanges e-mail and password for a new or renewed session and its token pair.
 * @throws secondFactorRequired (401 with a challenge: no session was opened), loginRefused (401, the same for an
 *   unknown or disabled account and a wrong password; while a former provider is away, its 503), emailUnverified (403), loginLocked (429), hashingBusy,
 *   storeUnavailable (503)
 */
export async function signIn(ports: SignInPorts, input: SignInInput, caller: Caller): Promise<SignInAnswer> {
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

async function attempt(ports: SignInPorts, input: SignInInput, caller: Caller): Promise<SignInAnswer> {
  assertMayIssue(ports.revocations);
  const email = normaliseEmail(input.email);
  const mayBeKnown = mayBeKnownDevice(ports, { email, cookie: input.cookie });
  assertQueueHasPlace(ports.hasher, admissionOf(caller, input.signal, mayBeKnown));
  const credential = await findCredential(ports.sql, email);
  const devicesSince = credential?.devicesSince;
  const admitted = await admitSignIn(ports, { email, cookie: input.cookie, devicesSince }, caller);
  await refuseUncompared(ports, { email, admitted }, caller);
  let uncompared: Error | null = null;
  if (credential?.digest === null && !credential.isDisabled) {
    const admission = admissionOf(caller, input.signal, admitted.isKnownDevice);
    const asked = { userId: credential.userId, email, password: input.password };
    const isTaken = await takeFormerPassword(ports, asked, { admission, caller });
    // Now the password is stored here, and is verified as every other one.
    if (isTaken === true) return attempt(ports, input, caller);
    if (isTaken !== false) uncompared = isTaken;
  }
  // Before the password is hashed: if the form was sent twice, the cookie is replaced meanwhile.
  const former = await findByCookie(ports, input.cookie);
  const verified = await verifyPassword(
    ports,
    input,
    credential,
    admissionOf(caller, input.signal, admitted.isKnownDevice),
  );
  const refuse = async (): Promise<never> => {
    const away = uncompared ?? (await ports.formerPasswords?.away()) ?? null;
    const counted = away === null ? null : uncomparedOf(ports, { email, admitted }, credential);
    const userId = credential?.userId;
    const lockedSeconds = await ports.transact((tx) => countSignInFailure(tx, admitted, userId, caller, counted));
    throw lockedSeconds > 0 ? loginLocked({ retryAfterSeconds: lockedSeconds }) : (away ?? loginRefused());
  };
  const forgive = async (tx: Tx) => {
    const forgiven = await forgiveSignIn(tx, admitted);
    await forgiveUncompared(tx, ports, { email, admitted });
    return forgiven;
  };
  if (!verified) return refuse();
  if (ports.verificationRequired && !credential?.isVerified)
    return refuseUnverified(ports.sql, { ...admitted, userId: verified.userId }, caller);
  const actor = userCaller(verified.userId, caller);
  const signedIn = await ports.auth
    .transact(async (tx) => {
      await setAuditContext(tx, actor, 'sign_in');
      // The digest is read again under this lock and compared with the verified one, so that no session outlives a
      // password change and no challenge is issued for an old password.
      await lockUser(tx, verified.userId);
      const current = await findCredential(tx, email);
      if (current?.userId !== verified.userId || current.digest !== verified.digest || current.isDisabled)
        throw loginRefused();
      // The devices of the account were forgotten in the meantime: evaluate the device again.
      if (current.devicesSince?.getTime() !== devicesSince?.getTime()) return null;
      const { identifier } = admitted;
      const detail = { factor: 'password', identifier };
      const arrival = { userId: verified.userId, assurance: PASSWORD_ALONE, detail };
      const admission = await admitSession(tx, ports, arrival, actor);
      if (isAppError(admission)) {
        await forgive(tx);
        return admission;
      }
      const renews = await makeRoom(tx, ports, { userId: verified.userId, former, reason: 'sign_in' }, actor);
      const { suspectNetwork } = await forgive(tx);
      const opened = await ports.auth.openSession({ admission, renews }, caller.request);
      await recordEvent(tx, actor, userLogin, {
        outcome: 'ok',
        target: { kind: 'user', id: verified.userId },
        detail: {
          ...detail,
          ...(await readSignInOrigin(
            tx,
            opened.session,
            { isKnownDevice: admitted.isKnownDevice, suspectNetwork },
            ports,
          )),
        },
      });
      return createSessionFamily(tx, ports, opened, actor);
    })
    // The account was disabled or deleted, or its password changed, between verification and transaction.
    .catch(async (err: unknown) => {
      if (!isRefused(err)) throw err;
      return (await isUpgradedSince(ports, email, verified)) ? null : refuse();
    });
  // Retry: a concurrent sign-in has upgraded the digest, which happens only once, or the devices were forgotten.
  if (signedIn === null) return attempt(ports, input, caller);
  // The password was right, whether or not a second factor is asked for.
  void upgradeDigest(ports, verified, input.password, actor);
  if (isAppError(signedIn)) throw signedIn;
  return finishOrEnd(ports, signedIn, { cookie: input.cookie }, actor);
}

/** Returns the credential if the password matches. Always verifies one digest, whether or not the account exists. */
async function verifyPassword(
  ports: Pick<Ports, 'hasher'>,
  { password }: SignInInput,
  credential: PasswordCredential | undefined,
  admission: HashAdmission,
): Promise<{ readonly userId: string; readonly digest: string } | undefined> {
  const digest = credential?.digest ?? ports.hasher.dummyDigest;
  const candidate = isHashable(password) ? password : 'no password has this form';
  const matches = await inQueue(ports.hasher.verify(candidate, digest, admission));
  if (!matches || !credential?.digest || credential.isDisabled || candidate !== password) return undefined;
  return { userId: credential.userId, digest: credential.digest };
}
