import type { HasAccess } from '../access/access-directory.ts';
import { permissionsAmong, permissionsAt, rightsAt } from '../access/application-rights.ts';
import { assertHolds, permissionsOf, userOf } from '../authority/callers.ts';
import type { Caller, Ports, Sql } from '../ports.ts';
import { type KeyOwner, readOwnerRoles } from './api-keys.store.ts';
import type { LiveOwnedKey } from './live-key.ts';

/** The key's permissions that its owner has now, at an audience of the installation or of an application. */
export function keyPermissionsAt(ports: HasAccess, { key, client }: LiveOwnedKey, audience: string): string[] {
  const declared = permissionsAt(ports, audience);
  const owned =
    client === null
      ? rightsAt(ports, audience, key.roles).permissions
      : new Set(client.credential_scopes.filter((scope) => declared.has(scope)));
  return key.permissions.filter((permission) => owned.has(permission));
}

/** The permissions of applications that the calling owner has: by the roles of a user, or by the scopes of a client. */
async function applicationRights(
  tx: Sql,
  ports: HasAccess,
  owner: KeyOwner,
  caller: Caller,
): Promise<(permission: string) => boolean> {
  const { access } = ports;
  const applications = access.applications();
  const of = (permission: string) => applications.find(({ permissions }) => permissions.has(permission));
  const user = userOf(caller);
  if (user === null) {
    const scopes = new Set(permissionsAmong(ports, access.client(owner.id)?.credential_scopes ?? []));
    return (permission) => of(permission) !== undefined && scopes.has(permission);
  }
  const roles = access.rolesAt(await readOwnerRoles(tx, owner.id), user.acr);
  return (permission) => {
    const application = of(permission);
    return application !== undefined && rightsAt(ports, application.audience, roles).permissions.has(permission);
  };
}

/**
 * A key can have only permissions that its owner has: in the installation the caller's, in applications those of the
 * owner's roles or scopes. Throws `rights_exceeded` (403).
 */
export async function assertMayCarry(
  tx: Sql,
  ports: HasAccess,
  owner: KeyOwner,
  permissions: readonly string[],
  caller: Caller,
): Promise<void> {
  const hasInApplication = await applicationRights(tx, ports, owner, caller);
  assertHolds(
    caller,
    permissions.filter((permission) => !hasInApplication(permission)),
  );
}

/** What a key of this user may have now, by name: the permissions that `assertMayCarry` accepts. */
export async function carriablePermissions(
  { sql, access }: Pick<Ports, 'sql'> & HasAccess,
  caller: Caller,
): Promise<readonly string[]> {
  const user = userOf(caller);
  if (user === null) return [];
  const hasInApplication = await applicationRights(sql, { access }, { kind: 'user', id: user.userId }, caller);
  const ofApplications = access.applications().flatMap(({ permissions }) => [...permissions]);
  return [...new Set([...permissionsOf(caller), ...ofApplications.filter(hasInApplication)])].sort();
}
