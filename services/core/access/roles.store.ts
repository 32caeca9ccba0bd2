import { defineStatement } from '#services/platform/define/statement.ts';
import type { Sql } from '../ports.ts';
import { defineFinder } from '../shared/finder.store.ts';
import { rolesRead } from './permissions.ts';

export type RoleRow = { readonly name: string; readonly description: string; readonly permissions: readonly string[] };

const WITH_PERMISSIONS = `SELECT r.name, r.description,
    ARRAY(SELECT p.permission FROM role_permissions p WHERE p.role = r.name ORDER BY p.permission) AS permissions
  FROM roles r`;

/** Both use the primary keys. */
const rolesPage = defineStatement('rolesPage')`
  ${WITH_PERMISSIONS} WHERE r.name > $1
    AND ($3::text IS NULL OR EXISTS (SELECT FROM role_permissions WHERE role = r.name AND permission = $3))
  ORDER BY r.name LIMIT $2`;
const roleRead = defineStatement('roleRead', `${WITH_PERMISSIONS} WHERE r.name = $1`);
/** Blocks other changes of the role, and grants of it, until commit. */
const roleLock = defineStatement('roleLock', 'SELECT name FROM roles WHERE name = $1 FOR UPDATE');
const roleInsert = defineStatement('roleInsert')`
  INSERT INTO roles (name, description) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING name`;
const rolePermissionsInsert = defineStatement('rolePermissionsInsert')`
  INSERT INTO role_permissions (role, permission) SELECT $1, unnest($2::text[]) ON CONFLICT DO NOTHING`;
/** The statement's trigger ends the tokens of users with the role, in id order, and records what was removed. */
const rolePermissionsDelete = defineStatement('rolePermissionsDelete')`
  DELETE FROM role_permissions WHERE role = $1 AND permission = ANY ($2)`;
const roleDelete = defineStatement('roleDelete')`
  DELETE FROM roles WHERE name = $1 AND NOT EXISTS (SELECT FROM user_roles WHERE role = $1) RETURNING name`;
const permissionsUnknown = defineStatement('permissionsUnknown')`
  SELECT asked FROM unnest($1::text[]) AS asked
  WHERE NOT EXISTS (SELECT FROM permissions WHERE name = asked AND application IS NULL)`;

export const readRolesPage = (
  sql: Sql,
  permission: string | undefined,
  after: string,
  limit: number,
): Promise<RoleRow[]> => sql.query<RoleRow>(rolesPage, [after, limit, permission ?? null]);

export const readRole = async (sql: Sql, name: string): Promise<RoleRow | undefined> =>
  (await sql.query<RoleRow>(roleRead, [name]))[0];

/** The role, locked until commit; undefined if it does not exist. */
export async function lockRole(tx: Sql, name: string): Promise<RoleRow | undefined> {
  await tx.query(roleLock, [name]);
  return readRole(tx, name);
}

/** False if the name is already in use. */
export const insertRole = async (tx: Sql, name: string, description: string): Promise<boolean> =>
  (await tx.query(roleInsert, [name, description])).length === 1;

export async function addPermissions(tx: Sql, role: string, permissions: readonly string[]): Promise<void> {
  if (permissions.length > 0) await tx.query(rolePermissionsInsert, [role, permissions]);
}

export async function removePermissions(tx: Sql, role: string, permissions: readonly string[]): Promise<void> {
  if (permissions.length > 0) await tx.query(rolePermissionsDelete, [role, permissions]);
}

/** False if a user has the role. */
export const removeRole = async (tx: Sql, name: string): Promise<boolean> =>
  (await tx.query(roleDelete, [name])).length === 1;

/** The names that are not permissions of the installation. */
export const unknownPermissions = async (sql: Sql, names: readonly string[]): Promise<string[]> =>
  (await sql.query<{ asked: string }>(permissionsUnknown, [names])).map(({ asked }) => asked);

/** Uses the primary key. */
const rightsRead = defineStatement('roleRightsRead')`
  SELECT DISTINCT permission FROM role_permissions WHERE role = ANY ($1) ORDER BY permission`;
/** Blocks `roleLock` of a change or deletion; grants do not wait for each other. */
const roleShare = defineStatement('roleShare', 'SELECT name FROM roles WHERE name = $1 FOR SHARE');

export const rightsOfRoles = async (sql: Sql, roles: readonly string[]): Promise<string[]> =>
  (await sql.query<{ permission: string }>(rightsRead, [roles])).map(({ permission }) => permission);

/** False if the role does not exist. */
export const shareRole = async (tx: Sql, name: string): Promise<boolean> =>
  (await tx.query(roleShare, [name])).length === 1;

/** Scans the roles, which administrators write by hand. */
export const roleFinder = defineFinder({
  kind: 'role',
  permission: rolesRead,
  from: 'roles',
  id: 'name',
  label: 'name',
  detail: 'description',
  parts: ['name'],
});
