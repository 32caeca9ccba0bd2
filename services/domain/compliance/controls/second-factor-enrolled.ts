import { defineMachineControl, type Observation } from '../control.ts';
import { readUnenrolledTally } from '../probes/access.store.ts';
import { observeTally } from '../probes/tally.ts';

export const secondFactorEnrolled = defineMachineControl({
  name: 'second-factor-enrolled',
  title: 'Every user who manages others has a second factor',
  clause: '164.312(f)(2)(ii)',
  profile: 'proposed',
  requirement: 'required',
  population: 'enabled users with a permission to manage',
  probe: 'Finds users with a permission to manage who have neither an authenticator app nor a passkey',
  probeVersion: 1,
  evidence: 'Number of such users, and ids of those without a second factor',
  pace: 'frequent',
  threat: 'A stolen password gives administration of the installation',
  humanDuty: 'Hand out authenticators, and prove identity before a factor is reset.',
  check: async ({ sql }): Promise<Observation> =>
    observeTally(await readUnenrolledTally(sql), 'the user has no second factor'),
});
