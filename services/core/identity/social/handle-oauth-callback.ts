import { logins } from '#observability/metrics/identity.ts';
import { recordEvent, setAuditContext } from '#services/core/audit/record-event.ts';
import type { Caller } from '#services/core/ports.ts';
import { assertMayIssue } from '#services/core/revocations/revocation-set.ts';
import { assertOwnFactor } from '#services/core/shared/assert-own-factor.ts';
import { type AppError, isAppError } from '#services/platform/define/error.ts';
import { secondFactorRequired } from '#services/platform/errors.ts';
import { userLogin } from '../audit-events.ts';
import type { SignInView } from '../contracts/sign-in-contract.ts';
import { loginLocked, loginRefused } from '../contracts/sign-in-errors.ts';
import { socialProviderUnknown, socialSignInRefused } from '../contracts/social-errors.ts';
import { type MailPorts, queueMail } from '../mail/queue-mail.ts';
import { admitSession } from '../sessions/admit-session.ts';
import { makeRoom } from '../sessions/make-room.ts';
import { createSessionFamily, sessionCallerOf } from '../sessions/open-session.ts';
import { findByCookie } from '../sessions/read-session.ts';
import { readOwnSession } from '../sessions/sessions.store.ts';
import { finishOrEnd, userCaller } from '../sign-in/finish-sign-in.ts';
import { isClosedTo, lockedOut } from '../sign-in/refuse-stepped-up.ts';
import type { SignInPorts } from '../sign-in/sign-in.ts';
import { readSignInOriginOf } from '../sign-in/sign-in-origin.ts';
import { lockUser } from '../users/accounts.store.ts';
import { UNNAMED } from '../users/assurance.ts';
import { browserSecretIn, hashOf, isBrowser, proofOf } from './browser-secret.ts';
import { linkOAuthAccount } from './link-oauth-account.ts';
import type { Profile } from './profile.ts';
import type { HasSocialProviders } from './providers.ts';
import { recogniseUser, verifiedEmail } from './recognise-user.ts';
import { type Attempt, takeAttempt } from './social.store.ts';

type CallbackPorts = SignInPorts & MailPorts & HasSocialProviders;

export type CallbackInput = {
  readonly provider: string;
  readonly state: string;
  readonly code?: string | undefined;
  /** RFC 9207. */
  readonly issuer?: string | undefined;
  readonly cookie?: string | undefined;
};

/** Null after linking, which opens no session. */
type OAuthResult = SignInView & { readonly isNewUser: boolean };

export type CallbackAnswer = {
  readonly result: OAuthResult | null;
  readonly callbackUrl: string | null;
  readonly setCookie: readonly string[];
};

/**
 * Handles the redirect from another provider: opens a session with its token pair, or links the provider's account.
 * @throws socialSignInRefused (400), socialEmailUnproven (403), socialAccountTaken (409), secondFactorRequired (401),
 *   loginRefused (401) for a disabled account, loginLocked (429) from an unknown device after `step_up`,
 *   socialProviderUnknown (404), socialProviderUnavailable (503)
 */
export async function handleOAuthCallback(
  ports: CallbackPorts,
  input: CallbackInput,
  caller: Caller,
): Promise<CallbackAnswer> {
  assertMayIssue(ports.revocations);
  try {
    const { attempt, profile } = await redeem(ports, input);
    if (attempt.link_user_id !== null) return await link(ports, input, { attempt, profile }, caller);
    const answer = await signIn(ports, input, { attempt, profile }, caller);
    logins.add(1, { outcome: 'ok', factor: 'social' });
    return answer;
  } catch (err) {
    const { code, definition } = err as { code?: string; definition?: { status: number } };
    const isRefused = definition !== undefined && definition.status < 500;
    const recorded = RECORDED.get(code);
    logins.add(1, { outcome: recorded ?? (isRefused ? 'refused' : 'unavailable'), factor: 'social' });
    if (isRefused && recorded === undefined && code !== socialProviderUnknown.definition.code)
      await recordEvent(ports.sql, caller, userLogin, {
        outcome: 'refused',
        detail: { factor: 'social', provider: input.provider },
      });
    throw err;
  }
}

/** Refusals that record their own event, with the user they concern. */
const RECORDED = new Map<string | undefined, 'second_factor_asked' | 'locked'>([
  [secondFactorRequired.definition.code, 'second_factor_asked'],
  [loginLocked.definition.code, 'locked'],
]);

type Redeemed = { readonly attempt: Attempt; readonly profile: Profile };

