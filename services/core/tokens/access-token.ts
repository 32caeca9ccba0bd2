import type { HasAccess } from '../access/access-directory.ts';
import { keyedHash } from '../audit/audit-context.ts';
import type { JsonObject } from '../jws/strict-json.ts';
import type { HasKeyRing, SignOptions } from '../keys/key-ring.ts';
import type { Ports, RequestContext } from '../ports.ts';
import type { TokenOrigin } from '../revocations/revocation-set.ts';
import { oneSpellingOf } from '../shared/address-spelling.ts';
import type { AuthorizationDetail } from './authorization-details.ts';
import type { HasTokenSettings } from './token-settings.ts';

/** Media type of an access token (RFC 9068 §2.1). */
export const ACCESS_TOKEN_TYPE = 'at+jwt';

/** The claim set of an access token: RFC 9068 §2.2 and claims of this server. Claims that do not apply are left out. */
export type AccessTokenClaims = {
  readonly iss: string;
  readonly aud: string | readonly string[];
  /** User id, or the client id for client credentials (RFC 9068 §2.2). */
  readonly sub: string;
  readonly client_id: string;
  /** Unix seconds. */
  readonly iat: number;
  readonly exp: number;
  readonly nbf?: number;
  /** UUIDv7. */
  readonly jti: string;
  readonly sid?: string;
  /** The token family. */
  readonly fid?: string;
  /** Space separated (RFC 6749 §3.3). */
  readonly scope?: string;
  readonly roles?: readonly string[];
  readonly permissions?: readonly string[];
  /** What was granted (RFC 9396 §9.1). */
  readonly authorization_details?: readonly AuthorizationDetail[];
  readonly email?: string;
  /** Always beside `email`: an unverified address identifies no user. */
  readonly email_verified?: boolean;
  readonly auth_time?: number;
  /** Assurance level and methods of the sign-in (RFC 9068 §2.2.1, RFC 8176). */
  readonly acr?: string;
  readonly amr?: readonly string[];
  /** Epochs of user and client at issue. A token with an older epoch is rejected. */
  readonly ue?: number;
  readonly ce?: number;
  readonly cnf?: JsonObject;
  readonly act?: JsonObject;
  /** The tokens it was exchanged from (RFC 8693), the latest first: revoking any of them revokes it. */
  readonly origins?: readonly TokenOrigin[];
  /** Keyed hashes of the client's address and user agent at issue, `<key version>.<hash>`. */
  readonly bip?: string;
  readonly bua?: string;
};

/** Thumbprints of a DPoP key (RFC 9449 §6.1) and of a client certificate (RFC 8705 §3.1). The client must prove each. */
export type Confirmation = { readonly jkt?: string; readonly 'x5t#S256'?: string };

/** The facts a token is made from; issuer, times, id and bindings are added at issue. */
export type TokenFacts = {
  readonly subject: string;
  readonly clientId: string;
  readonly audience: string;
  readonly scope: string;
  readonly permissions: readonly string[];
  readonly details?: readonly AuthorizationDetail[] | undefined;
  /** Unix seconds: the token does not live longer. */
  readonly notAfter?: number | undefined;
  readonly clientEpoch: number;
  /** The keys that the client must prove with every use (RFC 7800). */
  readonly confirmation?: Confirmation | undefined;
  /** Absent for client credentials: the token is then about the client only. */
  readonly user?: {
    readonly sessionId: string | null;
    readonly familyId: string;
    /** Null when the client may not see it; the same for `roles`. */
    readonly email: string | null;
    readonly isEmailVerified: boolean;
    readonly roles: readonly string[] | null;
    /** Unix seconds; 0 when no user signed in and the client acts for the user by its own permission. */
    readonly authTime: number;
    readonly amr?: readonly string[];
    readonly acr?: string | null;
    readonly epoch: number;
  };
};

/** As a token response has them (RFC 9396 §7). */
export const answeredDetails = ({
  authorization_details: details,
}: Pick<AccessTokenClaims, 'authorization_details'>) =>
  details === undefined ? {} : { authorization_details: details };

