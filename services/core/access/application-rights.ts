import type { DetailType } from './authorization-detail-shapes.ts';
import { applicationsManage } from './permissions.ts';
import type { ScopeWords } from './scope-words.ts';

/**
 * Which rights belong to the installation and which to an application. A token carries the rights of its audience: those
 * that an application declared if the audience is the application's, and those of the installation otherwise.
 */

export type Application = {
  readonly name: string;
  /** `aud` of the tokens that carry its permissions. */
  readonly audience: string;
  readonly permissions: ReadonlySet<string>;
  /** The permissions of each of its roles, by the whole name of the role (`notes.editor`). */
  readonly roles: ReadonlyMap<string, readonly string[]>;
  /** What its permissions allow as scopes, in words. */
  readonly scopes: ReadonlyMap<string, ScopeWords>;
  /** Its types of authorization details (RFC 9396). */
  readonly detailTypes: ReadonlyMap<string, DetailType>;
};

/** The parts of the access directory that decide. */
type HasRights = {
  readonly access: {
    permissions(): ReadonlySet<string>;
    permissionsOf(roles: readonly string[]): ReadonlySet<string>;
    application(audience: string): Application | undefined;
    applications(): readonly Application[];
  };
};

/** A caller needs this to hand on permissions of applications, which are no permissions of the caller's own. */
const APPLICATIONS_MANAGE = applicationsManage.name;

/** The dot is in no name of the installation's own roles. */
export const isApplicationRole = (role: string): boolean => role.includes('.');
export const applicationRole = (application: string, role: string): string => `${application}.${role}`;

type Rows = {
  readonly applications: readonly {
    readonly name: string;
    readonly audience: string;
    readonly detail_types: Readonly<Record<string, DetailType>>;
  }[];
  readonly permissions: readonly {
    readonly name: string;
    readonly application: string | null;
    readonly words: ScopeWords | null;
  }[];
  readonly byRole: ReadonlyMap<string, readonly string[]>;
};

export const applicationsOf = ({ applications, permissions, byRole }: Rows): Application[] =>
  applications.map(({ name, audience, detail_types: detailTypes }) => ({
    name,
    audience,
    permissions: new Set(permissions.filter(({ application }) => application === name).map((each) => each.name)),
    roles: new Map([...byRole].filter(([role]) => role.startsWith(applicationRole(name, '')))),
    scopes: new Map(
      permissions.flatMap((each) =>
        each.application === name && each.words ? [[each.name, each.words] as const] : [],
      ),
    ),
    detailTypes: new Map(Object.entries(detailTypes)),
  }));

export type Rights = { readonly roles: readonly string[]; readonly permissions: ReadonlySet<string> };

/** The roles, of these, that a token with this audience names, and their permissions. */
export function rightsAt({ access }: HasRights, audience: string, roles: readonly string[]): Rights {
  const application = access.application(audience);
  if (application === undefined) {
    const own = roles.filter((role) => !isApplicationRole(role));
    return { roles: own, permissions: access.permissionsOf(own) };
  }
  const own = roles.filter((role) => role.startsWith(applicationRole(application.name, '')));
  return { roles: own, permissions: new Set(own.flatMap((role) => application.roles.get(role) ?? [])) };
}

/** Every permission that a token with this audience may carry. */
export const permissionsAt = ({ access }: HasRights, audience: string): ReadonlySet<string> =>
  access.application(audience)?.permissions ?? access.permissions();

/** Whether both audiences are of the same application, or neither of one: then what one token carries, the other may. */
export const hasSameRights = ({ access }: HasRights, audience: string, other: string): boolean =>
  access.application(audience) === access.application(other);

/** The permissions of applications that these roles give, whatever the audience. */
export const applicationPermissionsOf = ({ access }: HasRights, roles: readonly string[]): ReadonlySet<string> =>
  new Set(access.applications().flatMap(({ roles: declared }) => roles.flatMap((role) => declared.get(role) ?? [])));

const isOfApplication = ({ access }: HasRights, scope: string): boolean =>
  access.applications().some(({ permissions }) => permissions.has(scope));

/** Those of these scopes that name permissions, of the installation or of an application. */
export const permissionsAmong = (ports: HasRights, scopes: readonly string[]): string[] =>
  scopes.filter((scope) => ports.access.permissions().has(scope) || isOfApplication(ports, scope));

export const scopeWordsOf = ({ access }: HasRights, scopes: readonly string[]): ReadonlyMap<string, ScopeWords> =>
  new Map(access.applications().flatMap(({ scopes: named }) => [...named].filter(([scope]) => scopes.includes(scope))));

/** The form of every permission of an application. */
export const PERMISSION = /^[a-z][a-z_]*:[a-z][a-z_]*$/;

/**
 * What a caller must hold to hand on these scopes: each of the installation's permissions among them, and for those of
 * applications the permission to manage applications. The same for a scope that an application may declare later: the
 * client would then have a permission that no administrator granted.
 */
export const heldToHandOn = ({ access }: HasRights, scopes: readonly string[]): string[] => {
  const own = access.permissions();
  const handedOn = scopes.filter((scope) => own.has(scope) || PERMISSION.test(scope));
  return [...new Set(handedOn.map((scope) => (own.has(scope) ? scope : APPLICATIONS_MANAGE)))];
};

/** The same for roles, of which `permissions` are the installation's. */
export const heldToGrant = (roles: readonly string[], permissions: readonly string[]): string[] => [
  ...permissions,
  ...(roles.some(isApplicationRole) ? [APPLICATIONS_MANAGE] : []),
];
