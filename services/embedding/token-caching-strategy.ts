import type { HasStepUp } from '../core/authority/recent-sign-in.ts';
import type { Ports } from '../core/ports.ts';
import { assertFresh } from '../core/revocations/revocation-set.ts';
import { type CleanupResult, cleanUpExpiredTokens } from '../core/tokens/clean-up-expired-tokens.ts';
import {
  isRevoked,
  readTokenMetadata,
  type TokenMetadata,
  writeTokenMetadata,
} from '../core/tokens/metadata/read-token.ts';
import { readTokenStatistics, type TokenStatistics } from '../core/tokens/metadata/read-token-statistics.ts';
import { type RevokePorts, revokeToken } from '../core/tokens/revoke/revoke-token.ts';
import type { JWTPayload, TokenValidationResult } from '../core/tokens/token-types.ts';
import { batchValidateTokens } from '../core/tokens/verify/validate-batch.ts';
import type { ValidatePorts } from '../core/tokens/verify/validate-token.ts';
import { serviceCaller } from './service-caller.ts';

type TokenCachingPorts = ValidatePorts & RevokePorts & HasStepUp & Pick<Ports, 'redis' | 'sql' | 'log'>;

/**
 * Looks tokens up by their id: metadata is in Redis for the lifetime of its token, revocations are in memory. Metadata
 * grants no access, and every revocation is a row in Postgres.
 */
export class TokenCachingStrategy {
  readonly #ports: TokenCachingPorts;

  constructor(ports: TokenCachingPorts) {
    this.#ports = ports;
  }

  /** Rejects when Redis is unreachable. Metadata of an expired token is not stored. */
  async storeTokenMetadata(tokenId: string, metadata: TokenMetadata): Promise<void> {
    const ttlSeconds = Math.ceil(metadata.expiresAt - this.#ports.clock.now() / 1_000);
    if (ttlSeconds > 0) await writeTokenMetadata(this.#ports, tokenId, metadata, ttlSeconds);
  }

  /** Null for an unknown id, and while Redis is unreachable. Never rejects. */
  async getTokenMetadata(tokenId: string): Promise<TokenMetadata | null> {
    const [known] = await readTokenMetadata(this.#ports, [tokenId]).catch(() => []);
    return known ?? null;
  }

  /**
   * Checks the revocations in memory, for the token id and for the session, token family, user and client that its
   * metadata names. Throws `revocation_state_stale` (503) while they may be outdated.
   */
  async isTokenRevoked(tokenId: string): Promise<boolean> {
    const { revocations } = this.#ports;
    assertFresh(revocations);
    if (revocations.check({ jti: tokenId, sub: '', client_id: '', ue: 0, ce: 0 }) !== null) return true;
    const known = await this.getTokenMetadata(tokenId);
    return known !== null && isRevoked(this.#ports, tokenId, known);
  }

  /** Commits the revocation in Postgres before it resolves; every copy rejects the token within its staleness bound. */
  async revokeToken(tokenId: string, reason: string): Promise<void> {
    await revokeToken(this.#ports, { kind: 'token_id', value: tokenId, reason }, serviceCaller('token-cache'));
  }

  /** One answer for each id, in order, with one round trip to Redis. */
  async batchValidateTokens(tokenIds: readonly string[]): Promise<TokenValidationResult[]> {
    const decisions = await batchValidateTokens(this.#ports, tokenIds);
    const { issuer } = this.#ports.tokenSettings;
    return decisions.map((decision) =>
      decision.active
        ? { valid: true, payload: { iss: issuer, ...decision.claims } satisfies JWTPayload, reason: null }
        : { valid: false, payload: null, reason: decision.reason },
    );
  }

  /** The counts of `GET /v1/tokens/stats`. */
  async getTokenStatistics(): Promise<TokenStatistics> {
    return readTokenStatistics(this.#ports);
  }

  /** Deletes expired rows in batches. A store failure is counted in `errors`, not thrown. */
  async cleanupExpiredTokens(): Promise<CleanupResult> {
    return cleanUpExpiredTokens(this.#ports);
  }
}
