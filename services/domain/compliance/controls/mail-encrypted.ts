import { defineMachineControl, type Observation } from '../control.ts';
import { readSealedContentTally } from '../probes/custody.store.ts';
import { observeTally } from '../probes/tally.ts';

export const mailEncrypted = defineMachineControl({
  name: 'mail-encrypted',
  title: 'Queued mail and pending sign-ups are ciphertext in the database',
  clause: '164.312(a)(2)(iv)',
  profile: 'current',
  requirement: 'addressable',
  population: 'queued mails, and codes that carry a name',
  probe: 'Reads the raw columns and compares every value with the form of ciphertext',
  probeVersion: 1,
  evidence: 'Number of values, and ids of rows in clear',
  pace: 'frequent',
  threat: 'A stolen database gives names and addresses of waiting mail',
  humanDuty:
    'Encrypt the disks of PostgreSQL: e-mail addresses of accounts are stored in clear, since users sign in with them.',
  check: async ({ sql }): Promise<Observation> =>
    observeTally(await readSealedContentTally(sql), 'the value is stored in clear'),
});
