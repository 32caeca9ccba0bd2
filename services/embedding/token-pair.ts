import type { HasKeyRing } from '../core/keys/key-ring.ts';
import type { TokenPairAnswer } from '../core/tokens/refresh/family-token.ts';
import type { HasTokenSettings } from '../core/tokens/token-settings.ts';
import type { TokenPair } from '../core/tokens/token-types.ts';
import { verifyToken } from '../core/tokens/verify/validate-token.ts';

export type TokenPairPorts = HasKeyRing & HasTokenSettings;

/** The pair of a use-case, spelled as in TypeScript and with the id of its access token. */
export function tokenPairOf(ports: TokenPairPorts, answer: TokenPairAnswer): TokenPair {
  const verified = verifyToken(ports, answer.access_token);
  // The key may have been marked compromised while it signed.
  if (typeof verified === 'string') throw new Error(`the token that was just signed does not verify: ${verified}`);
  return {
    accessToken: answer.access_token,
    refreshToken: answer.refresh_token,
    tokenType: answer.token_type,
    expiresIn: answer.expires_in,
    refreshExpiresIn: answer.refresh_expires_in,
    tokenId: verified.claims.jti,
  };
}
