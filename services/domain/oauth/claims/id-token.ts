import { hash } from 'node:crypto';
import { decodeProtectedHeader } from 'jose';
import type { HasKeyRing } from '#services/domain/keys/key-ring.ts';
import type { HasTokenSettings } from '#services/domain/tokens/token-settings.ts';

export type IdTokenFacts = {
  readonly userId: string;
  readonly clientId: string;
  readonly sessionId: string | null;
  /** Unix seconds. */
  readonly authTime: number;
  readonly nonce: string | null;
  readonly accessToken: string;
  readonly issuedAt: number;
  /** Authentication methods of the sign-in, as in the access token. */
  readonly amr?: readonly string[] | undefined;
  readonly acr?: string | undefined;
};

/** Returns the at_hash: the left half of the algorithm's hash (OpenID Connect Core §3.1.3.6); Ed25519 uses SHA-512. */
export function accessTokenHash(accessToken: string, alg: string): string {
  const digest = hash(alg === 'EdDSA' ? 'sha512' : 'sha256', accessToken, 'buffer');
  return digest.subarray(0, digest.length / 2).toString('base64url');
}

/**
 * Signs an ID token (OpenID Connect Core §2) with an asymmetric key, even in HS256 mode. It has no e-mail address and no
 * name: an access token always comes with it, so UserInfo returns them (§5.4). Throws `signing_unavailable` (503).
 */
export async function signIdToken(ports: HasKeyRing & HasTokenSettings, facts: IdTokenFacts): Promise<string> {
  const sign = (alg: string): Promise<string> =>
    ports.keyRing.sign(
      { typ: 'JWT' },
      {
        iss: ports.tokenSettings.issuer,
        sub: facts.userId,
        aud: facts.clientId,
        iat: facts.issuedAt,
        exp: facts.issuedAt + ports.tokenSettings.accessTokenSeconds,
        auth_time: facts.authTime,
        ...(facts.nonce === null ? {} : { nonce: facts.nonce }),
        ...(facts.amr === undefined ? {} : { amr: facts.amr }),
        ...(facts.acr === undefined ? {} : { acr: facts.acr }),
        at_hash: accessTokenHash(facts.accessToken, alg),
        ...(facts.sessionId === null ? {} : { sid: facts.sessionId }),
      },
    );
  const token = await sign('RS256');
  // RS256 and ES256 use the same hash. A token signed by an EdDSA key has the wrong at_hash, and is signed again.
  return decodeProtectedHeader(token).alg === 'EdDSA' ? sign('EdDSA') : token;
}
