import { defineCounter, defineGauge } from './instruments.ts';

/** Controls that a check of the running system decides; a control with another name does not compile. */
export const machineControlNames = [
  'scheduled-work-runs',
  'events-reviewed',
  'disabled-users-without-access',
  'disabling-ends-access',
  'unvetted-clients-without-rights',
  'open-roles-without-permissions',
  'guessing-locks-accounts',
  'client-secrets-hashed',
  'passwords-hashed',
  'incidents-reviewed',
  'backups-recent',
  'state-not-rewound',
  'expired-data-removed',
  'forbidden-sql-refused',
  'subjects-unique',
  'idle-sessions-refused',
  'sessions-expire',
  'key-custody',
  'keys-encrypted',
  'mail-encrypted',
  'phi-keys-encrypted',
  'phi-keys-rotated',
  'retired-keys-destroyed',
  'audit-sealing-current',
  'events-have-actors',
  'audit-append-only',
  'audit-checkpoints-published',
  'audit-log-not-rewound',
  'audit-head-signed',
  'audit-log-recomputed',
  'clients-authenticate',
  'second-factor-enforced',
  'signing-keys-rotated',
  'transport-public-tls',
  'transport-database-tls',
  'transport-redis-tls',
  'second-factor-enrolled',
  'records-kept-six-years',
  'events-without-personal-data',
  'log-lines-redacted',
  'retention-applied',
  'emergency-access-works',
  'emergency-access-reviewed',
  'minimum-necessary-applied',
  'research-consented',
  'field-policies-limited',
  'restrictions-enforced',
  'access-requests-answered',
  'disclosures-recorded',
  'privacy-records-kept',
] as const;
/** Controls that only a person can confirm. */
const attestedControlNames = [
  'technology-inventory',
  'risk-analysis',
  'risk-management',
  'sanction-policy',
  'activity-review-signed',
  'restoration-time',
  'security-official',
  'access-approved',
  'training',
  'incident-response-plan',
  'contingency-plan',
  'restore-drill',
  'evaluation',
  'business-associates',
  'facility-safeguards',
  'emergency-access',
  'disk-encryption',
  'vulnerability-scans',
  'penetration-test',
  'contingency-notice',
  'policies-documented',
  'breach-notification',
] as const;

export type MachineControlName = (typeof machineControlNames)[number];
export type AttestedControlName = (typeof attestedControlNames)[number];

export const controlPasses = defineGauge({
  name: 'sallyport_compliance_control_pass',
  help: '1 while the last check of a control passed, 0 while it failed or contradicted itself. Absent while the control does not apply or is unknown.',
  labels: { control: machineControlNames },
});

export const controlsByStatus = defineGauge({
  name: 'sallyport_compliance_controls',
  help: 'Checked controls by the status of their last check.',
  labels: { status: ['pass', 'fail', 'error', 'not_applicable', 'unknown'] },
});

export const controlCheckAge = defineGauge({
  name: 'sallyport_compliance_check_age_seconds',
  help: 'Time since the control that was checked longest ago was checked.',
  unit: 's',
});

export const controlChecks = defineCounter({
  name: 'sallyport_compliance_checks',
  help: 'Checks of controls by result.',
  labels: { status: ['pass', 'fail', 'error', 'not_applicable', 'unknown'] },
});
