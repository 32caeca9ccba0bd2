import { defineStatement } from '#services/platform/define/statement.ts';
import type { AsymmetricAlgorithm } from '../keys/algorithm-shapes.ts';
import type { Sql } from '../ports.ts';
import type { CertificateIdentity } from './certificates/certificate-identity.ts';
import type { ClientProfile } from './client-auth-shapes.ts';
import type { ProfileSettings } from './client-profile.ts';
import type { ScopeWords } from './scope-words.ts';

/** How a client was created: by an administrator, by registering itself (RFC 7591), or from the document at its id. */
export type ClientOrigin = 'admin' | 'registration' | 'document';

export type ClientRow = {
  readonly clientId: string;
  /** SHA-256, base64url. */
  readonly clientSecret: string | null;
  readonly disabled: boolean;
  readonly scopes: string[];
  readonly grantTypes: string[];
  readonly credentialScopes: string[];
  readonly tokenEpoch: number;
  readonly authMethod: string | null;
  /** JWK set, JSON text. */
  readonly jwks: string | null;
  readonly jwksUri: string | null;
  readonly certificateIdentity: CertificateIdentity | null;
  readonly dpopBound: boolean;
  readonly certificateBound: boolean;
  readonly pushesRequests: boolean;
  readonly requiresPkce: boolean;
  readonly profile: ClientProfile;
  readonly idTokenAlgorithm: AsymmetricAlgorithm | null;
  readonly accessTokenAlgorithm: AsymmetricAlgorithm | null;
  readonly name: string;
  readonly redirectUris: string[];
  readonly postLogoutRedirectUris: string[];
  readonly skipConsent: boolean;
  readonly hasLogo: boolean;
  readonly audiences: string[];
  readonly origin: ClientOrigin;
  /** Unix milliseconds; null unless the client comes from a document. */
  readonly documentUntilMs: number | null;
  /** As `clientSecret`. */
  readonly previousSecret: string | null;
  /** Unix milliseconds. */
  readonly previousUntilMs: number | null;
  /** Owner and expiry (Unix milliseconds) of an agent; null for every other client. */
  readonly agentOwnerId: string | null;
  readonly agentUntilMs: number | null;
};
export type RolePermissionRow = { readonly role: string; readonly permission: string };
/** `application` is null for a permission of the installation. */
export type PermissionRow = {
  readonly name: string;
  readonly application: string | null;
  readonly words: ScopeWords | null;
};
export type ApplicationRow = { readonly name: string; readonly audience: string };

/** Reads whole tables on purpose: copies keep them in memory and read them again when `access_version` changes. */
const stateRead = defineStatement('accessVersionRead', 'SELECT incarnation, access_version AS version FROM feed_state');
const clientsRead = defineStatement(
  'oauthClientsRead',
  `SELECT "clientId", "clientSecret", coalesce(disabled, false) AS disabled, coalesce(scopes, '{}') AS scopes,
     coalesce("grantTypes", '{}') AS "grantTypes", coalesce("clientCredentialsScopes", '{}') AS "credentialScopes",
     "tokenEpoch", "tokenEndpointAuthMethod" AS "authMethod", jwks, "jwksUri", "certificateIdentity",
     coalesce("dpopBoundAccessTokens", false) AS "dpopBound",
     "certificateBoundAccessTokens" AS "certificateBound", "requirePushedRequests" AS "pushesRequests",
     "requirePKCE" IS NOT FALSE AS "requiresPkce", profile, "idTokenSignedResponseAlg" AS "idTokenAlgorithm",
     "accessTokenSignedResponseAlg" AS "accessTokenAlgorithm", coalesce(name, "clientId") AS name, "redirectUris",
     coalesce("postLogoutRedirectUris", '{}') AS "postLogoutRedirectUris", coalesce("skipConsent", false) AS "skipConsent",
     icon IS NOT NULL AS "hasLogo", audiences,
     origin, extract(epoch FROM "documentUntil")::float8 * 1000 AS "documentUntilMs", "previousSecret",
     extract(epoch FROM "previousSecretUntil")::float8 * 1000 AS "previousUntilMs",
     owner_id AS "agentOwnerId", extract(epoch FROM agents.expires_at)::float8 * 1000 AS "agentUntilMs"
   FROM oauth_clients LEFT JOIN agents ON client_id = "clientId"`,
);
const permissionsRead = defineStatement(
  'permissionsRead',
  'SELECT name, application, scope_words AS words FROM permissions ORDER BY name',
);
const applicationsRead = defineStatement('applicationsRead', 'SELECT name, audience FROM applications');
const rolesRead = defineStatement('rolesRead', 'SELECT name FROM roles');
const rolePermissionsRead = defineStatement('rolePermissionsRead', 'SELECT role, permission FROM role_permissions');
/** A client id that equals a user id would let one act as the other. */
const clientInsert = defineStatement(
  'oauthClientInsert',
  `INSERT INTO oauth_clients (id, "clientId", "clientSecret", name, "tokenEndpointAuthMethod", "grantTypes", scopes,
     "clientCredentialsScopes", "redirectUris", audiences, "dpopBoundAccessTokens", "certificateBoundAccessTokens",
     "requirePushedRequests", "postLogoutRedirectUris", "requirePKCE", "rotatesRefreshTokens", jwks, "jwksUri",
     profile, "certificateIdentity", "idTokenSignedResponseAlg", "accessTokenSignedResponseAlg", "backchannelLogoutUri",
     "backchannelLogoutSessionRequired", icon)
   SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20::jsonb, $21, $22, $23, $24, $25
   WHERE NOT EXISTS (SELECT 1 FROM users WHERE id = $2)
   ON CONFLICT ("clientId") DO NOTHING RETURNING "clientId"`,
);

