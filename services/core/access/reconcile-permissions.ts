import type { Permission } from '#services/platform/define/permissions.ts';
import { setAuditContext } from '../audit/audit-context.ts';
import type { Caller, Ports } from '../ports.ts';
import { declarePermissions, givePermissions, type PermissionChange } from './permissions.store.ts';

/**
 * What every start does: adds the permissions that this release declares and the database lacks, gives each new one to
 * its roles, and corrects descriptions. Roles of known permissions are the administrators' and stay. A permission that
 * this release does not declare stays: another release may run. Safe to repeat and to run concurrently.
 * @returns what changed, and the names that an application has already declared
 */
export async function reconcilePermissions(
  { transact }: Pick<Ports, 'transact'>,
  permissions: readonly Permission[],
  caller: Caller,
): Promise<PermissionChange[]> {
  return transact(async (tx) => {
    await setAuditContext(tx, caller, 'declared by this release');
    const changes = await declarePermissions(tx, permissions);
    const added = new Set(changes.flatMap(({ name, change }) => (change === 'added' ? [name] : [])));
    const given = permissions
      .filter(({ name }) => added.has(name))
      .flatMap(({ name, roles }) => roles.map((role) => ({ role, permission: name })));
    await givePermissions(tx, given);
    return changes;
  });
}
