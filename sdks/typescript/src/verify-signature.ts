import type { CryptoKey } from 'jose';
import { bytesOf, decodeBase64url } from './encoding.ts';
import type { ParsedToken } from './parse-token.ts';

const PARAMETERS: Readonly<Record<string, Parameters<typeof crypto.subtle.verify>[0]>> = {
  RS256: { name: 'RSASSA-PKCS1-v1_5' },
  ES256: { name: 'ECDSA', hash: 'SHA-256' },
  EdDSA: { name: 'Ed25519' },
};

/**
 * Verifies the signature of a parsed token by WebCrypto. The algorithm is that of the key, never that of the header.
 * `compactVerify` of jose would parse the token a second time, which costs as much as the signature.
 */
export async function verifySignature(
  { alg, key }: { readonly alg: string; readonly key: CryptoKey },
  { signingInput, signature }: ParsedToken,
): Promise<boolean> {
  const parameters = PARAMETERS[alg];
  const bytes = decodeBase64url(signature);
  if (parameters === undefined || bytes === null) return false;
  try {
    return await crypto.subtle.verify(parameters, key, bytes, bytesOf(signingInput));
  } catch {
    return false;
  }
}