/** Read before the rows, which are then at least as new as the version. */
/** The version counts changes within an incarnation of the database. */
export type AccessState = { readonly incarnation: string; readonly version: number };

export const readAccessState = async (sql: Sql): Promise<AccessState> =>
  (await sql.query<AccessState>(stateRead))[0] ?? { incarnation: '', version: 0 };
export const readClients = (sql: Sql): Promise<ClientRow[]> => sql.query<ClientRow>(clientsRead);
export const readPermissions = (sql: Sql): Promise<PermissionRow[]> => sql.query<PermissionRow>(permissionsRead);
export const readApplications = (sql: Sql): Promise<ApplicationRow[]> => sql.query<ApplicationRow>(applicationsRead);
export const readRoles = async (sql: Sql): Promise<string[]> =>
  (await sql.query<{ name: string }>(rolesRead)).map((row) => row.name);
export const readRolePermissions = (sql: Sql): Promise<RolePermissionRow[]> =>
  sql.query<RolePermissionRow>(rolePermissionsRead);

/** What is registered of a client. */
export type ClientRegistration = ProfileSettings & {
  readonly name: string;
  readonly authMethod: string;
  /** With `private_key_jwt`: its JWK set as JSON text, or where the set is fetched. */
  readonly jwks: string | null;
  readonly jwksUri: string | null;
  /** With the methods of RFC 8705 §2: how the client is recognised. */
  readonly certificateIdentity: CertificateIdentity | null;
  readonly grantTypes: readonly string[];
  readonly scopes: readonly string[];
  readonly credentialScopes: readonly string[];
  readonly redirectUris: readonly string[];
  readonly postLogoutRedirectUris: readonly string[];
  readonly audiences: readonly string[];
  /** Null: the default algorithm of the installation. */
  readonly idTokenAlgorithm: AsymmetricAlgorithm | null;
  readonly accessTokenAlgorithm: AsymmetricAlgorithm | null;
  /** Where logout tokens are sent (OpenID Connect Back-Channel Logout §2.2). */
  readonly backchannelLogoutUri: string | null;
  readonly backchannelLogoutSessionRequired: boolean;
};

export type NewClient = ClientRegistration & {
  readonly id: string;
  readonly clientId: string;
  readonly secretHash: string | null;
  /** A PNG in a data URL. */
  readonly logo: string | null;
};

/** False if a client or a user already has the id. */
export async function insertClient(tx: Sql, client: NewClient): Promise<boolean> {
  const rows = await tx.query(clientInsert, [
    client.id,
    client.clientId,
    client.secretHash,
    client.name,
    client.authMethod,
    client.grantTypes,
    client.scopes,
    client.credentialScopes,
    client.redirectUris,
    client.audiences,
    client.dpopBound,
    client.certificateBound,
    client.pushesRequests,
    client.postLogoutRedirectUris,
    client.requiresPkce,
    client.rotatesRefreshTokens,
    client.jwks,
    client.jwksUri,
    client.profile,
    client.certificateIdentity === null ? null : JSON.stringify(client.certificateIdentity),
    client.idTokenAlgorithm,
    client.accessTokenAlgorithm,
    client.backchannelLogoutUri,
    client.backchannelLogoutSessionRequired,
    client.logo,
  ]);
  return rows.length === 1;
}
