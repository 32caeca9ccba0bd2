import { defineMachineControl, type Observation } from '../control.ts';
import { readOpenRolesTally } from '../probes/access.store.ts';
import { observeTally } from '../probes/tally.ts';

export const openRolesWithoutPermissions = defineMachineControl({
  name: 'open-roles-without-permissions',
  title: 'The roles of every account and of every agent give no permission over others',
  clause: '164.308(a)(4)(ii)(C)',
  profile: 'current',
  requirement: 'addressable',
  population: 'the roles user and agent',
  probe: 'Reads the permissions of the roles that accounts get without a decision',
  probeVersion: 1,
  evidence: 'Roles that have a permission',
  pace: 'frequent',
  threat: 'Every account can read what belongs to others',
  humanDuty: 'Approve which role has which permission, and who has which role.',
  check: async ({ sql }): Promise<Observation> =>
    observeTally(await readOpenRolesTally(sql), 'a role of every account has a permission'),
});
