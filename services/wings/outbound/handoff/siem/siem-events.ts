/** Classes of OCSF 1.5.0 that our events are of, with the names of their activities. */
export const OCSF_CLASSES = {
  base: { uid: 0, category: 0, activities: { Unknown: 0, Other: 99 } },
  complianceFinding: { uid: 2003, category: 2, activities: { Create: 1, Update: 2, Close: 3 } },
  detectionFinding: { uid: 2004, category: 2, activities: { Create: 1, Update: 2, Close: 3 } },
  accountChange: {
    uid: 3001,
    category: 3,
    activities: {
      Create: 1,
      Enable: 2,
      'Password Change': 3,
      Disable: 5,
      Delete: 6,
      Lock: 9,
      'MFA Factor Enable': 10,
      'MFA Factor Disable': 11,
      Unlock: 12,
      Other: 99,
    },
  },
  authentication: {
    uid: 3002,
    category: 3,
    activities: {
      Logon: 1,
      Logoff: 2,
      'Authentication Ticket': 3,
      'Service Ticket Request': 4,
      'Service Ticket Renew': 5,
      Preauth: 6,
      Other: 99,
    },
  },
  entityManagement: {
    uid: 3004,
    category: 3,
    activities: { Create: 1, Read: 2, Update: 3, Delete: 4, Enable: 8, Disable: 9, Deactivate: 11, Other: 99 },
  },
  userAccess: { uid: 3005, category: 3, activities: { 'Assign Privileges': 1, 'Revoke Privileges': 2 } },
  applicationLifecycle: { uid: 6002, category: 6, activities: { Start: 3, Stop: 4, Update: 8, Other: 99 } },
  apiActivity: { uid: 6003, category: 6, activities: { Create: 1, Read: 2, Update: 3, Delete: 4, Other: 99 } },
} as const;
type OcsfClass = keyof typeof OCSF_CLASSES;
type ActivityOf<C extends OcsfClass> = keyof (typeof OCSF_CLASSES)[C]['activities'];

/** Types that ECS allows for an event, by its category. */
const ECS_TYPES = {
  api: ['access', 'allowed', 'change', 'denied', 'info'],
  authentication: ['start', 'end', 'info'],
  configuration: ['access', 'change', 'creation', 'deletion', 'info'],
  iam: ['admin', 'change', 'creation', 'deletion', 'group', 'info', 'user'],
  intrusion_detection: ['allowed', 'denied', 'info'],
  package: ['access', 'change', 'deletion', 'info', 'installation', 'start'],
  session: ['start', 'end', 'info'],
} as const;
type EcsCategory = keyof typeof ECS_TYPES;
type EcsWord = { [C in EcsCategory]: `${C}:${(typeof ECS_TYPES)[C][number]}` }[EcsCategory];

/** As OCSF numbers them; ECS gets the same numbers. */
const SEVERITIES = { informational: 1, low: 2, medium: 3, high: 4, critical: 5 } as const;
type Severity = keyof typeof SEVERITIES;

type SiemEvent = {
  readonly ocsf: { readonly class: OcsfClass; readonly activity: string };
  readonly ecs: { readonly category: EcsCategory; readonly type: string };
  readonly severity: (typeof SEVERITIES)[Severity];
  /** A summary of many occurrences. */
  readonly isMetric: boolean;
};

const as =
  <C extends OcsfClass>(ocsfClass: C) =>
  (activity: ActivityOf<C>, ecs: EcsWord, severity: Severity | 'metric' = 'informational'): SiemEvent => {
    const [category, type] = ecs.split(':') as [EcsCategory, string];
    return {
      ocsf: { class: ocsfClass, activity: activity as string },
      ecs: { category, type },
      severity: SEVERITIES[severity === 'metric' ? 'informational' : severity],
      isMetric: severity === 'metric',
    };
  };

const compliance = as('complianceFinding');
const detection = as('detectionFinding');
const account = as('accountChange');
const sign = as('authentication');
const entity = as('entityManagement');
const access = as('userAccess');
const lifecycle = as('applicationLifecycle');
const api = as('apiActivity');

