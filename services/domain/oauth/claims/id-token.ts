import { hash } from 'node:crypto';
import { decodeProtectedHeader } from 'jose';
import type { HasKeyRing } from '#services/domain/keys/key-ring.ts';
import type { HasTokenSettings } from '#services/domain/tokens/token-settings.ts';
import type { UserClaims } from './user-claims.ts';

export type IdTokenFacts = {
  readonly userId: string;
  readonly clientId: string;
  readonly sessionId: string | null;
  /** Unix seconds. */
  readonly authTime: number;
  readonly nonce: string | null;
  readonly accessToken: string;
  readonly issuedAt: number;
  /** How the login was proved, as the access token says it. */
  readonly amr?: readonly string[] | undefined;
  readonly acr?: string | undefined;
  readonly claims: UserClaims;
};

/** Left half of the hash that goes with the algorithm (OpenID Connect Core §3.1.3.6); Ed25519 hashes with SHA-512. */
export function accessTokenHash(accessToken: string, alg: string): string {
  const digest = hash(alg === 'EdDSA' ? 'sha512' : 'sha256', accessToken, 'buffer');
  return digest.subarray(0, digest.length / 2).toString('base64url');
}

/**
 * An ID token (OpenID Connect Core §2) by an asymmetric key, in HS256 mode too. Throws `signing_unavailable` (503).
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
        ...facts.claims,
      },
    );
  const token = await sign('RS256');
  // RS256 and ES256 hash alike; only for a key of another kind is the first one thrown away.
  return decodeProtectedHeader(token).alg === 'EdDSA' ? sign('EdDSA') : token;
}