/** The state is consumed before anything else is verified, and no transaction waits for the provider. */
async function redeem(ports: CallbackPorts, input: CallbackInput): Promise<Redeemed> {
  const provider = ports.socialProviders.provider(input.provider);
  if (!provider) throw socialProviderUnknown();
  const attempt = await takeAttempt(ports.sql, hashOf('state', input.state));
  const secret = browserSecretIn(ports.auth, input.cookie);
  const isOurs = attempt !== undefined && secret !== null && isBrowser(secret, attempt.browser_hash);
  if (!isOurs || attempt.provider !== input.provider || input.code === undefined) throw socialSignInRefused();
  const { code, issuer } = input;
  return { attempt, profile: await provider.redeem({ code, issuer, ...proofOf(secret, input.state) }) };
}

/** Rolls back what a sign-in linked, verified or ended before it was refused. */
class ClosedAccountError extends Error {
  override readonly name = 'ClosedAccountError';
  readonly userId: string;
  constructor(userId: string) {
    super('an incident has locked the account for this device');
    this.userId = userId;
  }
}

async function signIn(
  ports: CallbackPorts,
  { cookie, provider }: CallbackInput,
  { attempt, profile }: Redeemed,
  caller: Caller,
): Promise<CallbackAnswer> {
  const former = await findByCookie(ports, cookie);
  const detail = { factor: 'social', provider };
  const attempted = ports.auth.transact(async (tx) => {
    await setAuditContext(tx, caller, 'social_sign_in');
    const { userId, isNewUser } = await recogniseUser(tx, ports, profile, caller);
    await lockUser(tx, userId);
    const person = userCaller(userId, caller);
    const admission = await admitSession(tx, ports, { userId, assurance: UNNAMED, detail }, person);
    if (isAppError(admission)) return { userId, refused: admission };
    if (await isClosedTo(tx, ports, { userId, cookie })) throw new ClosedAccountError(userId);
    const renews = await makeRoom(tx, ports, { userId, former, reason: 'social_sign_in' }, caller);
    const opened = await ports.auth.openSession({ admission, renews }, caller.request);
    if (opened.user.disabledAt !== null) throw loginRefused();
    // A new account offers an attacker nothing to take over.
    const sighting = isNewUser
      ? { session_id: opened.session.id, known_device: false }
      : await readSignInOriginOf(tx, ports, opened, cookie, caller);
    await recordEvent(tx, person, userLogin, {
      outcome: 'ok',
      target: { kind: 'user', id: userId },
      detail: { ...detail, ...sighting },
    });
    return { userId, isNewUser, signedIn: await createSessionFamily(tx, ports, opened, person) };
  });
  const begun = await attempted.catch(async (err: unknown) => {
    if (!(err instanceof ClosedAccountError)) throw err;
    const { userId } = err;
    throw await lockedOut(ports.sql, { userId, detail }, userCaller(userId, caller));
  });
  if (begun.refused) throw withReturn(begun.refused, attempt.callback_url);
  const { body, setCookie } = await finishOrEnd(ports, begun.signedIn, { cookie }, userCaller(begun.userId, caller));
  return { result: { ...body, isNewUser: begun.isNewUser }, callbackUrl: attempt.callback_url, setCookie };
}

/** The attempt is consumed with the first factor, so the return address is sent with the challenge. */
const withReturn = ({ options: { members } }: AppError, callbackUrl: string | null): AppError =>
  secondFactorRequired({ members: { ...members, ...(callbackUrl === null ? {} : { callbackURL: callbackUrl }) } });

/** Requires that the user who started linking is still signed in in this browser. */
async function link(
  ports: CallbackPorts,
  { cookie }: CallbackInput,
  { attempt, profile }: Redeemed,
  caller: Caller,
): Promise<CallbackAnswer> {
  const live = await findByCookie(ports, cookie);
  const userId = attempt.link_user_id;
  if (userId === null || live?.user.id !== userId) throw socialSignInRefused();
  verifiedEmail(profile);
  await ports.transact(async (tx) => {
    await setAuditContext(tx, userCaller(userId, caller), 'link_account');
    await lockUser(tx, userId);
    // Checked under the lock: a session that has ended in the meantime adds no sign-in method.
    if (!(await readOwnSession(tx, live.session.id, userId))) throw socialSignInRefused();
    await assertOwnFactor(tx, sessionCallerOf(live, ports, caller));
    const { email: to } = live.user;
    if (await linkOAuthAccount(tx, ports, userId, profile))
      await queueMail(tx, ports, { template: 'account_linked', to, provider: profile.providerId }, caller);
  });
  return { result: null, callbackUrl: attempt.callback_url, setCookie: [] };
}
