import { isObject, type JsonObject } from './strict-json.ts';

/** A token that another was exchanged from (RFC 8693). */
export type TokenOrigin = { readonly jti: string; readonly client_id: string; readonly ce: number };

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
