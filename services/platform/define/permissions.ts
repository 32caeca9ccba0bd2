/** A permission of the installation. */
export type Permission = {
  /** `resource:verb`, as tokens and API keys carry it. */
  readonly name: string;
  readonly description: string;
  /** Roles that have it when it is new to an installation. Administrators may change that. */
  readonly roles: readonly string[];
};

/** Declares a permission: `definePermission({ name: 'keys:read', description: 'Read the key ring', roles: ['admin'] })`. */
export function definePermission(permission: Permission): Permission {
  return permission;
}
