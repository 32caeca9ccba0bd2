import { defineAttestation } from '../control.ts';

export const penetrationTest = defineAttestation({
  name: 'penetration-test',
  title: 'A penetration test ran within a year',
  clause: '164.312(h)(2)(iii)',
  profile: 'proposed',
  requirement: 'required',
  statement: 'A qualified person tested this installation for penetration within the last year.',
  validDays: 365,
  humanDuty: 'Order the test, and fix what it finds.',
});
