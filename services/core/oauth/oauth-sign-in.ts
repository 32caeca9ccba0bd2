import type { HasAccess } from '../access/access-directory.ts';
import type { HasKeyRing } from '../keys/key-ring.ts';
import type { Caller, Ports, Tx } from '../ports.ts';
import type { HasRevocations } from '../revocations/revocation-set.ts';
import { type AccessTokenClaims, accessTokenClaims } from '../tokens/access-token.ts';
import type { OAuthClient, ProvenKeys } from '../tokens/issue/grant-token.ts';
import { createFamily, type NewFamily } from '../tokens/refresh/create-family.ts';
import { familyTokenFacts } from '../tokens/refresh/family-token.ts';
import { sessionEnded } from '../tokens/refresh/refresh-errors.ts';
import type { HasTokenSettings } from '../tokens/token-settings.ts';
import { idTokenSigning } from './claims/id-token.ts';
import { profileForIdToken, type UserClaims } from './claims/read-user-info.ts';
import { lockConsent } from './consents/consents.store.ts';
import { type AuthorizationDetails, detailsWithin } from './requested-terms.ts';

export type OAuthSignInPorts = Pick<Ports, 'transact' | 'sql' | 'redis' | 'clock' | 'random'> &
  HasAccess &
  HasKeyRing &
  HasRevocations &
  HasTokenSettings;

export type KnownClient = NonNullable<ReturnType<OAuthSignInPorts['access']['client']>>;

/** What a user granted to a client. */
type OAuthGrant = {
  readonly user_id: string;
  /** Null if the token family outlives the browser session in which it was granted. */
  readonly session_id: string | null;
  readonly scope: string;
  readonly audience: string;
  readonly authorization_details: AuthorizationDetails | null;
  readonly nonce: string | null;
  /** Claims that the request named for the ID token, besides those of the client. */
  readonly id_token_claims: readonly string[];
  /** Unix seconds. */
  readonly auth_time: number;
  readonly code_id?: Buffer;
  /** The user's epoch at the grant; omitted with a session, because raising the epoch also ends the session. */
  readonly user_epoch?: number;
  /** Another server says that the user signed in: an account with a factor here is refused. */
  readonly is_vouched?: true;
  /** The client's epoch at the grant. */
  readonly client_epoch: number;
  /** The part of the details that the token request asks for; all of them without it. */
  readonly detailsAsked: string | undefined;
};

/** A committed sign-in at a client; its tokens are not signed yet. */
export type OAuthSignIn = {
  readonly grant: OAuthGrant;
  readonly clientId: string;
  readonly claims: AccessTokenClaims;
  /** Every role of the user, whether or not the claims show it. */
  readonly roles: readonly string[];
  /** What the ID token says about the user. */
  readonly profile: UserClaims;
  readonly refresh: { readonly refresh_token: string; readonly refresh_expires_in: number } | null;
};

/**
 * Creates the token family in the transaction that consumed the grant. Only this client can refresh the family, and its
 * access token is bound to the keys proved with the request. Throws `session_ended` if session, user or client no
 * longer exists, or if all tokens of the user or client were revoked between the grant and this request;
 * `authorization_details_invalid` (400) for details that were not granted.
 */
export async function beginOAuthSignIn(
  tx: Tx,
  ports: OAuthSignInPorts,
  { clientId, isAuthenticated }: OAuthClient,
  grant: OAuthGrant,
  { jkt, x5t }: ProvenKeys,
  caller: Caller,
): Promise<OAuthSignIn> {
  const { code_id: codeId, user_id: userId, session_id: sessionId, scope, audience, auth_time: authTime } = grant;
  // A code of a withdrawn consent creates no family. A device grant needs no consent: its own row is already consumed.
  const scopes = scope.split(' ');
  const needsConsent = codeId !== undefined && ports.access.client(clientId)?.skip_consent !== true;
  if (needsConsent && !(await lockConsent(tx, { userId, clientId, audience }, scopes))) throw sessionEnded();
  const family: NewFamily = {
    user_id: userId,
    session_id: sessionId,
    client_id: clientId,
    is_client_bound: true,
    ...(grant.is_vouched ? {} : { is_approved: true as const }),
    scope,
    audience,
    authorization_details: grant.authorization_details,
    auth_time: authTime,
    ...(codeId === undefined ? {} : { code_id: codeId }),
    // A confidential client authenticates with its secret, and may change its key (RFC 9449 §5, RFC 8705 §4).
    ...(isAuthenticated || jkt === undefined ? {} : { jkt }),
    ...(isAuthenticated || x5t === undefined ? {} : { x5t }),
  };
  const details = detailsWithin(grant.authorization_details, grant.detailsAsked);
  const created = await createFamily(tx, ports, family, caller);
  await ports.access.atLeast(created.access_version, tx);
  const client = ports.access.client(clientId);
  // The new family has the current epochs: different ones mean that tokens were revoked after the grant.
  const isRevoked =
    created.user_epoch !== (grant.user_epoch ?? created.user_epoch) || created.client_epoch !== grant.client_epoch;
  if (client === undefined || isRevoked) throw sessionEnded();
  if (scopes.includes('openid')) ports.keyRing.assertSigns({ typ: 'JWT' }, idTokenSigning(client));
  const named = [...client.id_token_claims, ...grant.id_token_claims];
  const profile =
    scopes.includes('openid') && named.length > 0 ? await profileForIdToken(tx, userId, scopes, named) : {};
  const bound = { jkt: jkt ?? null, x5t: x5t ?? null };
  const mayRefresh = client.grant_types.includes('refresh_token');
  return {
    grant,
    clientId,
    roles: created.roles,
    claims: accessTokenClaims(
      ports,
      familyTokenFacts(ports.access, { ...family, ...created, ...bound, authorization_details: details }),
      caller.request,
    ),
    profile,
    refresh: mayRefresh
      ? { refresh_token: created.refresh_token, refresh_expires_in: created.refresh_expires_in_seconds }
      : null,
  };
}
