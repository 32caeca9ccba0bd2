import { defineAttestation } from '../control.ts';

export const restoreDrill = defineAttestation({
  name: 'restore-drill',
  title: 'Restoring a backup is rehearsed',
  clause: '164.308(a)(7)(ii)(D)',
  profile: 'current',
  requirement: 'addressable',
  statement:
    'We restored a backup of this installation on other machines, compared row counts and the root of the audit log, and recorded the time it took.',
  validDays: 183,
  humanDuty: 'Rehearse a restore (see Operate).',
});