/** How a token is presented (RFC 6750, RFC 9449 §5). */
export const tokenTypeOf = ({ cnf }: Pick<AccessTokenClaims, 'cnf'>): 'Bearer' | 'DPoP' =>
  cnf?.jkt === undefined ? 'Bearer' : 'DPoP';

export type MintedToken = {
  readonly token: string;
  readonly claims: AccessTokenClaims;
  /** Seconds from issue to expiry. */
  readonly expiresIn: number;
};

const boundValue = (label: 'ip' | 'agent', value: string): string => (label === 'ip' ? oneSpellingOf(value) : value);

/** `<version>.<hash>` under the newest identifier key. */
function bindingHash({ keyRing }: HasKeyRing, label: 'ip' | 'agent', value: string): string {
  const { version, key } = keyRing.secret('identifier');
  return `${version}.${keyedHash(key, label, boundValue(label, value))}`;
}

/** True when the value has the hash in the claim, under the key version that the claim names. */
export function matchesBinding({ keyRing }: HasKeyRing, label: 'ip' | 'agent', value: string, claim: string): boolean {
  const dot = claim.indexOf('.');
  const key = keyRing.secretVersion('identifier', Number(claim.slice(0, dot)));
  return key !== undefined && keyedHash(key, label, boundValue(label, value)) === claim.slice(dot + 1);
}

type TokenOf = { readonly clientId: string; readonly audience?: string | undefined };

/** The algorithm of an access token is that of its client now, whatever it was when the token family began. */
const signOptions = ({ access }: HasAccess, { clientId, audience }: TokenOf): SignOptions => ({
  audience,
  algorithm: access.client(clientId)?.access_token_signed_response_alg ?? undefined,
});

/** Throws `signing_unavailable` (503) if this copy could not sign an access token of this client now. */
export function assertSignsFor(ports: HasAccess & HasKeyRing, token: TokenOf): void {
  ports.keyRing.assertSigns({ typ: ACCESS_TOKEN_TYPE }, signOptions(ports, token));
}

/**
 * Makes the unsigned claims of a new token, in the order of RFC 9068. Throws `signing_unavailable` (503) if this copy
 * could not sign them, so that the caller's transaction rolls back.
 */
export function accessTokenClaims(
  ports: Pick<Ports, 'clock' | 'random'> & HasAccess & HasKeyRing & HasTokenSettings,
  facts: TokenFacts,
  request: RequestContext,
): AccessTokenClaims & Pick<TokenFacts, 'scope'> {
  const settings = ports.tokenSettings;
  assertSignsFor(ports, facts);
  const issuedAt = Math.floor(ports.clock.now() / 1_000);
  const { user } = facts;
  const claims: Record<string, unknown> = {
    iss: settings.issuer,
    aud: facts.audience,
    sub: facts.subject,
    client_id: facts.clientId,
    iat: issuedAt,
    exp: Math.min(issuedAt + settings.accessTokenSeconds, facts.notAfter ?? Number.POSITIVE_INFINITY),
    jti: ports.random.uuid(),
  };
  if (user?.sessionId) claims.sid = user.sessionId;
  if (user) claims.fid = user.familyId;
  claims.scope = facts.scope;
  if (user?.roles) claims.roles = user.roles;
  claims.permissions = facts.permissions;
  if (facts.details !== undefined) claims.authorization_details = facts.details;
  if (user) {
    if (user.email !== null) {
      claims.email = user.email;
      claims.email_verified = user.isEmailVerified;
    }
    if (user.authTime > 0) claims.auth_time = user.authTime;
    // RFC 8693 §4.1: the acting party when it is not the subject.
    else claims.act = { sub: facts.clientId };
    if (user.acr) claims.acr = user.acr;
    if (user.amr && user.amr.length > 0) claims.amr = user.amr;
    claims.ue = user.epoch;
  }
  claims.ce = facts.clientEpoch;
  if (facts.confirmation !== undefined) claims.cnf = facts.confirmation;
  if (settings.enableIpValidation && request.ip !== '') claims.bip = bindingHash(ports, 'ip', request.ip);
  if (settings.enableUserAgentValidation && request.userAgent !== '')
    claims.bua = bindingHash(ports, 'agent', request.userAgent);
  return claims as ReturnType<typeof accessTokenClaims>;
}

