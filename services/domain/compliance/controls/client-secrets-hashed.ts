import { defineMachineControl, type Observation } from '../control.ts';
import { readUnhashedSecretsTally } from '../probes/access.store.ts';
import { observeTally } from '../probes/tally.ts';

export const clientSecretsHashed = defineMachineControl({
  name: 'client-secrets-hashed',
  title: 'Client secrets are stored as hashes',
  clause: '164.308(a)(5)(ii)(D)',
  profile: 'current',
  requirement: 'addressable',
  population: 'clients with a secret',
  probe: 'Compares the form of every stored client secret, and of every previous one, with that of a SHA-256 digest',
  probeVersion: 1,
  evidence: 'Number of clients with a secret, and ids of those stored in clear',
  pace: 'frequent',
  threat: 'A stolen database gives access as a client',
  humanDuty: 'Store client secrets safely where the clients run.',
  check: async ({ sql }): Promise<Observation> =>
    observeTally(await readUnhashedSecretsTally(sql), 'the client secret is not hashed'),
});
