import { defineMachineControl, type Observation } from '../control.ts';
import { readWeakDigestsTally } from '../probes/access.store.ts';
import { observeTally } from '../probes/tally.ts';

export const passwordsHashed = defineMachineControl({
  name: 'passwords-hashed',
  title: 'Every password is stored as a hash of the required cost',
  clause: '164.308(a)(5)(ii)(D)',
  profile: 'current',
  requirement: 'addressable',
  population: 'accounts with a password',
  probe: 'Reads the algorithm and cost of every stored digest: bcrypt from 12, Argon2id from 19 MiB and two passes',
  probeVersion: 1,
  evidence: 'Number of passwords, and ids of users whose digest is weaker',
  pace: 'thorough',
  threat: 'A stolen database gives passwords',
  humanDuty: 'Reset passwords that were imported with weak hashes and never used since.',
  check: async ({ sql }): Promise<Observation> =>
    observeTally(await readWeakDigestsTally(sql), 'the stored digest is weaker than required'),
});
