import type { HasAccess } from '../access/access-directory.ts';
import type { HasKeyRing } from '../keys/key-ring.ts';
import type { Caller, Ports, Tx } from '../ports.ts';
import { type AccessTokenClaims, accessTokenClaims } from '../tokens/access-token.ts';
import type { ProvenKeys } from '../tokens/issue/grant-token.ts';
import type { OAuthClient } from '../tokens/issue/oauth-client.ts';
import { createFamily, type NewFamily } from '../tokens/refresh/create-family.ts';
import { familyTokenFacts } from '../tokens/refresh/family-token.ts';
import { sessionEnded } from '../tokens/refresh/refresh-errors.ts';
import type { HasRevocations } from '../tokens/revocations/revocation-set.ts';
import type { HasTokenSettings } from '../tokens/token-settings.ts';
import { readUserProfile, type UserProfile } from './claims/user-claims.store.ts';
import { holdConsent } from './consents/consents.store.ts';

export type OAuthSignInPorts = Pick<Ports, 'transact' | 'sql' | 'redis' | 'clock' | 'random'> &
  HasAccess &
  HasKeyRing &
  HasRevocations &
  HasTokenSettings;

/** What a user granted to a client. */
export type OAuthGrant = {
  readonly userId: string;
  /** Null: the login outlives the browser's session it was granted in. */
  readonly sessionId: string | null;
  readonly scope: string;
  readonly audience: string;
  readonly nonce: string | null;
  /** Unix seconds. */
  readonly authTime: number;
  readonly codeId?: Buffer;
  /** Epoch of the user when it was granted; left out where the session stands for it: whatever ends logins ends that. */
  readonly userEpoch?: number;
  /** Epoch of the client when it was granted. */
  readonly clientEpoch: number;
};

/** A login of a client, committed; nothing of it is signed yet. */
export type OAuthSignIn = {
  readonly grant: OAuthGrant;
  readonly clientId: string;
  readonly claims: AccessTokenClaims;
  readonly refresh: { readonly refresh_token: string; readonly refresh_expires_in: number } | null;
  readonly profile: UserProfile | undefined;
};

/**
 * Begins the login in the transaction that consumed the grant. It is bound to its client: refreshed at /oauth2/token
 * by that client alone, and its token is bound to the keys proved with the request. Throws `session_ended` when session,
 * user or client is gone, or its logins were ended since it was granted: there was no login then that could have ended.
 */
export async function beginOAuthSignIn(
  tx: Tx,
  ports: OAuthSignInPorts,
  { clientId, isAuthenticated }: OAuthClient,
  grant: OAuthGrant,
  { jkt, x5t }: ProvenKeys,
  caller: Caller,
): Promise<OAuthSignIn> {
  const { codeId, userId, sessionId, scope, audience, authTime } = grant;
  // What is withdrawn begins nothing; a device's grant is its own row, consumed by now.
  const scopes = scope.split(' ');
  const isAsked = codeId !== undefined && ports.access.client(clientId)?.skipConsent !== true;
  if (isAsked && !(await holdConsent(tx, { userId, clientId, audience }, scopes))) throw sessionEnded();
  const family: NewFamily = {
    userId,
    sessionId,
    clientId,
    isClientBound: true,
    scope,
    audience,
    authTime,
    ...(codeId === undefined ? {} : { codeId }),
    // A client with a secret is held by that, and may change its key (RFC 9449 §5, RFC 8705 §4).
    ...(isAuthenticated || jkt === undefined ? {} : { jkt }),
    ...(isAuthenticated || x5t === undefined ? {} : { x5t }),
  };
  const created = await createFamily(tx, ports, family, caller);
  // Those that the login was born with: an epoch raised later finds it as it finds every other.
  if (created.userEpoch !== (grant.userEpoch ?? created.userEpoch) || created.clientEpoch !== grant.clientEpoch)
    throw sessionEnded();
  await ports.access.atLeast(created.accessVersion, tx);
  const profile = scopes.includes('openid') ? await readUserProfile(tx, userId) : undefined;
  const bound = { jkt: jkt ?? null, x5t: x5t ?? null };
  const mayRefresh = ports.access.client(clientId)?.grantTypes.includes('refresh_token') === true;
  return {
    grant,
    clientId,
    profile,
    claims: accessTokenClaims(
      ports,
      familyTokenFacts(ports.access, { ...family, ...created, ...bound }),
      caller.request,
    ),
    refresh: mayRefresh
      ? { refresh_token: created.refreshToken, refresh_expires_in: created.refreshExpiresInSeconds }
      : null,
  };
}