/** Signs a claim set as an access token (RFC 9068 §2.1). Throws `signing_unavailable` (503). */
export async function signAccessToken(ports: HasAccess & HasKeyRing, claims: AccessTokenClaims): Promise<MintedToken> {
  const audience = typeof claims.aud === 'string' ? claims.aud : claims.aud[0];
  const options = signOptions(ports, { clientId: claims.client_id, audience });
  const token = await ports.keyRing.sign({ typ: ACCESS_TOKEN_TYPE }, claims, options);
  return { token, claims, expiresIn: claims.exp - claims.iat };
}

/** Makes and signs an access token. Call it after the commit of the transaction that wrote its facts. */
export function mintAccessToken(
  ports: Pick<Ports, 'clock' | 'random'> & HasAccess & HasKeyRing & HasTokenSettings,
  facts: TokenFacts,
  request: RequestContext,
): Promise<MintedToken> {
  return signAccessToken(ports, accessTokenClaims(ports, facts, request));
}

const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';
/** A text that stores and logs keep whole: PostgreSQL refuses NUL, and C libraries end a text at it. */
const isId = (value: unknown): boolean => isText(value) && !value.includes('\0');
const isOptionalId = (value: unknown): boolean => value === undefined || isId(value);
const isOptionalText = (value: unknown): boolean => value === undefined || isText(value);
/** NumericDate (RFC 7519 §2), only in whole seconds. */
const isTime = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const isTexts = (value: unknown): boolean => Array.isArray(value) && value.length > 0 && value.every(isText);
const isOptionalTexts = (value: unknown): boolean =>
  value === undefined || (Array.isArray(value) && value.every((item) => typeof item === 'string'));
const isOrigin = (value: unknown): boolean => {
  const { jti, client_id, ce } = (value ?? {}) as Partial<TokenOrigin>;
  return isText(jti) && isText(client_id) && isTime(ce);
};
const isOptionalOrigins = (value: unknown): boolean =>
  value === undefined || (Array.isArray(value) && value.length > 0 && value.every(isOrigin));
const isOptionalObject = (value: unknown): boolean =>
  value === undefined || (typeof value === 'object' && value !== null && !Array.isArray(value));
const isOptionalDetails = (value: unknown): boolean =>
  value === undefined ||
  (Array.isArray(value) && value.length > 0 && value.every((detail) => isText(Object(detail).type)));
const isOptionalEpoch = (value: unknown): boolean => value === undefined || isTime(value);

/** The claims when all required ones are present and every claim we read has its type (RFC 9068 §2.2); else null. */
export function claimsOf(claims: JsonObject): AccessTokenClaims | null {
  const fits =
    isText(claims.iss) &&
    (isText(claims.aud) || isTexts(claims.aud)) &&
    isId(claims.sub) &&
    isId(claims.client_id) &&
    isTime(claims.iat) &&
    isTime(claims.exp) &&
    isId(claims.jti) &&
    (claims.nbf === undefined || isTime(claims.nbf)) &&
    isOptionalId(claims.sid) &&
    isOptionalId(claims.fid) &&
    (claims.scope === undefined || typeof claims.scope === 'string') &&
    isOptionalTexts(claims.roles) &&
    isOptionalTexts(claims.permissions) &&
    isOptionalText(claims.email) &&
    (claims.email_verified === undefined || typeof claims.email_verified === 'boolean') &&
    (claims.auth_time === undefined || isTime(claims.auth_time)) &&
    isOptionalText(claims.acr) &&
    isOptionalTexts(claims.amr) &&
    isOptionalEpoch(claims.ue) &&
    isOptionalEpoch(claims.ce) &&
    isOptionalOrigins(claims.origins) &&
    isOptionalDetails(claims.authorization_details) &&
    isOptionalObject(claims.cnf) &&
    isOptionalText(claims.bip) &&
    isOptionalText(claims.bua);
  return fits ? (claims as unknown as AccessTokenClaims) : null;
}
