import { operation } from '../shared/operation.ts';
import { createRole, deleteRole, listRoles, readRole, setRolePermissions } from './manage-roles.ts';
import {
  createRoleEndpoint,
  deleteRoleEndpoint,
  listRolesEndpoint,
  type RoleView,
  readRoleEndpoint,
  setRolePermissionsEndpoint,
} from './roles-contract.ts';

const line = (role: RoleView): string =>
  [role.name.padEnd(16), role.built_in ? 'built in' : '        ', role.permissions.join(',') || 'nothing'].join('  ');
const lines = (role: RoleView): string[] => [line(role)];

export const roleOperations = [
  operation(listRolesEndpoint, listRoles, {
    verb: 'roles list',
    help: 'list roles by name, with their permissions',
    options: { permission: { flags: '--permission <name>', help: 'only roles with this permission' } },
    line,
  }),
  operation(readRoleEndpoint, readRole),
  operation(createRoleEndpoint, createRole, {
    verb: 'roles create <name> [permissions...]',
    help: 'create a role',
    options: {
      description: { help: 'what the role is for (required; asked for on a terminal)', asks: 'What is the role for?' },
    },
    asks: ({ name }) => `create the role ${name}`,
    lines,
  }),
  operation(setRolePermissionsEndpoint, setRolePermissions, {
    verb: 'roles set <name> [permissions...]',
    arguments: { name: 'role' },
    help: 'set the permissions of a role; removing one revokes the tokens of its users',
    asks: ({ role, permissions }) => `let ${role} do ${permissions.join(', ') || 'nothing'}`,
    lines,
  }),
  operation(deleteRoleEndpoint, deleteRole, {
    verb: 'roles delete <name>',
    arguments: { name: 'role' },
    help: 'delete an unassigned role',
    asks: ({ role }) => `delete the role ${role}`,
  }),
];
