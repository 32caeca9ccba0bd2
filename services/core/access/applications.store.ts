import { defineStatement } from '#services/platform/define/statement.ts';
import type { Sql } from '../ports.ts';
import type { ApplicationView } from './application-shapes.ts';
import type { Declaration } from './declaration.ts';
import type { SignOffPolicyView } from './signoff-policy-shapes.ts';

/** The tables of roles and permissions are small and bounded: at most 100 applications of 100 permissions and 30 roles. */
const DECLARED = `SELECT a.name AS application, a.audience,
    ARRAY(SELECT p.name FROM permissions p WHERE p.application = a.name ORDER BY p.name) AS permissions,
    coalesce((SELECT jsonb_object_agg(p.name, p.scope_words) FROM permissions p
      WHERE p.application = a.name AND p.scope_words IS NOT NULL), '{}') AS scopes,
    coalesce((SELECT jsonb_object_agg(substr(r.name, length(a.name) + 2),
      ARRAY(SELECT h.permission FROM role_permissions h WHERE h.role = r.name ORDER BY h.permission))
      FROM roles r WHERE r.application = a.name), '{}') AS roles,
    coalesce((SELECT jsonb_object_agg(t.type, t.definition) FROM authorization_detail_types t
      WHERE t.application = a.name), '{}') AS authorization_details,
    coalesce((SELECT jsonb_agg(to_jsonb(s) - 'application' ORDER BY s.act) FROM signoff_policies s
      WHERE s.application = a.name), '[]') AS signoff_policies
  FROM applications a`;

/** Both use the primary key, and the indexes by application of permissions, roles and policies. */
const applicationsPage = defineStatement('applicationsPage', `${DECLARED} WHERE a.name > $1 ORDER BY a.name LIMIT $2`);
const applicationRead = defineStatement('applicationRead', `${DECLARED} WHERE a.name = $1`);
/** One declaration at a time: two that claim one permission must not both find it free. Readers do not wait. */
const applicationsLock = defineStatement('applicationsLock', 'LOCK TABLE applications IN SHARE ROW EXCLUSIVE MODE');
/** Grants of the roles wait until commit, so that no user gets a role that is being dropped. */
const applicationRolesLock = defineStatement('applicationRolesLock')`
  SELECT name FROM roles WHERE application = $1 ORDER BY name FOR UPDATE`;
const audiencesRead = defineStatement('applicationAudiencesRead', 'SELECT name, audience FROM applications');
const ownersRead = defineStatement('permissionOwnersRead', 'SELECT name, application FROM permissions');
const applicationInsert = defineStatement('applicationInsert')`
  INSERT INTO applications (name, audience) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING`;
const applicationDelete = defineStatement('applicationDelete', 'DELETE FROM applications WHERE name = $1');
const permissionsInsert = defineStatement('applicationPermissionsInsert')`
  INSERT INTO permissions (name, description, application) SELECT unnest($2::text[]), '', $1`;
/** Index: permissions_application. Writes what differs only: each change makes every copy load its directory again. */
const scopeWordsPut = defineStatement('applicationScopeWordsPut')`
  UPDATE permissions SET scope_words = $2::jsonb -> name
  WHERE application = $1 AND scope_words IS DISTINCT FROM $2::jsonb -> name`;
/** The trigger of role_permissions ends tokens of users in id order, that of permissions those of clients. */
const permissionsWithdraw = defineStatement('applicationPermissionsWithdraw')`
  DELETE FROM role_permissions WHERE permission = ANY ($1)`;
const permissionsDelete = defineStatement('applicationPermissionsDelete')`
  DELETE FROM permissions WHERE application = $1 AND name = ANY ($2)`;
const rolesInsert = defineStatement('applicationRolesInsert')`
  INSERT INTO roles (name, description, application) SELECT unnest($2::text[]), 'Role of the application ' || $1, $1`;
const rolesDelete = defineStatement('applicationRolesDelete')`
  DELETE FROM roles WHERE application = $1 AND name = ANY ($2)`;
/** Index: user_roles_role. */
const heldRolesRead = defineStatement('heldRolesRead')`
  SELECT name FROM unnest($1::text[]) AS name WHERE EXISTS (SELECT FROM user_roles WHERE role = name) ORDER BY name`;
