import { type OAuthProvider, verifyProviderIdToken } from '@better-auth/core/oauth2';
import { decodeJwt, type JWTPayload } from 'jose';
import { socialSignInRefused } from '../contracts/social-errors.ts';

/** How far a provider's clock may be ahead of ours. */
const LEEWAY_SECONDS = 60;

type IdTokenTerms = {
  /** Our client id at the provider. */
  readonly clientId: string;
  readonly nonce: string;
  readonly isNonceNeeded: boolean;
};

/**
 * Verifies the ID token of a code exchange by OpenID Connect Core §3.1.3.7. Better Auth verifies signature, issuer,
 * audience, expiry and nonce; the other claims are checked here. If a token contains a nonce, it must be this
 * attempt's, even if the provider is not known to return one.
 * @returns the subject; null if there is no token, or no way to verify one, and no nonce is required
 * @throws socialSignInRefused (400), also if a nonce is required and there is no token
 */
export async function checkIdToken(
  provider: OAuthProvider,
  idToken: string | undefined,
  { clientId, nonce, isNonceNeeded }: IdTokenTerms,
): Promise<string | null> {
  if (idToken === undefined || provider.idToken === undefined) {
    if (isNonceNeeded) throw socialSignInRefused();
    return null;
  }
  const claims = claimsOf(idToken);
  const isNamed = isNonceNeeded || claims?.nonce !== undefined;
  if (!(await verifyProviderIdToken(provider, idToken, isNamed ? nonce : undefined))) throw socialSignInRefused();
  const subject = claims === null ? null : soundSubject(claims, clientId, Math.floor(Date.now() / 1_000));
  if (subject === null) throw socialSignInRefused();
  return subject;
}

/**
 * OpenID Connect Core §5.3.2: the user info may belong to another user than the ID token. Better Auth compares them only
 * for providers that have an issuer. Throws `social_sign_in_refused` (400).
 * @param subject of the ID token; null if there is none
 */
export function assertSameSubject(subject: string | null, userInfo: unknown): void {
  const named = (userInfo as { readonly sub?: unknown } | undefined)?.sub;
  if (subject !== null && named !== undefined && named !== subject) throw socialSignInRefused();
}

function claimsOf(idToken: string): JWTPayload | null {
  try {
    return decodeJwt(idToken);
  } catch {
    return null;
  }
}

/** A NumericDate (RFC 7519 §2), which may have a fraction. */
const isTime = (value: unknown): value is number =>
  typeof value === 'number' && value >= 0 && value <= Number.MAX_SAFE_INTEGER;

/** OpenID Connect Core §2: at most 255 characters of ASCII. */
const SUBJECT = /^[\x20-\x7e]{1,255}$/;

/** The subject if it, the times (steps 9 and 10) and the authorized party (steps 3 to 5) are valid; otherwise null. */
function soundSubject({ sub, iat, exp, aud, azp }: JWTPayload, clientId: string, nowSeconds: number): string | null {
  const hasTimes = isTime(iat) && isTime(exp) && iat <= nowSeconds + LEEWAY_SECONDS && exp > iat;
  const isForUs = azp === undefined ? !Array.isArray(aud) || aud.length === 1 : azp === clientId;
  return typeof sub === 'string' && SUBJECT.test(sub) && hasTimes && isForUs ? sub : null;
}
