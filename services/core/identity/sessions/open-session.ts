import { tokenIssueDuration, tokensIssued } from '#observability/metrics/tokens.ts';
import type { HasAccess } from '#services/core/access/access-directory.ts';
import { FIRST_PARTY_CLIENT_ID } from '#services/core/authority/callers.ts';
import type { HasKeyRing } from '#services/core/keys/key-ring.ts';
import type { Caller, Ports, Tx } from '#services/core/ports.ts';
import { assertMayIssue, type HasRevocations } from '#services/core/revocations/revocation-set.ts';
import { type AccessTokenClaims, accessTokenClaims, signAccessToken } from '#services/core/tokens/access-token.ts';
import { type CreatedFamily, createFamily, type NewFamily } from '#services/core/tokens/refresh/create-family.ts';
import { familyTokenFacts, pairAnswer, rememberToken } from '#services/core/tokens/refresh/family-token.ts';
import type { HasTokenSettings } from '#services/core/tokens/token-settings.ts';
import type { SignInView } from '../contracts/sign-in-contract.ts';
import { csrfSetCookie, type HasCsrf } from './csrf.ts';
import { required } from './handover.ts';
import { authTimeOf, type LiveSession, lastSignInOf, liveSessionView, type OpenedSession } from './live-session.ts';

export type SessionTokenPorts = Pick<Ports, 'clock' | 'random' | 'redis'> &
  HasAccess &
  HasKeyRing &
  HasRevocations &
  HasTokenSettings;

/** A session and its token family; the tokens are not signed yet. */
export type SessionWithFamily = OpenedSession & {
  readonly claims: AccessTokenClaims;
  readonly family: Pick<CreatedFamily, 'refresh_token' | 'refresh_expires_in_seconds'>;
};

export type SignInAnswer = {
  readonly body: SignInView;
  readonly setCookie: readonly string[];
  /** Whether the account has a confirmed authenticator app. */
  readonly hasTotp: boolean;
};

/** Creates the token family of a session, in the transaction that opens or renews the session. */
export async function createSessionFamily(
  tx: Tx,
  ports: SessionTokenPorts,
  opened: OpenedSession,
  caller: Caller,
): Promise<SessionWithFamily> {
  const { user, session } = opened;
  const begun: NewFamily = {
    user_id: user.id,
    session_id: session.id,
    client_id: FIRST_PARTY_CLIENT_ID,
    is_client_bound: false,
    scope: required(ports.access.client(FIRST_PARTY_CLIENT_ID)).scopes.join(' '),
    audience: ports.tokenSettings.audience,
    auth_time: authTimeOf(session),
  };
  const family = await createFamily(tx, ports, begun, caller);
  await ports.access.atLeast(family.access_version, tx);
  const facts = familyTokenFacts(ports.access, { ...begun, ...family });
  return { ...opened, family, claims: accessTokenClaims(ports, facts, caller.request) };
}

/**
 * A sign-in response without its signed tokens, as plain data that can be stored and signed again. Drafts are stored under
 * these names: a retry may read one that another release wrote.
 */
export type SignInDraft = Pick<SessionWithFamily, 'claims'> & {
  readonly family: { readonly refreshToken: string; readonly refreshExpiresInSeconds: number };
  readonly body: Omit<SignInView, 'tokens'>;
  readonly setCookie: readonly string[];
  /** Absent in drafts of earlier releases. */
  readonly hasTotp?: boolean;
};

export function draftSignIn(ports: HasCsrf, signedIn: SessionWithFamily): SignInDraft {
  const { session, family, claims } = signedIn;
  const lifeSeconds = Math.max(0, Math.round((session.expiresAt.getTime() - lastSignInOf(session).getTime()) / 1_000));
  return {
    claims,
    family: { refreshToken: family.refresh_token, refreshExpiresInSeconds: family.refresh_expires_in_seconds },
    body: liveSessionView(signedIn),
    hasTotp: signedIn.user.twoFactorEnabled === true,
    setCookie: signedIn.setCookie.flatMap((line) => [line, csrfSetCookie(ports, line, lifeSeconds)]),
  };
}

/**
 * Signs the token pair of a committed sign-in and builds the response.
 * @throws signingUnavailable, stateRewound (503) if this copy has found an older database since the sign-in began
 */
export async function signDraft(
  ports: SessionTokenPorts,
  { claims, family, body, setCookie, hasTotp = false }: SignInDraft,
  caller: Caller,
): Promise<SignInAnswer> {
  assertMayIssue(ports.revocations);
  const startedAt = ports.clock.monotonic();
  const minted = await signAccessToken(ports, claims);
  rememberToken(ports, minted, caller);
  tokensIssued.add(1, { grant: 'session', outcome: 'ok' });
  tokenIssueDuration.record((ports.clock.monotonic() - startedAt) / 1_000, { grant: 'session' });
  const tokens = pairAnswer(minted, family.refreshToken, family.refreshExpiresInSeconds);
  return { body: { ...body, tokens }, setCookie, hasTotp };
}

/** Drafts and signs in one step. */
export const completeSignIn = (
  ports: SessionTokenPorts & HasCsrf,
  signedIn: SessionWithFamily,
  caller: Caller,
): Promise<SignInAnswer> => signDraft(ports, draftSignIn(ports, signedIn), caller);

export const sessionCallerOf = (
  { user, session }: LiveSession,
  { access }: HasAccess,
  caller: Pick<Caller, 'request'>,
): Caller => ({
  kind: 'user',
  userId: user.id,
  sessionId: session.id,
  clientId: FIRST_PARTY_CLIENT_ID,
  permissions: access.permissionsOf(access.rolesAt(user.roles, session.acr)),
  roles: access.rolesAt(user.roles, session.acr),
  by: 'session',
  tokenId: null,
  familyId: null,
  authTime: authTimeOf(session),
  acr: session.acr,
  request: caller.request,
});
