import { defineStatement } from '#services/platform/define/statement.ts';
import type { Sql } from '../ports.ts';

/**
 * Adds permissions that are new and corrects descriptions; one that an application declared under the same name stays
 * as it is. By the primary key, in the order of the names, so that two starts do not deadlock.
 */
const permissionsDeclare = defineStatement('permissionsDeclare')`
  WITH wanted AS (SELECT * FROM unnest($1::text[], $2::text[]) wanted(name, description) ORDER BY name),
  added AS (INSERT INTO permissions (name, description) SELECT name, description FROM wanted ON CONFLICT (name) DO NOTHING
    RETURNING name),
  corrected AS (UPDATE permissions p SET description = w.description FROM wanted w
    WHERE p.name = w.name AND p.application IS NULL AND p.description <> w.description RETURNING p.name)
  SELECT name, 'added' AS change FROM added UNION ALL SELECT name, 'corrected' FROM corrected
  UNION ALL SELECT p.name, 'taken' FROM permissions p JOIN wanted USING (name) WHERE p.application IS NOT NULL`;
/** A role that an administrator deleted gets nothing. One statement, so that each role is one event. */
const rolesGiven = defineStatement('newPermissionsGive')`
  INSERT INTO role_permissions (role, permission)
  SELECT role, permission FROM unnest($1::text[], $2::text[]) given(role, permission)
  WHERE EXISTS (SELECT FROM roles WHERE name = role AND application IS NULL) ON CONFLICT DO NOTHING`;

export type PermissionChange = { readonly name: string; readonly change: 'added' | 'corrected' | 'taken' };

export const declarePermissions = (
  tx: Sql,
  permissions: readonly { readonly name: string; readonly description: string }[],
): Promise<PermissionChange[]> =>
  tx.query<PermissionChange>(permissionsDeclare, [
    permissions.map(({ name }) => name),
    permissions.map(({ description }) => description),
  ]);

export async function givePermissions(
  tx: Sql,
  given: readonly { readonly role: string; readonly permission: string }[],
): Promise<void> {
  if (given.length > 0)
    await tx.query(rolesGiven, [given.map(({ role }) => role), given.map(({ permission }) => permission)]);
}
