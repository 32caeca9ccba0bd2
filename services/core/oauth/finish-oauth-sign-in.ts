import type { Caller } from '../ports.ts';
import { answeredDetails, signAccessToken, tokenTypeOf } from '../tokens/access-token.ts';
import { rememberToken } from '../tokens/refresh/family-token.ts';
import { signIdToken } from './claims/id-token.ts';
import type { OAuthSignIn, OAuthSignInPorts } from './oauth-sign-in.ts';

/** RFC 6749 §5.1; has an ID token if the scope contains openid, and a refresh token if the client may use one. */
export type OAuthTokenAnswer = {
  readonly access_token: string;
  readonly token_type: 'Bearer' | 'DPoP';
  readonly expires_in: number;
  readonly scope: string;
  readonly refresh_token?: string;
  readonly refresh_expires_in?: number;
  readonly id_token?: string;
} & ReturnType<typeof answeredDetails>;

/** Signs the tokens of a committed sign-in. Throws `signing_unavailable` (503). */
export async function finishOAuthSignIn(
  ports: OAuthSignInPorts,
  { grant, clientId, claims, profile, refresh }: OAuthSignIn,
  caller: Caller,
): Promise<OAuthTokenAnswer> {
  const minted = await signAccessToken(ports, claims);
  rememberToken(ports, minted, caller);
  const idToken = grant.scope.split(' ').includes('openid')
    ? await signIdToken(ports, {
        ...grant,
        client_id: clientId,
        profile,
        accessToken: minted.token,
        issuedAt: claims.iat,
        amr: claims.amr,
        acr: claims.acr,
      })
    : undefined;
  return {
    access_token: minted.token,
    token_type: tokenTypeOf(claims),
    expires_in: minted.expiresIn,
    scope: grant.scope,
    ...answeredDetails(claims),
    ...refresh,
    ...(idToken === undefined ? {} : { id_token: idToken }),
  };
}