/** Index: user_roles_role. */
const holdersCount = defineStatement('roleHoldersCount')`
  SELECT count(DISTINCT user_id)::int AS count FROM user_roles WHERE role = ANY ($1)`;

const detailTypesDelete = defineStatement('authorizationDetailTypesDelete')`
  DELETE FROM authorization_detail_types WHERE application = $1`;
const detailTypesInsert = defineStatement('authorizationDetailTypesInsert')`
  INSERT INTO authorization_detail_types (type, application, definition) SELECT key, $1, value FROM jsonb_each($2::jsonb)`;
const detailTypeOwnersRead = defineStatement('authorizationDetailTypeOwnersRead')`
  SELECT type, application FROM authorization_detail_types`;

/** A declaration as it is stored, with the versions of its policies. */
export type StoredDeclaration = Omit<Declaration, 'signoff_policies'> & {
  readonly signoff_policies: readonly SignOffPolicyView[];
};

export const readApplicationsPage = (sql: Sql, after: string, limit: number): Promise<StoredDeclaration[]> =>
  sql.query<StoredDeclaration>(applicationsPage, [after, limit]);

export const readApplication = async (sql: Sql, name: string): Promise<StoredDeclaration | undefined> =>
  (await sql.query<StoredDeclaration>(applicationRead, [name]))[0];

/** Until commit no other declaration changes, and no role of this one is granted. */
export async function lockApplication(tx: Sql, name: string): Promise<void> {
  await tx.query(applicationsLock);
  await tx.query(applicationRolesLock, [name]);
}

export const readAudiences = (sql: Sql): Promise<{ readonly name: string; readonly audience: string }[]> =>
  sql.query(audiencesRead);

/** The application of every permission; null for the installation's own. */
export const readPermissionOwners = (
  sql: Sql,
): Promise<{ readonly name: string; readonly application: string | null }[]> => sql.query(ownersRead);

export const insertApplication = (tx: Sql, { application, audience }: Declaration): Promise<unknown> =>
  tx.query(applicationInsert, [application, audience]);

export const removeApplication = (tx: Sql, name: string): Promise<unknown> => tx.query(applicationDelete, [name]);

export async function addApplicationPermissions(tx: Sql, name: string, permissions: readonly string[]): Promise<void> {
  if (permissions.length > 0) await tx.query(permissionsInsert, [name, permissions]);
}

/** @param scopes the words of every permission of the application that has any */
export const putScopeWords = (tx: Sql, name: string, scopes: Declaration['scopes']): Promise<unknown> =>
  tx.query(scopeWordsPut, [name, JSON.stringify(scopes)]);

export async function removeApplicationPermissions(
  tx: Sql,
  name: string,
  permissions: readonly string[],
): Promise<void> {
  if (permissions.length === 0) return;
  await tx.query(permissionsWithdraw, [permissions]);
  await tx.query(permissionsDelete, [name, permissions]);
}

/** All types of the application, in place of those that it had. */
export async function putDetailTypes(
  tx: Sql,
  name: string,
  types: ApplicationView['authorization_details'],
): Promise<void> {
  await tx.query(detailTypesDelete, [name]);
  await tx.query(detailTypesInsert, [name, JSON.stringify(types)]);
}

export const readDetailTypeOwners = (sql: Sql): Promise<{ readonly type: string; readonly application: string }[]> =>
  sql.query(detailTypeOwnersRead);

/** @param roles whole names */
export async function addApplicationRoles(tx: Sql, name: string, roles: readonly string[]): Promise<void> {
  if (roles.length > 0) await tx.query(rolesInsert, [name, roles]);
}

export async function removeApplicationRoles(tx: Sql, name: string, roles: readonly string[]): Promise<void> {
  if (roles.length > 0) await tx.query(rolesDelete, [name, roles]);
}

/** Those of these roles that a user has. */
export const readHeldRoles = async (sql: Sql, roles: readonly string[]): Promise<string[]> =>
  (await sql.query<{ name: string }>(heldRolesRead, [roles])).map(({ name }) => name);

export const countHolders = async (sql: Sql, roles: readonly string[]): Promise<number> =>
  (await sql.query<{ count: number }>(holdersCount, [roles]))[0]?.count as number;
