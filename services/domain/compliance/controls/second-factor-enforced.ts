import { createAccessDirectory } from '#services/domain/access/access-directory.ts';
import { secondFactorRolesOf } from '#services/platform/config/identity.ts';
import { defineMachineControl, type Observation } from '../control.ts';
import { readPrivilegedRoles } from '../probes/access.store.ts';

export const secondFactorEnforced = defineMachineControl({
  name: 'second-factor-enforced',
  title: 'Roles that manage others have no effect after a sign-in with one factor',
  clause: '164.312(d)',
  profile: 'current',
  requirement: 'required',
  population: 'roles with a permission to manage',
  probe: 'Asks the rule of the API which roles count after a sign-in with one factor',
  probeVersion: 1,
  evidence: 'Privileged roles, roles that require two factors, and privileged roles that one factor gives',
  pace: 'frequent',
  threat: 'A stolen password gives administration of the installation',
  humanDuty: 'Decide which roles require two factors (MFA_REQUIRED_ROLES).',
  check: async ({ sql, clock, config }): Promise<Observation> => {
    const secondFactorRoles = secondFactorRolesOf(config);
    const access = createAccessDirectory({ sql, clock }, { secondFactorRoles });
    await access.load();
    const privileged = await readPrivilegedRoles(sql);
    const given = access.rolesAt(privileged, 'aal1');
    return {
      population: privileged.length,
      exceptions: given.map((role) => ({ resource: role, why: 'one factor gives a role that manages others' })),
      observed: { privileged, second_factor_roles: [...secondFactorRoles], given_by_one_factor: [...given] },
    };
  },
});
