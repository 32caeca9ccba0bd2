import { recordEvent } from '../core/audit/record-event.ts';
import type { Caller, Ports, RequestContext } from '../core/ports.ts';
import { tokenReplayDetected } from '../core/tokens/audit-events.ts';
import { type CleanupResult, cleanUpExpiredTokens } from '../core/tokens/clean-up-expired-tokens.ts';
import { type IssuePorts, issuePair } from '../core/tokens/issue/issue-pair.ts';
import type { TokenMetadata } from '../core/tokens/metadata/read-token.ts';
import { isGenerationSuperseded, readRefreshToken } from '../core/tokens/refresh/read-refresh-token.ts';
import { type RefreshTokenPorts, refreshToken } from '../core/tokens/refresh/refresh-token.ts';
import { type RevokePorts, revokeToken } from '../core/tokens/revoke/revoke-token.ts';
import type {
  ClientInfo,
  JWTPayload,
  TokenPair,
  TokenType,
  TokenValidationResult,
  UserRole,
} from '../core/tokens/token-types.ts';
import type { VerifiedFactor } from '../core/tokens/verified-factor-shapes.ts';
import { detectReplayAttack, type ReplayContext } from '../core/tokens/verify/detect-replay.ts';
import { decideToken, type ValidatePorts } from '../core/tokens/verify/validate-token.ts';
import { serviceCaller } from './service-caller.ts';
import { tokenPairOf } from './token-pair.ts';
import { validateTokenSecurity } from './validate-token-security.ts';

export type JWTTokenServicePorts = IssuePorts &
  RefreshTokenPorts &
  RevokePorts &
  ValidatePorts &
  Pick<Ports, 'log'> &
  Pick<RequestContext, 'hashIdentifier'>;

/**
 * The token use-cases for TypeScript code in the same process. Every method does what its endpoint does: it writes the
 * same rows and throws the same errors.
 */
export class JWTTokenService {
  readonly #ports: JWTTokenServicePorts;

  constructor(ports: JWTTokenServicePorts) {
    this.#ports = ports;
  }

  #caller(clientInfo?: ClientInfo): Caller {
    return serviceCaller('token-service', clientInfo, this.#ports);
  }

  /**
   * Starts a token family for a user and returns its first pair.
   * Throws `user_unknown` (404), `role_not_held` (403) when the user does not have the role, and `second_factor_required`
   * (401) when the account has a second factor and `verifiedFactors` names none that your application verified.
   */
  async generateTokenPair(
    userId: string,
    role: UserRole,
    clientInfo: ClientInfo,
    { verifiedFactors }: { readonly verifiedFactors?: readonly VerifiedFactor[] } = {},
  ): Promise<TokenPair> {
    const { deviceId: id, deviceName: name } = clientInfo;
    const input = { userId, role, device: { id, name }, verifiedFactors };
    return tokenPairOf(this.#ports, await issuePair(this.#ports, input, this.#caller(clientInfo)));
  }

  /** A token of the other type is invalid. Validating a refresh token does not use it up. */
  async validateToken(token: string, tokenType: TokenType): Promise<TokenValidationResult> {
    if (tokenType === 'refresh') return this.#validateRefreshToken(token);
    const decision = decideToken(this.#ports, token);
    return typeof decision === 'string'
      ? { valid: false, payload: null, reason: decision }
      : { valid: true, payload: decision.claims, reason: null };
  }

  /** Exchanges a refresh token for a new pair. The token family must not be bound to a client. */
  async refreshAccessToken(presented: string, clientInfo: ClientInfo): Promise<TokenPair> {
    const input = { refreshToken: presented, presentedBy: { clientId: null, isAuthenticated: false } };
    return tokenPairOf(this.#ports, await refreshToken(this.#ports, input, this.#caller(clientInfo)));
  }

  /** Revokes one access token. The reason is stored with the revocation and in the audit log. */
  async revokeToken(tokenId: string, reason: string): Promise<void> {
    await revokeToken(this.#ports, { kind: 'token_id', value: tokenId, reason }, this.#caller());
  }

  /** Compares session, address and user agent of a token with its metadata, as far as each setting requires. */
  async validateTokenSecurity(payload: JWTPayload, metadata: TokenMetadata): Promise<boolean> {
    return validateTokenSecurity(this.#ports.tokenSettings, payload, metadata);
  }

  /**
   * True for a refresh token whose successor has been used, and for an access token presented from another address or
   * user agent than at first. Ordinary reuse of an access token is no replay. Always false when
   * `enableReplayProtection` is off.
   */
  async detectReplayAttack(payload: JWTPayload, clientInfo: ClientInfo = { ip: '', userAgent: '' }): Promise<boolean> {
    if (!this.#ports.tokenSettings.enableReplayProtection) return false;
    const isReplay = await (payload.generation === undefined
      ? detectReplayAttack(this.#ports, payload, contextOf(clientInfo))
      : isGenerationSuperseded(this.#ports.sql, payload.jti, payload.generation));
    if (isReplay)
      await recordEvent(this.#ports.sql, this.#caller(clientInfo), tokenReplayDetected, {
        outcome: 'replay',
        target: { kind: 'token', id: payload.jti },
        detail: { user_id: payload.sub },
      });
    return isReplay;
  }

  /** Deletes expired rows in batches. A store failure is counted in `errors`, not thrown. */
  async cleanupExpiredTokens(): Promise<CleanupResult> {
    return cleanUpExpiredTokens(this.#ports);
  }

  async #validateRefreshToken(token: string): Promise<TokenValidationResult> {
    const family = await readRefreshToken(this.#ports, token, null);
    if (family === null) return { valid: false, payload: null, reason: 'malformed' };
    if (!family.isCurrent) {
      const hasExpired = family.expires_at <= this.#ports.clock.now() / 1_000;
      return { valid: false, payload: null, reason: hasExpired ? 'expired' : 'revoked' };
    }
    const payload: JWTPayload = {
      iss: this.#ports.tokenSettings.issuer,
      aud: family.audience,
      sub: family.user_id,
      client_id: family.client_id,
      iat: Math.floor(family.created_at),
      exp: Math.floor(family.expires_at),
      jti: family.familyId,
      fid: family.familyId,
      scope: family.scope,
      auth_time: Math.floor(family.auth_time),
      generation: family.presentedGeneration,
      ...(family.session_id === null ? {} : { sid: family.session_id }),
    };
    return { valid: true, payload, reason: null };
  }
}

const contextOf = ({ ip, userAgent }: ClientInfo): ReplayContext => ({
  ...(ip === '' ? {} : { ip }),
  ...(userAgent === '' ? {} : { userAgent }),
});
