import { refuse, VerifierError } from './codes.ts';
import { isObject, type JsonObject } from './strict-json.ts';

/** A token that another was exchanged from (RFC 8693). */
export type TokenOrigin = { readonly jti: string; readonly client_id: string; readonly ce: number };

/** An authorization detail that a token carries (RFC 9396 §9.1). */
export type AuthorizationDetail = { readonly type: string; readonly [member: string]: unknown };

/** The claims of an access token (RFC 9068 §2.2, and those of Sallyport). Times are Unix seconds. */
export type AccessTokenClaims = {
  readonly iss: string;
  readonly aud: string | readonly string[];
  /** User id, or the client id for client credentials. */
  readonly sub: string;
  readonly client_id: string;
  readonly iat: number;
  readonly exp: number;
  readonly nbf?: number;
  readonly jti: string;
  /** The session. */
  readonly sid?: string;
  /** The token family of a sign-in; absent for client credentials. */
  readonly fid?: string;
  /** What the user allowed the client to do, separated by spaces. */
  readonly scope?: string;
  readonly roles?: readonly string[];
  /** What the token may do. Decide by these, and not by `roles`. */
  readonly permissions?: readonly string[];
  /** What was granted in detail (RFC 9396); see `requireAuthorization`. */
  readonly authorization_details?: readonly AuthorizationDetail[];
  readonly email?: string;
  readonly email_verified?: boolean;
  readonly auth_time?: number;
  readonly acr?: string;
  readonly amr?: readonly string[];
  /** Epochs of user and client when the token was issued. */
  readonly ue?: number;
  readonly ce?: number;
  /** The keys that the sender must prove (RFC 7800). */
  readonly cnf?: JsonObject;
  /** The party that acts for the user (RFC 8693 §4.1). */
  readonly act?: JsonObject;
  readonly origins?: readonly TokenOrigin[];
  readonly [name: string]: unknown;
};

export const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';
/** A text that stores and logs keep whole: PostgreSQL refuses NUL, and C libraries end a text at it. */
const isId = (value: unknown): value is string => isText(value) && !value.includes('\0');
/** A whole number that is not negative. */
export const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

type Check = (value: unknown) => boolean;
const optional =
  (check: Check): Check =>
  (value) =>
    value === undefined || check(value);
const isList =
  (check: Check, least = 0): Check =>
  (value) =>
    Array.isArray(value) && value.length >= least && value.every(check);
const isString: Check = (value) => typeof value === 'string';
const isOrigin: Check = (value) => isObject(value) && isText(value.jti) && isText(value.client_id) && isCount(value.ce);

const isDetail: Check = (value) => isObject(value) && isText(value.type);

const CHECKS: readonly (readonly [string, Check])[] = Object.entries({
  iss: isText,
  aud: (value) => isText(value) || isList(isText, 1)(value),
  sub: isId,
  client_id: isId,
  iat: isCount,
  exp: isCount,
  jti: isId,
  nbf: optional(isCount),
  sid: optional(isId),
  fid: optional(isId),
  scope: optional(isString),
  roles: optional(isList(isString)),
  permissions: optional(isList(isString)),
  authorization_details: optional(isList(isDetail, 1)),
  email: optional(isText),
  email_verified: optional((value) => typeof value === 'boolean'),
  auth_time: optional(isCount),
  acr: optional(isText),
  amr: optional(isList(isString)),
  ue: optional(isCount),
  ce: optional(isCount),
  cnf: optional(isObject),
  origins: optional(isList(isOrigin, 1)),
  bip: optional(isText),
  bua: optional(isText),
} satisfies Record<string, Check>);

/** The claims when every required one is present and every known one has its type; else null. */
export function claimsOf(payload: JsonObject): AccessTokenClaims | null {
  for (const [name, check] of CHECKS) if (!check(payload[name])) return null;
  return payload as AccessTokenClaims;
}

/** Whether two JSON values are the same: the order of members does not matter, that of lists does. */
function isSame(one: unknown, other: unknown): boolean {
  if (Array.isArray(one) || Array.isArray(other))
    return (
      Array.isArray(one) &&
      Array.isArray(other) &&
      one.length === other.length &&
      one.every((item, at) => isSame(item, other[at]))
    );
  if (!isObject(one) || !isObject(other)) return one === other;
  const names = Object.keys(one);
  return (
    names.length === Object.keys(other).length &&
    names.every((name) => Object.hasOwn(other, name) && isSame(one[name], other[name]))
  );
}

/**
 * The granted detail of the type that fits: with these members, each of exactly this value, or by a function. Throws
 * VerifierError with the code `authorization_missing` (403) if the token has none.
 * @example requireAuthorization(claims, 'payment', { amount: { value: 5, currency: 'EUR' }, to: 'Ann' });
 */
export function requireAuthorization(
  { authorization_details: details = [] }: Pick<AccessTokenClaims, 'authorization_details'>,
  type: string,
  fits: Readonly<Record<string, unknown>> | ((detail: AuthorizationDetail) => boolean),
): AuthorizationDetail {
  const isFit =
    typeof fits === 'function'
      ? fits
      : (detail: AuthorizationDetail) =>
          Object.entries(fits).every(([name, value]) => Object.hasOwn(detail, name) && isSame(detail[name], value));
  const found = details.find((detail) => detail.type === type && isFit(detail));
  if (found === undefined) throw new VerifierError(refuse('authorization_missing'));
  return found;
}
