import type { Control } from '../control.ts';
import { accessApproved } from './access-approved.ts';
import { accessRequestsAnswered } from './access-requests-answered.ts';
import { activityReviewSigned } from './activity-review-signed.ts';
import { auditAppendOnly } from './audit-append-only.ts';
import { auditCheckpointsPublished } from './audit-checkpoints-published.ts';
import { auditHeadSigned } from './audit-head-signed.ts';
import { auditLogNotRewound } from './audit-log-not-rewound.ts';
import { auditLogRecomputed } from './audit-log-recomputed.ts';
import { auditSealingCurrent } from './audit-sealing-current.ts';
import { backupsRecent } from './backups-recent.ts';
import { breachNotification } from './breach-notification.ts';
import { businessAssociates } from './business-associates.ts';
import { clientSecretsHashed } from './client-secrets-hashed.ts';
import { clientsAuthenticate } from './clients-authenticate.ts';
import { contingencyNotice } from './contingency-notice.ts';
import { contingencyPlan } from './contingency-plan.ts';
import { disabledUsersWithoutAccess } from './disabled-users-without-access.ts';
import { disablingEndsAccess } from './disabling-ends-access.ts';
import { disclosuresRecorded } from './disclosures-recorded.ts';
import { diskEncryption } from './disk-encryption.ts';
import { emergencyAccess } from './emergency-access.ts';
import { emergencyAccessReviewed } from './emergency-access-reviewed.ts';
import { emergencyAccessWorks } from './emergency-access-works.ts';
import { evaluation } from './evaluation.ts';
import { eventsHaveActors } from './events-have-actors.ts';
import { eventsReviewed } from './events-reviewed.ts';
import { eventsWithoutPersonalData } from './events-without-personal-data.ts';
import { expiredDataRemoved } from './expired-data-removed.ts';
import { facilitySafeguards } from './facility-safeguards.ts';
import { fieldPoliciesLimited } from './field-policies-limited.ts';
import { forbiddenSqlRefused } from './forbidden-sql-refused.ts';
import { guessingLocksAccounts } from './guessing-locks-accounts.ts';
import { idleSessionsRefused } from './idle-sessions-refused.ts';
import { incidentResponsePlan } from './incident-response-plan.ts';
import { incidentsReviewed } from './incidents-reviewed.ts';
import { keyCustody } from './key-custody.ts';
import { keysEncrypted } from './keys-encrypted.ts';
import { logLinesRedacted } from './log-lines-redacted.ts';
import { mailEncrypted } from './mail-encrypted.ts';
import { minimumNecessaryApplied } from './minimum-necessary-applied.ts';
import { openRolesWithoutPermissions } from './open-roles-without-permissions.ts';
import { passwordsHashed } from './passwords-hashed.ts';
import { penetrationTest } from './penetration-test.ts';
import { phiKeysEncrypted } from './phi-keys-encrypted.ts';
import { phiKeysRotated } from './phi-keys-rotated.ts';
import { policiesDocumented } from './policies-documented.ts';
import { privacyRecordsKept } from './privacy-records-kept.ts';
import { recordsKeptSixYears } from './records-kept-six-years.ts';
import { researchConsented } from './research-consented.ts';
import { restorationTime } from './restoration-time.ts';
import { restoreDrill } from './restore-drill.ts';
import { restrictionsEnforced } from './restrictions-enforced.ts';
import { retentionApplied } from './retention-applied.ts';
import { retiredKeysDestroyed } from './retired-keys-destroyed.ts';
import { riskAnalysis } from './risk-analysis.ts';
import { riskManagement } from './risk-management.ts';
import { sanctionPolicy } from './sanction-policy.ts';
import { scheduledWorkRuns } from './scheduled-work-runs.ts';
import { secondFactorEnforced } from './second-factor-enforced.ts';
import { secondFactorEnrolled } from './second-factor-enrolled.ts';
import { securityOfficial } from './security-official.ts';
import { sessionsExpire } from './sessions-expire.ts';
import { signingKeysRotated } from './signing-keys-rotated.ts';
import { stateNotRewound } from './state-not-rewound.ts';
import { subjectsUnique } from './subjects-unique.ts';
import { technologyInventory } from './technology-inventory.ts';
import { training } from './training.ts';
import { transportDatabaseTls } from './transport-database-tls.ts';
import { transportPublicTls } from './transport-public-tls.ts';
import { transportRedisTls } from './transport-redis-tls.ts';
import { unvettedClientsWithoutRights } from './unvetted-clients-without-rights.ts';
import { vulnerabilityScans } from './vulnerability-scans.ts';

/** Every control, in the order of the clauses of 45 CFR. */
export const controls: readonly Control[] = [
  technologyInventory,
  riskAnalysis,
  scheduledWorkRuns,
  riskManagement,
  sanctionPolicy,
  eventsReviewed,
  activityReviewSigned,
  emergencyAccessReviewed,
  restorationTime,
  securityOfficial,
  disabledUsersWithoutAccess,
  disablingEndsAccess,
  unvettedClientsWithoutRights,
  openRolesWithoutPermissions,
  accessApproved,
  training,
  guessingLocksAccounts,
  clientSecretsHashed,
  passwordsHashed,
  incidentResponsePlan,
  incidentsReviewed,
  contingencyPlan,
  backupsRecent,
  stateNotRewound,
  restoreDrill,
  evaluation,
  businessAssociates,
  facilitySafeguards,
  expiredDataRemoved,
  retentionApplied,
  forbiddenSqlRefused,
  subjectsUnique,
  emergencyAccess,
  emergencyAccessWorks,
  idleSessionsRefused,
  sessionsExpire,
  keyCustody,
  keysEncrypted,
  mailEncrypted,
  phiKeysEncrypted,
  phiKeysRotated,
  retiredKeysDestroyed,
  diskEncryption,
  auditSealingCurrent,
  eventsHaveActors,
  auditAppendOnly,
  auditCheckpointsPublished,
  auditLogNotRewound,
  auditHeadSigned,
  auditLogRecomputed,
  clientsAuthenticate,
  secondFactorEnforced,
  signingKeysRotated,
  transportPublicTls,
  transportDatabaseTls,
  transportRedisTls,
  secondFactorEnrolled,
  vulnerabilityScans,
  penetrationTest,
  contingencyNotice,
  policiesDocumented,
  recordsKeptSixYears,
  breachNotification,
  eventsWithoutPersonalData,
  logLinesRedacted,
  minimumNecessaryApplied,
  researchConsented,
  fieldPoliciesLimited,
  restrictionsEnforced,
  accessRequestsAnswered,
  disclosuresRecorded,
  privacyRecordsKept,
];
