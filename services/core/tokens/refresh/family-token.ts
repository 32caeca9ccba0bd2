import type { z } from 'zod';
import type { AccessDirectory, Client } from '#services/core/access/access-directory.ts';
import { type Rights, rightsAt } from '#services/core/access/application-rights.ts';
import { auditActor } from '#services/core/audit/audit-context.ts';
import { FIRST_PARTY_CLIENT_ID } from '#services/core/authority/callers.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import {
  type AccessTokenClaims,
  answeredDetails,
  type Confirmation,
  type MintedToken,
  type TokenFacts,
} from '../access-token.ts';
import { type AuthorizationDetails, detailsNow } from '../authorization-details.ts';
import type { tokenPair } from '../contract.ts';
import { metadataOf, postTokenMetadata, type TokenMetadataPorts } from '../metadata/token-metadata.cache.ts';

/** The facts of a new or rotated family that its access tokens contain. */
export type FamilyFacts = {
  readonly family_id: string;
  readonly user_id: string;
  readonly session_id: string | null;
  readonly client_id: string;
  readonly scope: string;
  readonly audience: string;
  readonly authorization_details?: AuthorizationDetails | null | undefined;
  readonly email: string;
  readonly is_email_verified: boolean;
  readonly roles: readonly string[];
  /** Unix seconds. */
  readonly auth_time: number;
  /** RFC 8176 methods of the sign-in, space separated; '' when no user signed in. */
  readonly amr?: string;
  readonly acr?: string | null;
  /** The limit of a family that a caller issued for the user; null or left out: none. */
  readonly rights_limit?: RightsLimit | null;
  readonly user_epoch: number;
  readonly client_epoch: number;
  /** Keys that the client must prove; null or left out: none. */
  readonly jkt?: string | null;
  readonly x5t?: string | null;
};

/**
 * Returns the current scope of a family. For a client that no administrator has vetted, it is limited to what the
 * current settings allow. For a vetted client no check is needed, because removing a scope ends its families.
 */
export function scopeNow(
  access: AccessDirectory,
  { client_id: clientId, scope }: Pick<FamilyFacts, 'client_id' | 'scope'>,
): string {
  const client = access.client(clientId);
  if (client === undefined || client.origin === 'admin') return scope;
  const kept = scope.split(' ').filter((each) => client.scopes.includes(each));
  return kept.join(' ');
}

/**
 * The first-party client has all of these permissions of the user, unless it requested less than its whole scope. Another
 * client has those that its scope names, and a client that no administrator has vetted has none.
 */
function permissionsFor(access: AccessDirectory, family: FamilyFacts, { permissions }: Rights): readonly string[] {
  const client = access.client(family.client_id);
  if (client?.origin !== 'admin') return [];
  const held = withinLimit([...permissions].sort(), family.rights_limit?.permissions);
  const scopes = new Set(family.scope.split(' '));
  if (family.client_id === FIRST_PARTY_CLIENT_ID && client.scopes.every((scope) => scopes.has(scope))) return held;
  return held.filter((permission) => scopes.has(permission));
}

/**
 * Returns the keys that a token is bound to: the DPoP key of the request, else the certificate; both when all tokens of
 * the client must be bound to a certificate (RFC 8705 §3.4).
 */
export function confirmationOf(
  client: Pick<Client, 'tls_client_certificate_bound_access_tokens'> | undefined,
  { jkt, x5t }: { readonly jkt?: string | null | undefined; readonly x5t?: string | null | undefined },
): Confirmation | undefined {
  if (!jkt) return x5t ? { 'x5t#S256': x5t } : undefined;
  return x5t && client?.tls_client_certificate_bound_access_tokens ? { jkt, 'x5t#S256': x5t } : { jkt };
}

/**
 * What a client may see of its user: the address with the scope `email`, and name and roles with `profile` (OpenID
 * Connect Core §5.4). The first-party client sees everything.
 */
export const maySee = (row: Pick<FamilyFacts, 'client_id' | 'scope'>, what: 'email' | 'profile'): boolean =>
  row.client_id === FIRST_PARTY_CLIENT_ID || row.scope.split(' ').includes(what);

