import type { AccessTokenClaims } from '../core/tokens/access-token.ts';
import type { TokenMetadata } from '../core/tokens/metadata/read-token.ts';
import type { HasTokenSettings } from '../core/tokens/token-settings.ts';

type BindingSwitches = Pick<
  HasTokenSettings['tokenSettings'],
  'requireSessionBinding' | 'enableIpValidation' | 'enableUserAgentValidation'
>;

/**
 * Whether the session, address and user agent of a token equal those of its metadata, as far as each setting requires.
 * Addresses and user agents are keyed hashes on both sides; no plain value is compared.
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
