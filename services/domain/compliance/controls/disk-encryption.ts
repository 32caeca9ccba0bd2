import { defineAttestation } from '../control.ts';

export const diskEncryption = defineAttestation({
  name: 'disk-encryption',
  title: 'Disks and backups are encrypted',
  clause: '164.312(a)(2)(iv)',
  profile: 'current',
  requirement: 'addressable',
  statement: 'The disks of PostgreSQL and Redis, and every backup, are encrypted, with keys stored elsewhere.',
  validDays: 365,
  humanDuty: 'Encrypt disks and backups, and keep the keys apart.',
});
