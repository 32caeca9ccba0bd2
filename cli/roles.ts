import type { Command } from 'commander';
import { createRole, deleteRole, listRoles, setRolePermissions } from '../services/domain/access/manage-roles.ts';
import {
  createRoleEndpoint,
  type RoleView,
  setRolePermissionsEndpoint,
} from '../services/domain/access/roles-contract.ts';
import {
  type ActOptions,
  actAsked,
  addPage,
  addReason,
  type ListOptions,
  listPage,
  noNotices,
  onDatabase,
  pageOf,
} from './admin.ts';
import { checked } from './arguments.ts';
import { ask } from './confirm.ts';
import { systemCaller } from './database-ports.ts';

const caller = systemCaller('sallyport roles');

const line = (role: RoleView): string =>
  [role.name.padEnd(16), role.built_in ? 'built in' : '        ', role.permissions.join(',') || 'nothing'].join('  ');

/** `sallyport roles list|create|set|delete`, directly on the database. */
export function registerRoles(program: Command): void {
  const roles = program.command('roles');
  addPage(roles.command('list'))
    .description('list roles by name, with their permissions')
    .option('--permission <name>', 'only roles with this permission')
    .action((_own, command: Command) =>
      onDatabase<ListOptions & { readonly permission?: string }>(command, async (ports, output, options) => {
        const found = await listRoles(ports, { permission: options.permission, ...pageOf(options) });
        listPage(output, 'roles', found, line);
      }),
    );
  addReason(roles.command('create'))
    .description('create a role')
    .argument('<name>')
    .argument('[permissions...]')
    .option('--description <text>', 'what the role is for (required; asked for on a terminal)')
    .usage('[options] <name> [permissions...] --description <text> --reason <text>')
    .action((name: string, permissions: string[], _own, command: Command) =>
      onDatabase<ActOptions & { description?: string }>(command, async (ports, output, options) => {
        const { reason } = options;
        const description = options.description ?? (await ask('What is the role for?', '--description'));
        const input = checked(createRoleEndpoint, { name, description, permissions, reason });
        const act = () => createRole({ ...ports, ...noNotices }, input, caller);
        await actAsked(output, options, `create the role ${name}`, act, (role) => [line(role)]);
      }),
    );
  addReason(roles.command('set'))
    .description('set the permissions of a role; removing one revokes the tokens of its users')
    .argument('<name>')
    .argument('[permissions...]')
    .action((name: string, permissions: string[], _own, command: Command) =>
      onDatabase<ActOptions>(command, async (ports, output, options) => {
        const input = checked(setRolePermissionsEndpoint, { permissions, reason: options.reason });
        const act = () => setRolePermissions({ ...ports, ...noNotices }, { name, ...input }, caller);
        await actAsked(output, options, `let ${name} do ${permissions.join(', ') || 'nothing'}`, act, (role) => [
          line(role),
        ]);
      }),
    );
  addReason(roles.command('delete'))
    .description('delete an unassigned role')
    .argument('<name>')
    .action((name: string, _own, command: Command) =>
      onDatabase<ActOptions>(command, async (ports, output, options) => {
        const act = async () => {
          await deleteRole({ ...ports, ...noNotices }, { name, reason: options.reason }, caller);
          return { deleted: name };
        };
        await actAsked(output, options, `delete the role ${name}`, act, ({ deleted }) => [`${deleted}  deleted`]);
      }),
    );
}