/** A row that differs from what was sealed, and whose leaf is lost. */
const UNKNOWN_EVENT: SiemEvent = as('base')('Unknown', 'intrusion_detection:info', 'critical');

/** What each type of audit event is for a SIEM. A new type gets its line here: the catalogue is not written without it. */
export const SIEM_EVENTS: Readonly<Record<string, SiemEvent>> = {
  'access.denied': api('Other', 'api:denied', 'low'),
  'account.linked': account('Other', 'iam:user'),
  'account.password_changed': account('Password Change', 'iam:user'),
  'account.password_rehashed': account('Other', 'iam:user'),
  'account.password_taken_over': account('Other', 'iam:user'),
  'account.unlinked': account('Other', 'iam:user'),
  'agent.changed': entity('Update', 'iam:change'),
  'agent.credentials_checked': sign('Preauth', 'authentication:info'),
  'agent.killed': entity('Disable', 'iam:change', 'medium'),
  'agent.limits_changed': entity('Update', 'iam:change'),
  'agent.registered': entity('Create', 'iam:creation'),
  'alert.changed': entity('Update', 'configuration:info'),
  'alert.given_up': api('Other', 'api:info', 'medium'),
  'alert.reported': api('Create', 'api:info'),
  'alert.silenced': entity('Update', 'configuration:change', 'low'),
  'alert.target_changed': entity('Update', 'configuration:change', 'low'),
  'alert.target_tested': entity('Other', 'configuration:info'),
  'api_key.created': entity('Create', 'iam:creation'),
  'api_key.revoked': entity('Delete', 'iam:deletion'),
  'api_key.rotated': entity('Update', 'iam:change'),
  'api_key.verifications': api('Read', 'api:info', 'metric'),
  'application.declared': entity('Update', 'configuration:change'),
  'application.deleted': entity('Delete', 'configuration:deletion'),
  'audit.log_continued': lifecycle('Other', 'configuration:change', 'critical'),
  'audit.personal_erased': entity('Delete', 'iam:deletion'),
  'audit.row_refused': detection('Create', 'intrusion_detection:denied', 'high'),
  'audit.sealing_resumed': lifecycle('Start', 'configuration:info'),
  'audit.sealing_stopped': lifecycle('Stop', 'configuration:info', 'critical'),
  'client.changed': entity('Update', 'iam:change'),
  'client.created': entity('Create', 'iam:creation'),
  'client.deleted': entity('Delete', 'iam:deletion'),
  'client.secret_rotated': entity('Update', 'iam:change'),
  'client.tokens_revoked': entity('Update', 'iam:change', 'low'),
  'code.refused': sign('Other', 'authentication:info', 'low'),
  'compliance.control_attested': compliance('Update', 'configuration:info'),
  'compliance.control_changed': compliance('Update', 'configuration:info'),
  'compliance.evidence_collected': compliance('Update', 'configuration:info'),
  'compliance.report_built': entity('Create', 'configuration:info'),
  'compliance.report_ended': entity('Update', 'configuration:info', 'low'),
  'compliance.report_requested': entity('Create', 'configuration:info'),
  'compliance.violation_changed': compliance('Update', 'configuration:info', 'medium'),
  'factor.enrolled': account('MFA Factor Enable', 'iam:user'),
  'factor.removed': account('MFA Factor Disable', 'iam:user', 'low'),
  'factor.renamed': account('Other', 'iam:user'),
  'handoff.given_up': api('Other', 'api:info', 'low'),
  'handoff.replayed': api('Other', 'api:info'),
  'import.batch': entity('Create', 'iam:creation'),
  'import.finished': entity('Update', 'iam:info'),
  'import.started': entity('Create', 'iam:info', 'low'),
  'import.users_exported': entity('Read', 'iam:admin', 'high'),
  'incident.acted': detection('Update', 'intrusion_detection:info', 'medium'),
  'incident.changed': detection('Update', 'intrusion_detection:info'),
  'incident.event_retried': detection('Update', 'intrusion_detection:info'),
  'incident.event_set_aside': detection('Update', 'intrusion_detection:info', 'medium'),
  'incident.raised': detection('Create', 'intrusion_detection:info', 'high'),
  'key.compromised': entity('Disable', 'configuration:change', 'critical'),
  'key.private_part_destroyed': entity('Delete', 'configuration:deletion'),
  'key.published': entity('Create', 'configuration:creation'),
  'key.stopped': entity('Deactivate', 'configuration:change'),
  'key_encryption.changed': entity('Update', 'configuration:change', 'medium'),
  'legacy.event_applied': entity('Update', 'iam:change'),
  'legacy.session_exchanged': sign('Authentication Ticket', 'authentication:start'),
  'legacy.webhook_refused': api('Other', 'api:denied', 'low'),
  'limit.bypassed': api('Other', 'api:allowed', 'low'),
  'monitoring.report_made': entity('Create', 'configuration:info'),
  'monitoring.report_requested': entity('Create', 'configuration:info'),
  'oauth.authorized': sign('Service Ticket Request', 'authentication:info'),
  'oauth.code_reused': detection('Create', 'intrusion_detection:denied', 'high'),
  'oauth.consent_granted': access('Assign Privileges', 'iam:user'),
  'oauth.consent_withdrawn': access('Revoke Privileges', 'iam:user'),
  'oauth.device_decided': sign('Service Ticket Request', 'authentication:info'),
  'oauth.identity_asserted': sign('Service Ticket Request', 'authentication:info'),
  'oauth.logout_token_sent': sign('Logoff', 'session:end'),
  'operations.backup_restored': lifecycle('Other', 'configuration:change', 'high'),
  'operations.feed_restored': lifecycle('Other', 'configuration:change', 'high'),
  'operations.mcp_called': api('Other', 'api:access'),
  'operations.queue_changed': entity('Update', 'configuration:change'),
  'operations.release_deployed': lifecycle('Update', 'package:change'),
  'operations.installation_recorded': lifecycle('Update', 'package:change'),
  'operations.release_rolled_back': lifecycle('Update', 'package:change', 'medium'),
  'operations.restore_accepted': lifecycle('Other', 'configuration:change', 'critical'),
  'operations.restore_rehearsed': lifecycle('Other', 'configuration:info'),
  'password.breach_unchecked': account('Other', 'iam:user', 'low'),
  'phi.accessed': api('Read', 'api:access'),
  'phi.break_glass_opened': api('Other', 'api:allowed', 'high'),
  'phi.break_glass_reviewed': api('Update', 'api:info'),
  'phi.consent_recorded': entity('Update', 'configuration:change'),
  'phi.decrypted': api('Read', 'api:access'),
  'phi.disclosed': api('Read', 'api:access', 'low'),
  'phi.encrypted': api('Create', 'api:access'),
  'phi.hold_changed': entity('Update', 'configuration:change'),
  'phi.key_created': entity('Create', 'configuration:creation'),
  'phi.keys_rotated': entity('Update', 'configuration:change'),
  'phi.policy_changed': entity('Update', 'configuration:change', 'low'),
  'phi.request_done': entity('Update', 'configuration:info'),
  'phi.requested': entity('Create', 'configuration:info'),
  'phi.restriction_changed': entity('Update', 'configuration:change'),
  'phi.shredded': entity('Delete', 'configuration:deletion', 'low'),
  'recovery_code.used': sign('Other', 'authentication:info', 'low'),
  'recovery_codes.made': account('MFA Factor Enable', 'iam:user'),
  'recovery_codes.voided': account('MFA Factor Disable', 'iam:user', 'medium'),
  'retention.applied': entity('Delete', 'configuration:info'),
  'retention.policy_changed': entity('Update', 'configuration:change'),
  'retention.requested': entity('Other', 'configuration:info'),
  'revocations.collapsed': entity('Update', 'iam:change', 'medium'),
  'role.changed': entity('Update', 'iam:group', 'low'),
  'role.created': entity('Create', 'iam:group'),
  'role.deleted': entity('Delete', 'iam:group'),
  'server_secret.created': entity('Create', 'configuration:creation'),
  'server_secret.destroyed': entity('Delete', 'configuration:deletion'),
  'session.created': sign('Authentication Ticket', 'session:start'),
  'session.ended': sign('Logoff', 'session:end'),
  'session.renewed': sign('Authentication Ticket', 'session:info'),
  'siem.event_skipped': api('Other', 'api:info', 'medium'),
  'siem.replayed': api('Other', 'api:info'),
  'signal.limited': api('Other', 'api:access', 'high'),
  'signal.received': api('Other', 'api:access', 'low'),
  'signal.stream_changed': entity('Update', 'configuration:change'),
  'signal.stream_verified': api('Other', 'api:info'),
  'signal.transmitter_changed': entity('Update', 'configuration:change', 'medium'),
  'signoff.approval_void': entity('Update', 'iam:admin'),
  'signoff.decided': entity('Update', 'iam:admin'),
  'signoff.finished': entity('Update', 'iam:admin'),
  'signoff.pinged': entity('Read', 'iam:admin'),
  'signoff.refused': entity('Update', 'iam:admin', 'low'),
  'signoff.requested': entity('Create', 'iam:admin'),
  'signoff.started': entity('Update', 'iam:admin'),
  'token.family_created': sign('Authentication Ticket', 'session:start'),
  'token.family_ended': sign('Logoff', 'session:end'),
  'token.issued': sign('Service Ticket Request', 'authentication:info'),
  'token.refresh_overused': detection('Create', 'intrusion_detection:info', 'medium'),
  'token.refresh_reused': detection('Create', 'intrusion_detection:denied', 'high'),
  'token.refreshed': sign('Service Ticket Renew', 'authentication:info'),
  'token.replay_detected': detection('Create', 'intrusion_detection:denied', 'high'),
  'token.revoked': sign('Other', 'session:end'),
  'token.state_rewound': detection('Create', 'intrusion_detection:denied', 'critical'),
  'token.validations': api('Read', 'api:info', 'metric'),
  'user.created': account('Create', 'iam:creation'),
  'user.deleted': account('Delete', 'iam:deletion'),
  'user.disabled': account('Disable', 'iam:user'),
  'user.email_changed': account('Other', 'iam:user'),
  'user.email_verified': account('Other', 'iam:user'),
  'user.enabled': account('Enable', 'iam:user'),
  'user.factors_reset': account('MFA Factor Disable', 'iam:user', 'medium'),
  'user.helped': account('Other', 'iam:user', 'low'),
  'user.invited': account('Create', 'iam:creation'),
  'user.login': sign('Logon', 'authentication:start'),
  'user.login_locked': account('Lock', 'iam:user', 'medium'),
  'user.profile_changed': account('Other', 'iam:user'),
  'user.role_granted': access('Assign Privileges', 'iam:user', 'low'),
  'user.role_removed': access('Revoke Privileges', 'iam:user', 'low'),
  'user.stepped_up': sign('Logon', 'authentication:start'),
  'user.tokens_revoked': sign('Logoff', 'session:end', 'low'),
  'user.unlocked': account('Unlock', 'iam:user'),
};

type SiemOutcome = 'success' | 'failure' | 'unknown';

/** Outcomes of events that say that something did not succeed, or was stopped. */
const FAILURES: readonly string[] =
  `ahead cancelled continued_elsewhere database_behind denied deny dropped error expired fail failed forked
  given_up grace_spent key_unknown locked log_forged_continuation mismatch refused replay revoked set_aside
  skipped tiles_damaged unjustified`.split(/\s+/);
/** Outcomes that say neither. */
const UNDECIDED: readonly string[] = ['not_applicable', 'second_factor_asked', 'uncompared', 'unknown'];

export const siemOutcomeOf = (outcome: string): SiemOutcome =>
  FAILURES.includes(outcome) ? 'failure' : UNDECIDED.includes(outcome) ? 'unknown' : 'success';

export const siemEventOf = (type: string): SiemEvent => SIEM_EVENTS[type] ?? UNKNOWN_EVENT;
