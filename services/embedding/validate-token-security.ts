import type { AccessTokenClaims } from '../domain/tokens/access-token.ts';
import type { TokenMetadata } from '../domain/tokens/metadata/read-token.ts';
import type { HasTokenSettings } from '../domain/tokens/token-settings.ts';

type BindingSwitches = Pick<
  HasTokenSettings['tokenSettings'],
  'requireSessionBinding' | 'enableIpValidation' | 'enableUserAgentValidation'
>;

/**
 * Whether a token still has the session, address and user agent it was issued with, as far as each switch asks.
 * Address and agent are keyed hashes on both sides; nothing in clear is compared.
 */
export function validateTokenSecurity(
  switches: BindingSwitches,
  payload: Pick<AccessTokenClaims, 'sid' | 'bip' | 'bua'>,
  metadata: Pick<TokenMetadata, 'sessionId' | 'ipHash' | 'userAgentHash'>,
): boolean {
  if (switches.requireSessionBinding && (payload.sid ?? null) !== metadata.sessionId) return false;
  if (switches.enableIpValidation && (payload.bip ?? null) !== metadata.ipHash) return false;
  return !switches.enableUserAgentValidation || (payload.bua ?? null) === metadata.userAgentHash;
}
