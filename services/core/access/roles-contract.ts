import { z } from 'zod';
import { component } from '#services/platform/define/component-names.ts';
import { endpointsOf } from '#services/platform/define/endpoint.ts';
import { PERMISSION_NAME } from '#services/platform/define/permissions.ts';
import { rightsExceeded } from '../authority/errors.ts';
import { anyRoleName, manages, pageQuery, reads, reason, roleName, text } from './admin-shapes.ts';
import { permissionUnknown, roleDeclared, roleExists, roleHeld, roleProtected, roleUnknown } from './errors.ts';
import { rolesManage, rolesRead } from './permissions.ts';

const defineEndpoint = endpointsOf('Roles');
const permission = z.string().max(64).regex(PERMISSION_NAME);
const permissions = z.array(permission).max(100);

const roleShape = component('Role', {
  name: z.string(),
  description: z.string(),
  permissions: z.array(z.string()),
  /** Can be neither changed nor deleted. */
  built_in: z.boolean(),
});
export type RoleView = z.output<typeof roleShape>;

const byRole = z.strictObject({ role: anyRoleName });

export const listRolesEndpoint = defineEndpoint({
  path: '/v1/admin/roles',
  operation: 'listRoles',
  summary: 'List roles with their permissions',
  auth: reads(rolesRead),
  query: z.strictObject({ ...pageQuery, permission: permission.optional() }),
  responses: { 200: z.object({ roles: z.array(roleShape), next: z.string().nullable() }) },
});

export const readRoleEndpoint = defineEndpoint({
  path: '/v1/admin/roles/{role}',
  operation: 'readRole',
  summary: 'Get a role with its permissions',
  auth: reads(rolesRead),
  params: byRole,
  responses: { 200: roleShape },
  errors: [roleUnknown],
});

export const createRoleEndpoint = defineEndpoint({
  method: 'POST',
  path: '/v1/admin/roles',
  operation: 'createRole',
  summary: "Create a role limited to the caller's own permissions",
  auth: manages(rolesManage),
  idempotency: 'answer',
  body: z.strictObject({ name: roleName, description: text(256), permissions, reason }),
  responses: { 201: roleShape },
  errors: [permissionUnknown, rightsExceeded, roleExists],
});

export const setRolePermissionsEndpoint = defineEndpoint({
  method: 'PUT',
  path: '/v1/admin/roles/{role}/permissions',
  operation: 'setRolePermissions',
  summary: 'Set the permissions of a role; removing one revokes the tokens of users with the role',
  auth: manages(rolesManage),
  params: byRole,
  ifMatch: readRoleEndpoint,
  idempotency: 'answer',
  body: z.strictObject({ permissions, reason }),
  responses: { 200: roleShape },
  errors: [permissionUnknown, rightsExceeded, roleUnknown, roleProtected, roleDeclared],
});

export const deleteRoleEndpoint = defineEndpoint({
  method: 'DELETE',
  path: '/v1/admin/roles/{role}',
  operation: 'deleteRole',
  summary: 'Delete a role that no user has',
  auth: manages(rolesManage),
  params: byRole,
  ifMatch: readRoleEndpoint,
  query: z.strictObject({ reason }),
  responses: { 204: null },
  errors: [roleUnknown, roleProtected, roleDeclared, roleHeld],
});
