import { defineAttestation } from '../control.ts';

export const restorationTime = defineAttestation({
  name: 'restoration-time',
  title: 'Critical systems can be restored within 72 hours',
  clause: '164.308(a)(13)(ii)(B)',
  profile: 'proposed',
  requirement: 'required',
  statement: 'We have procedures to restore this installation within 72 hours, and met that time in a rehearsal.',
  validDays: 365,
  humanDuty: 'Write and rehearse the procedures.',
});
