import type { Endpoint } from '#services/platform/define/endpoint.ts';
import type { Permission } from '#services/platform/define/permissions.ts';
import { page, table } from './pages.ts';

const usesOf = (name: string, endpoints: readonly Endpoint[]): readonly string[] =>
  endpoints.flatMap(({ operation, auth }) => {
    if (auth === 'public') return [];
    if (auth.permission === name) return [`\`${operation}\``];
    return typeof auth.subject === 'object' && auth.subject.others === name ? [`\`${operation}\` for another’s`] : [];
  });

/** Every permission of the installation, its roles, and the operations that require it. */
export const permissionsPage = (
  modules: readonly { readonly name: string; readonly permissions: readonly Permission[] }[],
  endpoints: readonly Endpoint[],
): string =>
  page(
    'Permissions',
    'What users, clients, agents and API keys may do in an installation. A role is a set of permissions; the roles below have the permission in a new installation, and administrators change them with `PUT /v1/admin/roles/{role}/permissions`. A start adds the permissions that a new release declares and gives them to these roles. Applications [declare permissions of their own](../how-to/declare-permissions.md). [Who may use each operation](authority.md) lists the other conditions.',
    table(
      ['permission', 'meaning', 'roles', 'module', 'required by'],
      modules
        .flatMap(({ name: module, permissions }) => permissions.map((permission) => ({ module, ...permission })))
        .sort((one, other) => (one.name < other.name ? -1 : 1))
        .map(({ module, name, description, roles }) => [
          `\`${name}\``,
          description,
          roles.join(', '),
          module,
          usesOf(name, endpoints).join(' '),
        ]),
    ),
  );
