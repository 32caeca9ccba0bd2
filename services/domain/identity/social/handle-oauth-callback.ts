import { logins } from '#observability/metrics/identity.ts';
import { setAuditContext } from '#services/domain/audit/audit-context.ts';
import { recordEvent } from '#services/domain/audit/record-event.ts';
import type { Caller } from '#services/domain/ports.ts';
import { assertMayIssue } from '#services/domain/tokens/revocations/revocation-set.ts';
import type { AppError } from '#services/platform/define/error.ts';
import { lockUser } from '../accounts/accounts.store.ts';
import { UNNAMED } from '../assurance.ts';
import { userLogin } from '../audit-events.ts';
import type { LoginView } from '../contract.ts';
import { loginLocked, loginRefused } from '../errors.ts';
import { askSecondFactor } from '../factors/ask-second-factor.ts';
import { readOwnSession } from '../factors/factors.store.ts';
import { secondFactorRequired } from '../factors/factors-errors.ts';
import { type MailPorts, queueMail } from '../mail/queue-mail.ts';
import { makeRoom } from '../sessions/make-room.ts';
import { beginLogin } from '../sessions/open-session.ts';
import { findByCookie } from '../sessions/read-session.ts';
import { finishOrEnd, personCaller } from '../sign-in/finish-sign-in.ts';
import { isClosedTo, lockedOut } from '../sign-in/refuse-stepped-up.ts';
import type { LoginPorts } from '../sign-in/sign-in.ts';
import { readSignInOriginOf } from '../sign-in/sign-in-origin.ts';
import { browserSecretIn, hashOf, isBrowser, proofOf } from './browser-secret.ts';
import { linkOAuthAccount } from './link-oauth-account.ts';
import type { Profile } from './profile.ts';
import type { HasSocialProviders } from './providers.ts';
import { provenEmail, recogniseUser } from './recognise-user.ts';
import { type Attempt, takeAttempt } from './social.store.ts';
import { socialProviderUnknown, socialSignInRefused } from './social-errors.ts';

export type CallbackPorts = LoginPorts & MailPorts & HasSocialProviders;

export type CallbackInput = {
  readonly provider: string;
  readonly state: string;
  readonly code?: string | undefined;
  /** RFC 9207. */
  readonly issuer?: string | undefined;
  readonly cookie?: string | undefined;
};

/** Null after linking, which opens no session. */
type OAuthResult = LoginView & { readonly isNewUser: boolean };

export type CallbackAnswer = {
  readonly result: OAuthResult | null;
  readonly callbackUrl: string | null;
  readonly setCookie: readonly string[];
};

/**
 * What a browser brings back from another provider, for a session and its token pair, or for one more way to sign in.
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
    if (attempt.linkUserId !== null) return await link(ports, input, { attempt, profile }, caller);
    const answer = await signIn(ports, input, { attempt, profile }, caller);
    logins.add(1, { outcome: 'ok', factor: 'social' });
    return answer;
  } catch (err) {
    const { code, definition } = err as { code?: string; definition?: { status: number } };
    const isRefused = definition !== undefined && definition.status < 500;
    const told = RECORDED.get(code);
    logins.add(1, { outcome: told ?? (isRefused ? 'refused' : 'unavailable'), factor: 'social' });
    if (isRefused && told === undefined && code !== socialProviderUnknown.definition.code)
      await recordEvent(ports.sql, caller, userLogin, {
        outcome: 'refused',
        detail: { factor: 'social', provider: input.provider },
      });
    throw err;
  }
}

/** Refusals whose event is written where they are judged, with whom they are about. */
const RECORDED = new Map<string | undefined, 'second_factor_asked' | 'locked'>([
  [secondFactorRequired.definition.code, 'second_factor_asked'],
  [loginLocked.definition.code, 'locked'],
]);

type Redeemed = { readonly attempt: Attempt; readonly profile: Profile };

