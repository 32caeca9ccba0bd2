import { expect, test } from 'vitest';
import { secondFactorRolesOf } from './identity.ts';

const rolesOf = (profile: string, secondFactorRoles?: string): readonly string[] =>
  secondFactorRolesOf({ identity: { secondFactorRoles }, server: { profile } });

test('the admin role requires a second factor under production unless the setting lists other roles', () => {
  expect(rolesOf('production')).toEqual(['admin']);
  expect(rolesOf('staging')).toEqual([]);
  expect(rolesOf('development', ' admin, auditor,')).toEqual(['admin', 'auditor']);
  expect(rolesOf('production', 'none')).toEqual([]);
});
