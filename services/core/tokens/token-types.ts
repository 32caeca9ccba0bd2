import type { Config } from '#services/platform/config/load.ts';
import type { AccessTokenClaims } from './access-token.ts';

export type { CleanupResult } from './clean-up-expired-tokens.ts';
export type { TokenStatistics } from './metadata/read-token-statistics.ts';
export type { TokenMetadata } from './metadata/token-metadata.cache.ts';

/** Types of the embedding classes. Times are in seconds unless their name says otherwise. */

export type UserRole = string;

/** The client that requests a token. Device facts are shown to the user and never trusted. */
export type ClientInfo = {
  readonly ip: string;
  readonly userAgent: string;
  readonly deviceId?: string;
  readonly deviceName?: string;
};

export type TokenType = 'access' | 'refresh';

export type TokenPair = {
  readonly accessToken: string;
  readonly refreshToken: string;
  readonly tokenType: 'Bearer';
  readonly expiresIn: number;
  readonly refreshExpiresIn: number;
  /** `jti` of the access token. */
  readonly tokenId: string;
};

/** Claims of an access token. For a refresh token: the facts of its family, with `generation`; `jti` is the family id. */
export type JWTPayload = AccessTokenClaims & { readonly generation?: number };

export type TokenValidationResult = {
  readonly valid: boolean;
  readonly payload: JWTPayload | null;
  /** Null for a valid token, else one of the reasons of the validate response. */
  readonly reason: string | null;
};

export type TokenSecurityConfig = {
  /** Of new keys. An existing key keeps its algorithm. */
  readonly algorithm: 'RS256' | 'ES256' | 'EdDSA' | 'HS256';
  readonly accessTokenExpiry: number;
  readonly refreshTokenExpiry: number;
  readonly issuer: string;
  readonly audience: string;
  /** Days. */
  readonly keyRotationInterval: number;
  /** Every key has its own kid. */
  readonly keyVersioning: true;
  /** Private keys are encrypted at rest. */
  readonly secureKeyStorage: true;
  readonly requireSessionBinding: boolean;
  readonly enableIPValidation: boolean;
  readonly enableUserAgentValidation: boolean;
  readonly enableReplayProtection: boolean;
};

/** Issuer and audience of tokens; each is the public URL unless configured. */
export const tokenNamesOf = ({ issuer, audience }: Config['tokens'], publicUrl: string) => ({
  issuer: issuer ?? publicUrl,
  audience: audience ?? publicUrl,
});

/** @param publicUrl issuer and audience unless configured */
export function tokenSecurityConfigOf({ tokens, keys }: Config, publicUrl: string): TokenSecurityConfig {
  return {
    algorithm: keys.algorithm,
    accessTokenExpiry: tokens.accessTokenSeconds,
    refreshTokenExpiry: tokens.refreshTokenSeconds,
    ...tokenNamesOf(tokens, publicUrl),
    keyRotationInterval: keys.rotationDays,
    keyVersioning: true,
    secureKeyStorage: true,
    requireSessionBinding: tokens.requireSessionBinding,
    enableIPValidation: tokens.enableIpValidation,
    enableUserAgentValidation: tokens.enableUserAgentValidation,
    enableReplayProtection: tokens.enableReplayProtection,
  };
}
