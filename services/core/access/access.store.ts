import type { ValuesOf } from '#services/platform/define/record.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import type { Sql } from '../ports.ts';
import type { DetailType } from './authorization-detail-shapes.ts';
import type { CertificateIdentity } from './certificates/certificate-identity.ts';
import { type ClientSettingsRow, clientRecord } from './client-record.ts';
import type { ScopeWords } from './scope-words.ts';

/** How a client was created: by an administrator, by registering itself (RFC 7591), or from the document at its id. */
export type ClientOrigin = 'admin' | 'registration' | 'document';

export type ClientRow = ClientSettingsRow & {
  readonly clientId: string;
  /** SHA-256, base64url. */
  readonly secret_hash: string | null;
  readonly disabled: boolean;
  readonly tokenEpoch: number;
  /** One of `AUTH_METHODS`. */
  readonly auth_method: string;
  /** JWK set, JSON text. */
  readonly jwks: string | null;
  readonly jwks_uri: string | null;
  readonly certificate_identity: CertificateIdentity | null;
  /** A trusted client: users are not asked for consent. */
  readonly skip_consent: boolean;
  readonly origin: ClientOrigin;
  /** Unix milliseconds; null unless the client comes from a document. */
  readonly document_until_ms: number | null;
  readonly previous_secret_hash: string | null;
  /** Unix milliseconds. */
  readonly previous_until_ms: number | null;
  /** Owner and expiry (Unix milliseconds) of an agent; null for every other client. */
  readonly agent_owner_id: string | null;
  readonly agent_until_ms: number | null;
};
type RolePermissionRow = { readonly role: string; readonly permission: string };
/** `application` is null for a permission of the installation. */
type PermissionRow = { readonly name: string; readonly application: string | null; readonly words: ScopeWords | null };
type ApplicationRow = {
  readonly name: string;
  readonly audience: string;
  readonly detail_types: Readonly<Record<string, DetailType>>;
};

/** Reads whole tables on purpose: copies keep them in memory and read them again when `access_version` changes. */
const stateRead = defineStatement('accessVersionRead', 'SELECT incarnation, access_version AS version FROM feed_state');
const clientsRead = defineStatement('oauthClientsRead')`
  SELECT ${clientRecord.select}, "clientId", secret_hash, coalesce(disabled, false) AS disabled, "tokenEpoch", auth_method,
    jwks, jwks_uri, certificate_identity, skip_consent, origin,
    extract(epoch FROM document_until)::float8 * 1000 AS document_until_ms, previous_secret_hash,
    extract(epoch FROM previous_secret_until)::float8 * 1000 AS previous_until_ms,
    owner_id AS agent_owner_id, extract(epoch FROM agents.expires_at)::float8 * 1000 AS agent_until_ms
  FROM oauth_clients LEFT JOIN agents ON client_id = "clientId"`;
const permissionsRead = defineStatement('permissionsRead')`
  SELECT name, application, scope_words AS words FROM permissions ORDER BY name`;
const applicationsRead = defineStatement('applicationsRead')`
  SELECT name, audience, coalesce((SELECT jsonb_object_agg(type, definition) FROM authorization_detail_types
    WHERE application = name), '{}') AS detail_types FROM applications`;
const rolesRead = defineStatement('rolesRead', 'SELECT name FROM roles');
const rolePermissionsRead = defineStatement('rolePermissionsRead', 'SELECT role, permission FROM role_permissions');
/** A client id that equals a user id would let one act as the other. */
const clientInsert = defineStatement('oauthClientInsert')`
  INSERT INTO oauth_clients (id, "clientId", secret_hash, auth_method, jwks, jwks_uri, certificate_identity,
    ${clientRecord.columns})
  SELECT $1, $2, $3, $4, $5, $6, $7::jsonb, ${clientRecord.columns} FROM jsonb_populate_record(NULL::oauth_clients, $8)
  WHERE NOT EXISTS (SELECT 1 FROM users WHERE users.id = $2)
  ON CONFLICT ("clientId") DO NOTHING RETURNING "clientId"`;

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

export type ClientAuthentication = {
  readonly auth_method: string;
  /** With `private_key_jwt`: its JWK set as JSON text, or where the set is fetched. */
  readonly jwks: string | null;
  readonly jwks_uri: string | null;
  /** With the methods of RFC 8705 §2: how the client is recognised. */
  readonly certificate_identity: CertificateIdentity | null;
};

export type NewClient = ClientAuthentication & {
  readonly id: string;
  readonly clientId: string;
  readonly secretHash: string | null;
  readonly settings: ValuesOf<typeof clientRecord>;
};

/** False if a client or a user already has the id. */
export async function insertClient(tx: Sql, client: NewClient): Promise<boolean> {
  const { certificate_identity: identity } = client;
  const rows = await tx.query(clientInsert, [
    client.id,
    client.clientId,
    client.secretHash,
    client.auth_method,
    client.jwks,
    client.jwks_uri,
    identity === null ? null : JSON.stringify(identity),
    JSON.stringify(client.settings),
  ]);
  return rows.length === 1;
}