/** The state is used up before anything else is judged, and no transaction waits for the provider. */
async function redeem(ports: CallbackPorts, input: CallbackInput): Promise<Redeemed> {
  const provider = ports.socialProviders.provider(input.provider);
  if (!provider) throw socialProviderUnknown();
  const attempt = await takeAttempt(ports.sql, hashOf('state', input.state));
  const secret = browserSecretIn(ports.auth, input.cookie);
  const isOurs = attempt !== undefined && secret !== null && isBrowser(secret, attempt.browserHash);
  if (!isOurs || attempt.provider !== input.provider || input.code === undefined) throw socialSignInRefused();
  const { code, issuer } = input;
  return { attempt, profile: await provider.redeem({ code, issuer, ...proofOf(secret, input.state) }) };
}

/** Rolls back what was linked, proved or ended for a sign-in that turns out to be refused. */
class ClosedAccountError extends Error {
  override readonly name = 'ClosedAccountError';
  readonly userId: string;
  constructor(userId: string) {
    super('an incident has closed the account to this device');
    this.userId = userId;
  }
}

async function signIn(
  ports: CallbackPorts,
  { cookie, provider }: CallbackInput,
  { attempt, profile }: Redeemed,
  caller: Caller,
): Promise<CallbackAnswer> {
  const replaced = await findByCookie(ports, cookie);
  const detail = { factor: 'social', provider };
  const attempted = ports.auth.transact(async (tx) => {
    await setAuditContext(tx, caller, 'social_sign_in');
    const { userId, isNewUser } = await recogniseUser(tx, ports, profile, caller);
    await lockUser(tx, userId);
    const person = personCaller(userId, caller);
    const refused = await askSecondFactor(tx, ports, { userId, amr: [], detail }, person);
    if (refused) return { userId, refused };
    if (await isClosedTo(tx, ports, { userId, cookie })) throw new ClosedAccountError(userId);
    await makeRoom(tx, ports, { userId, replaced, reason: 'social_sign_in' }, caller);
    const opened = await ports.auth.openSession({ userId, assurance: UNNAMED }, caller.request);
    if (opened.user.disabledAt !== null) throw loginRefused();
    // Of an account that begins here nobody has anything to take over.
    const sighting = isNewUser
      ? { session_id: opened.session.id, known_device: false }
      : await readSignInOriginOf(tx, ports, opened, cookie, caller);
    await recordEvent(tx, person, userLogin, {
      outcome: 'ok',
      target: { kind: 'user', id: userId },
      detail: { ...detail, ...sighting },
    });
    return { userId, isNewUser, login: await beginLogin(tx, ports, opened, person) };
  });
  const begun = await attempted.catch(async (err: unknown) => {
    if (!(err instanceof ClosedAccountError)) throw err;
    const { userId } = err;
    throw await lockedOut(ports.sql, { userId, detail }, personCaller(userId, caller));
  });
  if (begun.refused) throw withReturn(begun.refused, attempt.callbackUrl);
  const { body, setCookie } = await finishOrEnd(ports, begun.login, { cookie }, personCaller(begun.userId, caller));
  return { result: { ...body, isNewUser: begun.isNewUser }, callbackUrl: attempt.callbackUrl, setCookie };
}

/** The way back is used up with the first factor: where it leads goes along with the challenge. */
const withReturn = ({ options: { members } }: AppError, callbackUrl: string | null): AppError =>
  secondFactorRequired({ members: { ...members, ...(callbackUrl === null ? {} : { callbackURL: callbackUrl }) } });

/** The user who began it must still be the one who is signed in here. */
async function link(
  ports: CallbackPorts,
  { cookie }: CallbackInput,
  { attempt, profile }: Redeemed,
  caller: Caller,
): Promise<CallbackAnswer> {
  const live = await findByCookie(ports, cookie);
  const userId = attempt.linkUserId;
  if (userId === null || live?.user.id !== userId) throw socialSignInRefused();
  provenEmail(profile);
  await ports.transact(async (tx) => {
    await setAuditContext(tx, personCaller(userId, caller), 'link_account');
    await lockUser(tx, userId);
    // Under the lock: a session that was ended meanwhile adds no way to sign in.
    if (!(await readOwnSession(tx, live.session.id, userId))) throw socialSignInRefused();
    const { email: to } = live.user;
    if (await linkOAuthAccount(tx, ports, userId, profile))
      await queueMail(tx, ports, { template: 'account_linked', to, provider: profile.providerId }, caller);
  });
  return { result: null, callbackUrl: attempt.callbackUrl, setCookie: [] };
}
