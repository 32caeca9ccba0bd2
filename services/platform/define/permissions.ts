/**
 * The form of the installation's permissions: `resource:verb`. Those of shared signals have the names of their scopes in the
 * CAEP interoperability profile 1.0 §2.7.2.
 */
export const PERMISSION_NAME = /^([a-z][a-z_]*:[a-z][a-z_]*|ssf\.[a-z]+)$/;

export type Permission = {
  /** As tokens and API keys carry it, of the form `PERMISSION_NAME`. */
  readonly name: string;
  readonly description: string;
  /** Roles that have it when it is new to an installation; `admin` alone by default. Administrators may change that. */
  readonly roles: readonly string[];
};

/** Declares a permission: `definePermission({ name: 'keys:manage', description: 'Rotate the signing key' })`. */
export const definePermission = (declared: Omit<Permission, 'roles'> & Partial<Permission>): Permission => ({
  roles: ['admin'],
  ...declared,
});
