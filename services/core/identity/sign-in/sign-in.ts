import { logins } from '#observability/metrics/identity.ts';
import { recordEvent, setAuditContext } from '#services/core/audit/record-event.ts';
import type { Caller, HashAdmission, Ports, Sql, Tx } from '#services/core/ports.ts';
import { assertMayIssue, type HasRevocationPush } from '#services/core/revocations/revocation-set.ts';
import { normaliseEmail } from '#services/platform/define/email.ts';
import { type AppError, isAppError } from '#services/platform/define/error.ts';
import { secondFactorRequired } from '#services/platform/errors.ts';
import { userLogin } from '../audit-events.ts';
import { emailUnverified } from '../contracts/account-errors.ts';
import { loginLocked, loginRefused } from '../contracts/sign-in-errors.ts';
import type { HasVerificationRule } from '../mail/queue-mail.ts';
import {
  admissionOf,
  assertQueueHasPlace,
  inQueue,
  isHashable,
  isUpgradedSince,
  upgradeDigest,
  type VerifiedPassword,
} from '../passwords/hash-password.ts';
import type { HasPasswordPolicy } from '../passwords/password-policy.ts';
import { type HasFormerPasswords, takeFormerPassword } from '../passwords/take-former-password.ts';
import { admitSession } from '../sessions/admit-session.ts';
import type { HasAuth } from '../sessions/auth.ts';
import type { HasCsrf } from '../sessions/csrf.ts';
import type { LiveSession } from '../sessions/live-session.ts';
import { type HasSessionLimit, makeRoom } from '../sessions/make-room.ts';
import {
  createSessionFamily,
  type SessionTokenPorts,
  type SessionWithFamily,
  type SignInAnswer,
} from '../sessions/open-session.ts';
import { findByCookie } from '../sessions/read-session.ts';
import { findCredential, lockUser, type PasswordCredential } from '../users/accounts.store.ts';
import { PASSWORD_ALONE } from '../users/assurance.ts';
import { finishOrEnd, userCaller } from './finish-sign-in.ts';
import {
  type AdmittedSignIn,
  admitSignIn,
  countSignInFailure,
  forgiveSignIn,
  forgiveUncompared,
  type HasSignInGuard,
  mayBeKnownDevice,
  refuseUncompared,
  uncomparedOf,
} from './sign-in-guard.ts';
import { readSignInOrigin } from './sign-in-origin.ts';

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
    let answer = await attempt(ports, input, caller);
    // A password is taken over once, and a digest is upgraded once; devices are rarely forgotten.
    while (answer === 'changed') answer = await attempt(ports, input, caller);
    logins.add(1, { outcome: 'ok', factor: 'password' });
    return answer;
  } catch (err) {
    logins.add(1, { outcome: outcomeOf(err), factor: 'password' });
    throw err;
  }
}

function outcomeOf(err: unknown): 'refused' | 'locked' | 'second_factor_asked' | 'unavailable' {
  if (isOf(err, loginRefused)) return 'refused';
  if (isOf(err, loginLocked)) return 'locked';
  return isOf(err, secondFactorRequired) ? 'second_factor_asked' : 'unavailable';
}

const isOf = (err: unknown, { definition }: { readonly definition: { readonly code: string } }): boolean =>
  (err as { code?: unknown }).code === definition.code;

/** What was read of the account before its password is verified, and the counters of the attempt. */
type Begun = {
  readonly input: SignInInput;
  readonly email: string;
  readonly credential: PasswordCredential | undefined;
  readonly admitted: AdmittedSignIn;
  /** Its place in the queue of password hashing. */
  readonly admission: HashAdmission;
  readonly caller: Caller;
};

/** One attempt; `changed` if the account changed meanwhile, and the attempt is to be made again. */
async function attempt(ports: SignInPorts, input: SignInInput, caller: Caller): Promise<SignInAnswer | 'changed'> {
  const begun = await begin(ports, input, caller);
  const taken = await takePassword(ports, begun);
  // Now the password is stored here, and is verified as every other one.
  if (taken === true) return 'changed';
  const refuse = (): Promise<never> => countAndRefuse(ports, begun, taken === false ? null : taken);
  // Before the password is hashed: if the form was sent twice, the cookie is replaced meanwhile.
  const former = await findByCookie(ports, input.cookie);
  const verified = await verifyPassword(ports, begun);
  if (!verified) return refuse();
  if (ports.verificationRequired && !begun.credential?.isVerified)
    return refuseUnverified(ports.sql, { ...begun.admitted, userId: verified.userId }, caller);
  const actor = userCaller(verified.userId, caller);
  const opened = await ports.auth
    .transact((tx) => open(tx, ports, begun, { ...verified, former }, actor))
    // The account was disabled or deleted, or its password changed, between verification and transaction.
    .catch(async (err: unknown) => {
      if (!isOf(err, loginRefused)) throw err;
      return (await isUpgradedSince(ports, begun.email, verified)) ? ('changed' as const) : refuse();
    });
  if (opened === 'changed') return opened;
  // The password was right, whether or not a second factor is asked for.
  void upgradeDigest(ports, verified, input.password, actor);
  if (isAppError(opened)) throw opened;
  return finishOrEnd(ports, opened, { cookie: input.cookie }, actor);
}

