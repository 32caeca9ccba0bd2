import { hash } from 'node:crypto';
import { decodeProtectedHeader } from 'jose';
import type { Client, HasAccess } from '#services/core/access/access-directory.ts';
import type { HasKeyRing, SignOptions } from '#services/core/keys/key-ring.ts';
import type { HasTokenSettings } from '#services/core/tokens/token-settings.ts';
import type { UserClaims } from './read-user-info.ts';

/** CIBA Core §10.3.1: binds the ID token to the request. */
export const AUTH_REQ_ID = 'urn:openid:params:jwt:claim:auth_req_id';

type IdTokenFacts = {
  readonly user_id: string;
  readonly client_id: string;
  readonly session_id: string | null;
  /** Unix seconds; null where the user did not sign in for it. */
  readonly auth_time: number | null;
  readonly nonce: string | null;
  readonly accessToken: string;
  readonly issuedAt: number;
  /** Authentication methods of the sign-in, as in the access token. */
  readonly amr?: readonly string[] | undefined;
  readonly acr?: string | undefined;
  /** Claims about the user that the client wants here (§5.4 returns them from UserInfo only). */
  readonly profile?: UserClaims & { readonly [AUTH_REQ_ID]?: string };
};

/**
 * How tokens about a user's sign-in at a client are signed: with the algorithm that the client is registered for (OpenID
 * Connect Registration §2), else with the default.
 */
export const idTokenSigning = (client: Pick<Client, 'id_token_signed_response_alg'> | undefined): SignOptions => ({
  algorithm: client?.id_token_signed_response_alg ?? undefined,
});

/** Returns the at_hash: the left half of the algorithm's hash (OpenID Connect Core §3.1.3.6); Ed25519 uses SHA-512. */
export function accessTokenHash(accessToken: string, alg: string): string {
  const digest = hash(alg === 'EdDSA' ? 'sha512' : 'sha256', accessToken, 'buffer');
  return digest.subarray(0, digest.length / 2).toString('base64url');
}

/**
 * Signs an ID token (OpenID Connect Core §2) with an asymmetric key, even in HS256 mode. An access token always comes
 * with it, so UserInfo returns what is known of the user (§5.4); the ID token has it only for a client that wants it
 * here. Throws `signing_unavailable` (503).
 */
export async function signIdToken(
  ports: HasAccess & HasKeyRing & HasTokenSettings,
  facts: IdTokenFacts,
): Promise<string> {
  const options = idTokenSigning(ports.access.client(facts.client_id));
  const sign = (alg: string): Promise<string> =>
    ports.keyRing.sign(
      { typ: 'JWT' },
      {
        ...facts.profile,
        iss: ports.tokenSettings.issuer,
        sub: facts.user_id,
        aud: facts.client_id,
        iat: facts.issuedAt,
        exp: facts.issuedAt + ports.tokenSettings.accessTokenSeconds,
        ...(facts.auth_time === null ? {} : { auth_time: facts.auth_time }),
        ...(facts.nonce === null ? {} : { nonce: facts.nonce }),
        ...(facts.amr === undefined ? {} : { amr: facts.amr }),
        ...(facts.acr === undefined ? {} : { acr: facts.acr }),
        at_hash: accessTokenHash(facts.accessToken, alg),
        ...(facts.session_id === null ? {} : { sid: facts.session_id }),
      },
      options,
    );
  const token = await sign(options.algorithm ?? 'RS256');
  // RS256 and ES256 use the same hash. A default token signed by an EdDSA key has the wrong one, and is signed again.
  const isHashWrong = options.algorithm === undefined && decodeProtectedHeader(token).alg === 'EdDSA';
  return isHashWrong ? sign('EdDSA') : token;
}
