import { logins } from '../../../observability/metrics/identity.ts';
import { FIRST_PARTY_CLIENT_ID } from '../access/access-directory.ts';
import { setAuditContext } from '../audit/audit-context.ts';
import { recordEvent } from '../audit/record-event.ts';
import type { Caller, Ports } from '../ports.ts';
import { assertNotRewound, type HasRevocationPush } from '../tokens/revocation-set.ts';
import { userLogin } from './audit-events.ts';
import type { HasAuth } from './auth.ts';
import type { HasCsrf } from './csrf.ts';
import { identifierHash, normaliseEmail } from './email.ts';
import { endSession, endSessionIn } from './end-session.ts';
import { loginRefused } from './errors.ts';
import { admissionOf, inQueue } from './hash-password.ts';
import { type Credential, findCredential } from './identity.store.ts';
import { beginLogin, finishLogin, type LoginAnswer, type SessionTokenPorts } from './open-session.ts';
import { type HasPasswordPolicy, isHashable } from './password-policy.ts';
import { findByCookie } from './read-session.ts';
import { isUpgradedSince, upgradeDigest } from './upgrade-digest.ts';

export type LoginPorts = Pick<Ports, 'transact' | 'sql' | 'hasher' | 'log'> &
  HasPasswordPolicy &
  SessionTokenPorts &
  HasAuth &
  HasCsrf &
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
 * E-mail and password for a new session and its token pair (D-API-02).
 * @throws loginRefused (401, alike for unknown, disabled and wrong), hashingBusy, storeUnavailable (503)
 */
export async function signIn(ports: LoginPorts, input: SignInInput, caller: Caller): Promise<LoginAnswer> {
  try {
    const answer = await attempt(ports, input, caller);
    logins.add(1, { outcome: 'ok', factor: 'password' });
    return answer;
  } catch (err) {
    logins.add(1, { outcome: isRefused(err) ? 'refused' : 'unavailable', factor: 'password' });
    throw err;
  }
}

const isRefused = (err: unknown): boolean => (err as { code?: unknown }).code === loginRefused.definition.code;

async function attempt(ports: LoginPorts, input: SignInInput, caller: Caller): Promise<LoginAnswer> {
  assertNotRewound(ports.revocations);
  const email = normaliseEmail(input.email);
  const credential = await findCredential(ports.sql, email);
  const identifier = identifierHash(ports.keyRing.secret('identifier'), email);
  const proven = await provePassword(ports, input, credential, caller);
  const refuse = async (): Promise<never> => {
    await recordEvent(ports.sql, caller, userLogin, {
      outcome: 'refused',
      ...(credential ? { target: { kind: 'user', id: credential.userId } as const } : {}),
      detail: { factor: 'password', identifier },
    });
    throw loginRefused();
  };
  if (!proven) return refuse();
  const actor = userCaller(proven.userId, caller);
  const replaced = await findByCookie(ports, input.cookie);
  const login = await ports.auth
    .transact(async (tx) => {
      await setAuditContext(tx, actor, 'sign_in');
      if (replaced) await endSessionIn(tx, ports, replaced.session.id);
      const opened = await ports.auth.signIn({ email, provenDigest: proven.digest }, caller.request);
      if (opened.user.disabledAt !== null) throw loginRefused();
      await recordEvent(tx, actor, userLogin, {
        outcome: 'ok',
        target: { kind: 'user', id: proven.userId },
        detail: { factor: 'password', identifier, session_id: opened.session.id },
      });
      return beginLogin(tx, ports, opened, actor);
    })
    // The account was disabled or deleted, or its password changed, between the proof and the transaction.
    .catch(async (err: unknown) => {
      if (!isRefused(err)) throw err;
      return (await isUpgradedSince(ports, email, proven)) ? null : refuse();
    });
  // A sign-in beside this one replaced the digest: the new one is proved, which none replaces again.
  if (login === null) return attempt(ports, input, caller);
  void upgradeDigest(ports, proven, input.password, actor);
  return finishLogin(ports, login, actor).catch(async (err: unknown) => {
    // Its cookie has not left, so nobody can use it; ending it keeps the list of sessions true.
    await endSession(ports, { sessionId: login.session.id, reason: 'issue_failed' }, actor).catch(() => {});
    throw err;
  });
}

/** The credential when the password is its; costs one verification in every case, known account or not. */
async function provePassword(
  ports: Pick<Ports, 'hasher'>,
  { password, signal }: SignInInput,
  credential: Credential | undefined,
  caller: Caller,
): Promise<{ readonly userId: string; readonly digest: string } | undefined> {
  const digest = credential?.digest ?? (await ports.hasher.dummyDigest());
  const candidate = isHashable(password) ? password : 'no password has this form';
  const matches = await inQueue(ports.hasher.verify(candidate, digest, admissionOf(caller, signal)));
  if (!matches || !credential?.digest || credential.isDisabled || candidate !== password) return undefined;
  return { userId: credential.userId, digest: credential.digest };
}

const userCaller = (userId: string, { request }: Caller): Caller => ({
  kind: 'user',
  userId,
  sessionId: null,
  clientId: FIRST_PARTY_CLIENT_ID,
  permissions: new Set(),
  by: 'session',
  tokenId: null,
  familyId: null,
  authTime: 0,
  request,
});
