import { setAuditContext } from '../audit/audit-context.ts';
import { assertHolds } from '../authority/callers.ts';
import type { Caller, Ports, Tx } from '../ports.ts';
import { PLACE, pageOf, placeOfCursor } from '../shared/pagination.ts';
import type { HasAccessChanged } from './access-changed.ts';
import { isApplicationRole } from './application-rights.ts';
import { permissionUnknown, roleDeclared, roleExists, roleHeld, roleProtected, roleUnknown } from './errors.ts';
import {
  addPermissions,
  insertRole,
  lockRole,
  type RoleRow,
  readRolesPage,
  readRole as readRow,
  removePermissions,
  removeRole,
  unknownPermissions,
} from './roles.store.ts';
import type { RoleView } from './roles-contract.ts';

/** `admin` has every permission; every user has `user`. */
const BUILT_IN: ReadonlySet<string> = new Set(['admin', 'user']);

type RolePorts = Pick<Ports, 'transact'> & HasAccessChanged;

const roleView = (row: RoleRow): RoleView => ({
  ...row,
  permissions: [...row.permissions],
  built_in: BUILT_IN.has(row.name),
});

/** Lists roles by name, one page at a time. Throws `cursor_invalid` (400). */
export async function listRoles(
  { sql }: Pick<Ports, 'sql'>,
  input: { readonly permission?: string | undefined; readonly limit: number; readonly cursor?: string | undefined },
): Promise<{ readonly roles: RoleView[]; readonly next: string | null }> {
  const [after = ''] = placeOfCursor(input.cursor, [PLACE.id]) ?? [];
  const rows = await readRolesPage(sql, input.permission, after, input.limit + 1);
  const { items, next } = pageOf(rows, input.limit, ({ name }) => [name]);
  return { roles: items.map(roleView), next };
}

/** Throws `role_unknown` (404). */
export async function readRole(
  { sql, isLocking }: Pick<Ports, 'sql'> & { readonly isLocking?: true },
  { role }: { readonly role: string },
): Promise<RoleView> {
  const row = await (isLocking ? lockRole : readRow)(sql, role);
  if (row === undefined) throw roleUnknown();
  return roleView(row);
}

async function assertKnown(tx: Tx, permissions: readonly string[]): Promise<void> {
  const [unknown] = await unknownPermissions(tx, permissions);
  if (unknown !== undefined) throw permissionUnknown({ detail: `Unknown permission ${unknown}.` });
}

function lockChangeable(sql: Tx, role: string): Promise<RoleView> {
  if (BUILT_IN.has(role)) throw roleProtected();
  if (isApplicationRole(role)) throw roleDeclared();
  return readRole({ sql, isLocking: true }, { role });
}

/**
 * Creates a role limited to the caller's own permissions. Throws `permission_unknown` (400), `rights_exceeded` (403),
 * `role_exists` (409).
 */
export async function createRole(
  ports: RolePorts,
  input: {
    readonly name: string;
    readonly description: string;
    readonly permissions: readonly string[];
    readonly reason: string;
  },
  caller: Caller,
): Promise<RoleView> {
  const permissions = [...new Set(input.permissions)].sort();
  await ports.transact(async (tx) => {
    await setAuditContext(tx, caller, input.reason);
    await assertKnown(tx, permissions);
    assertHolds(caller, permissions);
    if (!(await insertRole(tx, input.name, input.description))) throw roleExists();
    await addPermissions(tx, input.name, permissions);
    tx.afterCommit(ports.accessChanged);
  });
  return roleView({ name: input.name, description: input.description, permissions });
}

/**
 * Sets the permissions of a role. Removing one ends the tokens and token families of users with the role; an added one
 * takes effect with their next token. Throws `permission_unknown` (400), `rights_exceeded` (403) if the caller lacks an
 * added or removed permission, `role_unknown` (404), `role_protected`, `role_declared` (409).
 */
export async function setRolePermissions(
  ports: RolePorts,
  input: { readonly role: string; readonly permissions: readonly string[]; readonly reason: string },
  caller: Caller,
): Promise<RoleView> {
  const wanted = new Set(input.permissions);
  const before = await ports.transact(async (tx) => {
    await setAuditContext(tx, caller, input.reason, 'rights_removed');
    const current = await lockChangeable(tx, input.role);
    const added = [...wanted].filter((permission) => !current.permissions.includes(permission));
    await assertKnown(tx, added);
    const removed = current.permissions.filter((permission) => !wanted.has(permission));
    assertHolds(caller, [...added, ...removed]);
    await removePermissions(tx, input.role, removed);
    await addPermissions(tx, input.role, added);
    tx.afterCommit(ports.accessChanged);
    return current;
  });
  return { ...before, permissions: [...wanted].sort() };
}

/** Deletes a role that no user has. Throws `role_unknown` (404), `role_protected`, `role_declared`, `role_held` (409). */
export async function deleteRole(
  ports: RolePorts,
  input: { readonly role: string; readonly reason: string },
  caller: Caller,
): Promise<void> {
  await ports.transact(async (tx) => {
    await setAuditContext(tx, caller, input.reason);
    await lockChangeable(tx, input.role);
    if (!(await removeRole(tx, input.role))) throw roleHeld();
    tx.afterCommit(ports.accessChanged);
  });
}
