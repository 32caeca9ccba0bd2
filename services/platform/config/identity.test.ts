import { expect, test } from 'vitest';
import { secondFactorRolesOf } from './identity.ts';

const rolesOf = (profile: string, secondFactorRoles?: string): readonly string[] =>
  secondFactorRolesOf({ identity: { secondFactorRoles }, server: { profile } });

test('the admin role asks for a second factor under production unless another list is given', () => {
  expect(rolesOf('production')).toEqual(['admin']);
  expect(rolesOf('staging')).toEqual([]);
  expect(rolesOf('development', ' admin, auditor,')).toEqual(['admin', 'auditor']);
  expect(rolesOf('production', 'none')).toEqual([]);
});