/** Refuses what no password could admit: a full queue, a locked name, a copy that may not issue tokens. */
async function begin(ports: SignInPorts, input: SignInInput, caller: Caller): Promise<Begun> {
  assertMayIssue(ports.revocations);
  const email = normaliseEmail(input.email);
  const mayBeKnown = mayBeKnownDevice(ports, { email, cookie: input.cookie });
  assertQueueHasPlace(ports.hasher, admissionOf(caller, input.signal, mayBeKnown));
  const credential = await findCredential(ports.sql, email);
  const attempted = { email, cookie: input.cookie, devicesSince: credential?.devicesSince };
  const admitted = await admitSignIn(ports, attempted, caller);
  await refuseUncompared(ports, { email, admitted }, caller);
  const admission = admissionOf(caller, input.signal, admitted.isKnownDevice);
  return { input, email, credential, admitted, admission, caller };
}

/** Asks the former provider of a user without a password here; false if there is none to ask, or it refused. */
async function takePassword(
  ports: SignInPorts,
  { input, email, credential, admission, caller }: Begun,
): Promise<boolean | Error> {
  if (credential?.digest !== null || credential.isDisabled) return false;
  const asked = { userId: credential.userId, email, password: input.password };
  return takeFormerPassword(ports, asked, { admission, caller });
}

/** Returns the credential if the password matches. Always verifies one digest, whether or not the account exists. */
async function verifyPassword(
  ports: Pick<Ports, 'hasher'>,
  { credential, input: { password }, admission }: Begun,
): Promise<VerifiedPassword | undefined> {
  const digest = credential?.digest ?? ports.hasher.dummyDigest;
  const candidate = isHashable(password) ? password : 'no password has this form';
  const matches = await inQueue(ports.hasher.verify(candidate, digest, admission));
  if (!matches || !credential?.digest || credential.isDisabled || candidate !== password) return undefined;
  return { userId: credential.userId, digest: credential.digest };
}

/** @param uncompared the 503 of a former provider that did not compare the password of this attempt */
async function countAndRefuse(ports: SignInPorts, begun: Begun, uncompared: Error | null): Promise<never> {
  const { email, credential, admitted, caller } = begun;
  const away = uncompared ?? (await ports.formerPasswords?.away()) ?? null;
  const counted = away === null ? null : uncomparedOf(ports, { email, admitted }, credential);
  const userId = credential?.userId;
  const lockedSeconds = await ports.transact((tx) => countSignInFailure(tx, admitted, userId, caller, counted));
  throw lockedSeconds > 0 ? loginLocked({ retryAfterSeconds: lockedSeconds }) : (away ?? loginRefused());
}

/** Records a correct password that opened no session, and throws `email_unverified` (403). */
export async function refuseUnverified(
  sql: Sql,
  { userId, identifier, isKnownDevice }: { userId: string; identifier: string; isKnownDevice: boolean },
  caller: Caller,
): Promise<never> {
  await recordEvent(sql, caller, userLogin, {
    outcome: 'refused',
    target: { kind: 'user', id: userId },
    detail: { factor: 'password', identifier, known_device: isKnownDevice, reason: 'email_unverified' },
  });
  throw emailUnverified();
}

/** Opens or renews the session, with its token family; returns the refusal to throw if a second factor is asked for. */
async function open(
  tx: Tx,
  ports: SignInPorts,
  { email, credential, admitted }: Begun,
  { userId, digest, former }: VerifiedPassword & { readonly former: LiveSession | null },
  actor: Caller,
): Promise<SessionWithFamily | AppError | 'changed'> {
  await setAuditContext(tx, actor, 'sign_in');
  // The digest is read again under this lock and compared with the verified one, so that no session outlives a
  // password change and no challenge is issued for an old password.
  await lockUser(tx, userId);
  const current = await findCredential(tx, email);
  if (current?.userId !== userId || current.digest !== digest || current.isDisabled) throw loginRefused();
  // The devices of the account were forgotten in the meantime: evaluate the device again.
  if (current.devicesSince?.getTime() !== credential?.devicesSince?.getTime()) return 'changed';
  const detail = { factor: 'password', identifier: admitted.identifier };
  const admission = await admitSession(tx, ports, { userId, assurance: PASSWORD_ALONE, detail }, actor);
  if (isAppError(admission)) {
    await forgive(tx, ports, { email, admitted });
    return admission;
  }
  const renews = await makeRoom(tx, ports, { userId, former, reason: 'sign_in' }, actor);
  const { suspectNetwork } = await forgive(tx, ports, { email, admitted });
  const opened = await ports.auth.openSession({ admission, renews }, actor.request);
  const device = { isKnownDevice: admitted.isKnownDevice, suspectNetwork };
  await recordEvent(tx, actor, userLogin, {
    outcome: 'ok',
    target: { kind: 'user', id: userId },
    detail: { ...detail, ...(await readSignInOrigin(tx, opened.session, device, ports)) },
  });
  return createSessionFamily(tx, ports, opened, actor);
}

/** Clears the counters of the attempt, in the order of keys of every writer. */
async function forgive(tx: Tx, ports: SignInPorts, begun: Pick<Begun, 'email' | 'admitted'>) {
  const forgiven = await forgiveSignIn(tx, begun.admitted);
  await forgiveUncompared(tx, ports, begun);
  return forgiven;
}