/** Roles require the scope `profile` and a vetted client, because they show an attacker which users have privileges. */
export const maySeeRoles = (
  client: Pick<Client, 'origin'> | undefined,
  facts: Pick<FamilyFacts, 'client_id' | 'scope'>,
): boolean => client?.origin === 'admin' && maySee(facts, 'profile');

/**
 * A pair that a client or agent issued by its own permission, without a sign-in. It names no roles: a service that decides
 * by them would take the client for the user.
 */
const isIssuedByClient = (row: FamilyFacts): boolean => row.auth_time === 0 && row.client_id !== FIRST_PARTY_CLIENT_ID;

export function familyTokenFacts(access: AccessDirectory, granted: FamilyFacts): TokenFacts {
  const client = access.client(granted.client_id);
  const family = { ...granted, scope: scopeNow(access, granted) };
  const roles = withinLimit(access.rolesAt(family.roles, family.acr), family.rights_limit?.roles);
  const rights = rightsAt({ access }, family.audience, roles);
  return {
    subject: family.user_id,
    clientId: family.client_id,
    audience: family.audience,
    scope: family.scope,
    permissions: permissionsFor(access, family, rights),
    details: family.authorization_details ? detailsNow(access, family, family.authorization_details) : undefined,
    clientEpoch: family.client_epoch,
    confirmation: confirmationOf(client, family),
    user: {
      sessionId: family.session_id,
      familyId: family.family_id,
      email: maySee(family, 'email') ? family.email : null,
      isEmailVerified: family.is_email_verified,
      roles: maySeeRoles(client, family) && !isIssuedByClient(family) ? rights.roles : null,
      authTime: family.auth_time,
      amr: family.amr ? family.amr.split(' ') : [],
      acr: family.acr ?? null,
      epoch: family.user_epoch,
    },
  };
}

/** A token response (RFC 6749 §5.1) with the remaining lifetime of the refresh token. */
export type TokenPairAnswer = z.output<typeof tokenPair>;

export const pairAnswer = (
  minted: MintedToken,
  refreshToken: string,
  refreshExpiresInSeconds: number,
): TokenPairAnswer & Pick<AccessTokenClaims, 'authorization_details'> => ({
  access_token: minted.token,
  refresh_token: refreshToken,
  token_type: 'Bearer',
  expires_in: minted.expiresIn,
  refresh_expires_in: refreshExpiresInSeconds,
  // Every token issued here has a scope, possibly empty.
  scope: minted.claims.scope as string,
  ...answeredDetails(minted.claims),
});

/** Stores the metadata of an issued token for its lifetime, without waiting. A lost entry does no harm. */
export function rememberToken(
  ports: Pick<Ports, 'clock'> & TokenMetadataPorts,
  minted: MintedToken,
  caller: Caller,
): void {
  const ttlSeconds = Math.ceil(minted.claims.exp - ports.clock.now() / 1_000);
  if (ttlSeconds <= 0) return;
  const actor = auditActor(caller);
  const metadata = metadataOf(minted.token, minted.claims, { ip: actor.ip_hash, agent: actor.agent_hash });
  postTokenMetadata(ports, minted.claims.jti, metadata, ttlSeconds);
}

/** Upper limit of a family's roles and permissions: those its user had when a caller issued it for the user. */
export type RightsLimit = { readonly roles: readonly string[]; readonly permissions: readonly string[] };

/** The rights that the limit allows; all of them without a limit. */
const withinLimit = (rights: readonly string[], limit: readonly string[] | undefined): readonly string[] =>
  limit === undefined ? rights : rights.filter((each) => limit.includes(each));

export type FamilyIdle = {
  readonly refreshTokenSeconds: number;
  /** Idle limit of sessions with two factors, seconds; 0: none. */
  readonly twoFactorIdleSeconds: number;
};

/** How long a family lives without a refresh, in seconds. With two factors it is at most the idle limit of the session. */
export const idleSecondsOf = (
  { refreshTokenSeconds, twoFactorIdleSeconds }: FamilyIdle,
  acr: string | null | undefined,
): number =>
  acr === 'aal2' && twoFactorIdleSeconds > 0
    ? Math.min(refreshTokenSeconds, twoFactorIdleSeconds)
    : refreshTokenSeconds;
