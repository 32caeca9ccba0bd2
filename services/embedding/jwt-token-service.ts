import { currentTraceId, currentTraceparent } from '#observability/http-span.ts';
import { recordEvent } from '../domain/audit/record-event.ts';
import type { Caller, Ports, RequestContext } from '../domain/ports.ts';
import { tokenReplayDetected } from '../domain/tokens/audit-events.ts';
import { type CleanupResult, cleanUpExpiredTokens } from '../domain/tokens/clean-up-expired-tokens.ts';
import { type IssuePorts, issuePair } from '../domain/tokens/issue/issue-pair.ts';
import type { TokenMetadata } from '../domain/tokens/metadata/read-token.ts';
import type { TokenPairAnswer } from '../domain/tokens/refresh/family-token.ts';
import { isGenerationSuperseded, readRefreshToken } from '../domain/tokens/refresh/read-refresh-token.ts';
import { type RefreshTokenPorts, refreshToken } from '../domain/tokens/refresh/refresh-token.ts';
import { type RevokePorts, revokeToken } from '../domain/tokens/revocations/revoke-token.ts';
import type {
  ClientInfo,
  JWTPayload,
  TokenPair,
  TokenType,
  TokenValidationResult,
  UserRole,
} from '../domain/tokens/token-types.ts';
import { detectReplayAttack, type ReplayContext } from '../domain/tokens/verify/detect-replay.ts';
import { type ValidatePorts, validateToken, verifyToken } from '../domain/tokens/verify/validate-token.ts';
import { validateTokenSecurity } from './validate-token-security.ts';

export type JWTTokenServicePorts = IssuePorts &
  RefreshTokenPorts &
  RevokePorts &
  ValidatePorts &
  Pick<Ports, 'log'> &
  Pick<RequestContext, 'hashIdentifier'>;

const NOBODY: ClientInfo = { ip: '', userAgent: '' };

/**
 * The token use-cases for callers in TypeScript that run in the same process. Every method does what its endpoint
 * does, with the same rows, and throws the same errors.
 */
export class JWTTokenService {
  readonly #ports: JWTTokenServicePorts;

  constructor(ports: JWTTokenServicePorts) {
    this.#ports = ports;
  }

  #caller({ ip, userAgent }: ClientInfo): Caller {
    const { hashIdentifier } = this.#ports;
    const traceparent = currentTraceparent() ?? '';
    const request = { ip, userAgent, traceId: currentTraceId() ?? '', traceparent, hashIdentifier };
    return { kind: 'system', name: 'token-service', request };
  }

  /**
   * Begins a login and gives its first pair.
   * Throws `user_unknown` (404), and `role_not_held` (403) when the user does not have the role.
   */
  async generateTokenPair(userId: string, role: UserRole, clientInfo: ClientInfo): Promise<TokenPair> {
    const { deviceId: id, deviceName: name } = clientInfo;
    const input = { userId, role, device: { id, name } };
    return this.#pair(await issuePair(this.#ports, input, this.#caller(clientInfo)));
  }

  /** A token of the other type is invalid. Looking at a refresh token does not use it. */
  async validateToken(token: string, tokenType: TokenType): Promise<TokenValidationResult> {
    if (tokenType === 'refresh') return this.#validateRefreshToken(token);
    const verdict = validateToken(this.#ports, token);
    return verdict.active
      ? { valid: true, payload: verdict.claims, reason: null }
      : { valid: false, payload: null, reason: verdict.reason };
  }

  /** A whole new pair for a refresh token of a login that is not bound to a client. */
  async refreshAccessToken(presented: string, clientInfo: ClientInfo): Promise<TokenPair> {
    const input = { refreshToken: presented, presentedBy: { clientId: null, isAuthenticated: false } };
    return this.#pair(await refreshToken(this.#ports, input, this.#caller(clientInfo)));
  }

  /** Ends one access token; the reason is kept with the revocation and in the audit log. */
  async revokeToken(tokenId: string, reason: string): Promise<void> {
    await revokeToken(this.#ports, { kind: 'token_id', value: tokenId, reason }, this.#caller(NOBODY));
  }

  /** Session, address and agent of token and metadata, as switched. */
  async validateTokenSecurity(payload: JWTPayload, metadata: TokenMetadata): Promise<boolean> {
    return validateTokenSecurity(this.#ports.tokenSettings, payload, metadata);
  }

  /**
   * True for a refresh payload whose successor has been used, and for an access token shown from elsewhere than
   * first; ordinary reuse is none. Off with enableReplayProtection.
   */
  async detectReplayAttack(payload: JWTPayload, clientInfo: ClientInfo = NOBODY): Promise<boolean> {
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

  /** Removes what has expired. */
  async cleanupExpiredTokens(): Promise<CleanupResult> {
    return cleanUpExpiredTokens(this.#ports);
  }

  /** The pair's token id is read from the token just signed. */
  #pair(answer: TokenPairAnswer): TokenPair {
    const verified = verifyToken(this.#ports, answer.access_token);
    if (typeof verified === 'string') throw new Error(`a token just signed is ${verified}`);
    return {
      accessToken: answer.access_token,
      refreshToken: answer.refresh_token,
      tokenType: answer.token_type,
      expiresIn: answer.expires_in,
      refreshExpiresIn: answer.refresh_expires_in,
      tokenId: verified.claims.jti,
    };
  }

  async #validateRefreshToken(token: string): Promise<TokenValidationResult> {
    const login = await readRefreshToken(this.#ports, token, null);
    if (login === null) return { valid: false, payload: null, reason: 'malformed' };
    if (!login.isCurrent) {
      const hasExpired = login.expiresAt <= this.#ports.clock.now() / 1_000;
      return { valid: false, payload: null, reason: hasExpired ? 'expired' : 'revoked' };
    }
    const payload: JWTPayload = {
      iss: this.#ports.tokenSettings.issuer,
      aud: login.audience,
      sub: login.userId,
      client_id: login.clientId,
      iat: Math.floor(login.createdAt),
      exp: Math.floor(login.expiresAt),
      jti: login.familyId,
      fid: login.familyId,
      scope: login.scope,
      auth_time: Math.floor(login.authTime),
      generation: login.presentedGeneration,
      ...(login.sessionId === null ? {} : { sid: login.sessionId }),
    };
    return { valid: true, payload, reason: null };
  }
}

const contextOf = ({ ip, userAgent }: ClientInfo): ReplayContext => ({
  ...(ip === '' ? {} : { ip }),
  ...(userAgent === '' ? {} : { userAgent }),
});
