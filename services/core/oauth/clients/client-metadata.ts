import { z } from 'zod';
import {
  CERTIFICATE_NAME_MEMBERS,
  certificateNamesOf,
  type GivenNames,
} from '#services/core/access/certificates/certificate-shapes.ts';
import { AUTH_METHODS, type AuthMethod, usesSecret } from '#services/core/access/client-auth-shapes.ts';
import { clientRecord } from '#services/core/access/client-record.ts';
import { DEVICE_GRANT } from '#services/core/access/grant-shapes.ts';
import { isRedirectUri } from '#services/core/access/redirect-uri.ts';
import { chooseAuthentication, type StoredAuthentication } from '#services/core/access/stored-authentication.ts';
import { sift, TOLERANCE } from '#services/platform/define/tolerance.ts';
import { clientMetadataInvalid, clientRedirectUriInvalid } from '../client-errors.ts';

type Registered = typeof clientRecord.registers.shapes;

/** The supported metadata of a client (RFC 7591 §2): the settings that register, and those that need rules of their own. */
export type ClientMetadata = RegisteredSettings & {
  readonly name: string | undefined;
  readonly redirect_uris: readonly string[];
  /** OpenID Connect RP-Initiated Logout §3.1. */
  readonly post_logout_redirect_uris: readonly string[];
  readonly grant_types: readonly string[];
  readonly response_types: readonly string[];
  readonly auth_method: AuthMethod;
  /** Keys, certificates or the name of a certificate; with the methods that need them. */
  readonly authentication: StoredAuthentication;
  readonly scopes: readonly string[];
};

export type MetadataRules = {
  /** Used if the client names none. */
  readonly defaultAuthMethod: AuthMethod;
  readonly authMethods: readonly AuthMethod[];
  /** Scopes that the client may request. */
  readonly scopes: readonly string[];
};

/** Grants that involve a user. Other grants use permissions of the client itself, which only an administrator gives. */
const GRANTS = ['authorization_code', 'refresh_token', DEVICE_GRANT] as const;

/** Users see the name: it must not have invisible characters, or characters that reverse the text around them. */
const VISIBLE = /^[^\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]+$/u;
const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*$/;

const registering = clientRecord.registers.shapes;
const shapes = z.looseObject({
  ...registering,
  client_name: z.string().trim().min(1).max(128).regex(VISIBLE).optional(),
  token_endpoint_auth_method: z.enum(AUTH_METHODS).optional(),
  grant_types: z.array(z.string().max(255)).max(16).optional(),
  response_types: z.array(z.string().max(255)).max(16).optional(),
  scope: z.string().max(2_048).regex(SCOPE).optional(),
});
/** Small limits, because every copy keeps all unvetted clients in memory. */
const KEYS_MAX = 4;
const ADDRESSES_MAX = 4;
const ADDRESS_LENGTH_MAX = 512;
/** More than any client has; the body is bounded too. */
const addresses = z.array(z.unknown()).max(64).default([]);

type RegisteredSettings = { readonly [Member in keyof Registered]: z.output<Registered[Member]> };
const settingsIn = (data: RegisteredSettings): RegisteredSettings =>
  Object.fromEntries(
    Object.keys(registering).map((member) => [member, data[member as keyof Registered]]),
  ) as RegisteredSettings;

const invalid = (detail: string) => clientMetadataInvalid({ detail });

/**
 * The acceptable ones of the addresses that a client names, up to four: the others are left out, and the response names
 * those that remain (RFC 7591 §3.2.1). Null if it names some and none of them is acceptable, or if it is no list.
 */
function acceptableOf(given: unknown): readonly string[] | null {
  const { data, success } = addresses.safeParse(given);
  if (!success) return null;
  const { kept } = sift(TOLERANCE['redirect addresses at registration'], data, (uri) =>
    typeof uri === 'string' && uri.length <= ADDRESS_LENGTH_MAX && isRedirectUri(uri) ? 'allowed' : 'forbidden',
  );
  return kept.length === 0 && data.length > 0 ? null : (kept.slice(0, ADDRESSES_MAX) as string[]);
}

const ACCEPTABLE = 'https, http on this machine, or a private-use scheme with a dot, of up to 512 characters';

function redirectUrisOf(given: unknown, isNeeded: boolean): readonly string[] {
  const accepted = acceptableOf(given);
  if (accepted === null)
    throw clientRedirectUriInvalid({ detail: `redirect_uris must be a list with a redirect URI: ${ACCEPTABLE}.` });
  if (isNeeded && accepted.length === 0)
    throw clientRedirectUriInvalid({ detail: 'redirect_uris is missing; the grant authorization_code requires one.' });
  return accepted;
}

