import { type OAuthProvider, verifyProviderIdToken } from '@better-auth/core/oauth2';
import { decodeJwt } from 'jose';
import { socialSignInRefused } from './social-errors.ts';

/**
 * Judges the ID token of an exchange by OpenID Connect Core §3.1.3.7: signature, issuer, audience, time and nonce. One
 * that names a nonce must name that of this attempt, whether or not its provider is known to send it back.
 * @throws socialSignInRefused (400), also where a nonce is needed and there is no token to name it
 */
export async function checkIdToken(
  provider: OAuthProvider,
  idToken: string | undefined,
  { nonce, isNonceNeeded }: { readonly nonce: string; readonly isNonceNeeded: boolean },
): Promise<void> {
  if (idToken === undefined || provider.idToken === undefined) {
    if (isNonceNeeded) throw socialSignInRefused();
    return;
  }
  const isNamed = isNonceNeeded || nonceOf(idToken) !== undefined;
  if (!(await verifyProviderIdToken(provider, idToken, isNamed ? nonce : undefined))) throw socialSignInRefused();
}

function nonceOf(idToken: string): unknown {
  try {
    return decodeJwt(idToken).nonce;
  } catch {
    return undefined;
  }
}