/** As strict as redirect URIs, but not an error of RFC 7591's `invalid_redirect_uri`, which is about codes. */
function postLogoutUrisOf(given: unknown): readonly string[] {
  const accepted = acceptableOf(given);
  if (accepted === null) throw invalid(`post_logout_redirect_uris must be a list with a redirect URI: ${ACCEPTABLE}.`);
  return accepted;
}

/** A member without a value, or with an empty string, says as much as an absent one. */
export const stated = (given: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> =>
  Object.fromEntries(
    Object.entries(given).filter(([, value]) => value !== null && !(typeof value === 'string' && value.trim() === '')),
  );

/**
 * Grants or response types that a client names, of those that an unvetted client may have: the others are left out, and
 * the response names those that remain. A client that would be left with none of those it named is refused.
 */
function usableOf<Name extends string>(
  member: 'grant_types' | 'response_types',
  named: readonly string[],
  usable: readonly Name[],
): readonly Name[] {
  const { kept } = sift(TOLERANCE['metadata at registration'], named, (name) =>
    (usable as readonly string[]).includes(name) ? 'allowed' : 'forbidden',
  );
  if (kept.length === 0 && named.length > 0)
    throw invalid(`${member} contains none that an unvetted client may have: ${usable.join(', ')}.`);
  return kept as readonly Name[];
}

/** Returns the requested scopes that are allowed; all allowed scopes if the client requests none. */
function scopesOf(scope: string | undefined, allowed: readonly string[]): readonly string[] {
  if (scope === undefined) return allowed;
  const { kept } = sift(TOLERANCE['scopes of an unvetted client'], scope.split(' '), (name) =>
    allowed.includes(name) ? 'allowed' : 'forbidden',
  );
  if (kept.length === 0) throw invalid('scope contains no scope that an unvetted client may request.');
  return allowed.filter((name) => kept.includes(name));
}

/** Members that the method does not read are ignored (RFC 7591 §2). */
function authenticationOf(authMethod: AuthMethod, given: Readonly<Record<string, unknown>>): StoredAuthentication {
  const isRead = authMethod !== 'none' && !usesSecret(authMethod);
  const members = isRead ? ['jwks_uri', ...CERTIFICATE_NAME_MEMBERS] : [];
  const unread = members.find((member) => given[member] !== undefined && typeof given[member] !== 'string');
  if (unread !== undefined) throw invalid(`${unread} is not a string.`);
  const { jwks, jwks_uri: jwksUri, ...others } = given as GivenNames & { jwks?: unknown; jwks_uri?: string };
  const chosen = chooseAuthentication(authMethod, { jwks, jwks_uri: jwksUri, ...certificateNamesOf(others) }, KEYS_MAX);
  if ('why' in chosen) throw invalid(`${chosen.at} ${chosen.why}.`);
  return chosen;
}

/**
 * Validates the metadata of a client: supported members strictly; other members are ignored (RFC 7591 §2), and empty ones
 * are absent. Scopes, addresses, grants and response types that are not allowed are left out; the response names those
 * that remain (§3.2.1).
 * Throws `client_metadata_invalid`, `client_redirect_uri_invalid` (400).
 */
export function readClientMetadata(sent: Readonly<Record<string, unknown>>, rules: MetadataRules): ClientMetadata {
  const given = stated(sent);
  const { data, error } = shapes.safeParse(given);
  if (error !== undefined) throw invalid(`${String(error.issues[0]?.path[0])} is malformed or not supported.`);
  const grantTypes = usableOf('grant_types', data.grant_types ?? ['authorization_code'], GRANTS);
  const hasCode = grantTypes.some((grant) => grant === 'authorization_code');
  const responseTypes = usableOf('response_types', data.response_types ?? (hasCode ? ['code'] : []), ['code']);
  if (hasCode !== responseTypes.length > 0)
    throw invalid('The response type code and the grant type authorization_code require each other.');
  if (grantTypes.every((grant) => grant === 'refresh_token'))
    throw invalid('grant_types must contain a grant other than refresh_token.');
  const authMethod = data.token_endpoint_auth_method ?? rules.defaultAuthMethod;
  if (!rules.authMethods.includes(authMethod)) throw invalid('token_endpoint_auth_method is not allowed.');
  return {
    ...settingsIn(data),
    name: data.client_name,
    redirect_uris: redirectUrisOf(given.redirect_uris, hasCode),
    post_logout_redirect_uris: postLogoutUrisOf(given.post_logout_redirect_uris),
    grant_types: grantTypes,
    response_types: responseTypes,
    auth_method: authMethod,
    authentication: authenticationOf(authMethod, given),
    scopes: scopesOf(data.scope, rules.scopes),
  };
}
