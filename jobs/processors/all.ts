import type { z } from 'zod';
import { maintainAuditOutbox } from '#services/core/audit/maintain-audit-outbox.ts';
import { sealEvents, sealingIsDue } from '#services/core/audit/seal/seal-events.ts';
import { thinCheckpoints } from '#services/core/audit/seal/thin-checkpoints.ts';
import { deliverMails, mailsAreDue } from '#services/core/identity/mail/deliver-mail.ts';
import { advanceKeyRing } from '#services/core/keys/advance-key-ring.ts';
import { logoutTokensAreDue, sendLogoutTokens } from '#services/core/oauth/logout/send-logout-tokens.ts';
import { detectIncidents, detectionsAreDue } from '#services/core/security/detect-incidents.ts';
import { purgeOnSchedule } from '#services/core/shared/purge.ts';
import type { HasSecurityScore } from '#services/core/shared/security-score.ts';
import { loadTaskAdvances, modulesOf, purgesOf } from '#services/modules.ts';
import type { WingSettings } from '#services/platform/config/wings.ts';
import type { Job } from '#services/platform/define/job.ts';
import { checkControls, checksAreDue } from '#services/wings/compliance/check-controls.ts';
import { createProbeMemory } from '#services/wings/compliance/probes/probe-memory.ts';
import { readSecurityScore } from '#services/wings/compliance/read-security-score.ts';
import { advanceReports, reportsAreDue } from '#services/wings/compliance/reports/advance-reports.ts';
import { applyLegacyEvents, legacyEventsAreDue } from '#services/wings/import/bridge/apply-legacy-events.ts';
import { advanceImports, importsAreDue } from '#services/wings/import/run/advance-imports.ts';
import { advanceTasks, tasksAreDue } from '#services/wings/mcp/tasks/advance-tasks.ts';
import { countEventHours, countIsDue } from '#services/wings/monitoring/count-event-hours.ts';
import { measureProgress, measuringIsDue } from '#services/wings/monitoring/progress/measure-progress.ts';
import { recordIncident, recordProgress } from '#services/wings/monitoring/progress/record-progress.ts';
import {
  makeSecurityReports,
  securityReportsAreDue,
} from '#services/wings/monitoring/reports/make-security-reports.ts';
import { alertsAreDue, sendAlerts } from '#services/wings/outbound/alerts/send-alerts.ts';
import { handoffsAreDue, pushHandoffs } from '#services/wings/outbound/handoff/push-handoffs.ts';
import { exportEvents, exportIsDue } from '#services/wings/outbound/handoff/siem/export-events.ts';
import { pushSignals, signalsAreDue } from '#services/wings/outbound/signals/push-signals.ts';
import { privacyRequestsAreDue, processPrivacyRequests } from '#services/wings/privacy/access/privacy-requests.ts';
import { createPhiKeys } from '#services/wings/privacy/phi-keys.ts';
import { implementDataRetentionPolicies, retentionIsDue } from '#services/wings/privacy/retention/retention.ts';
import { rotateEncryptionKeys, rotationIsDue } from '#services/wings/privacy/rotate-encryption-keys.ts';
import { rehearseRestore } from '#services/wings/recovery/backup/rehearse-restore.ts';
import { sendAlertsJob } from '../contracts/alerts.ts';
import { maintainAuditOutboxJob, sealAuditEventsJob, thinAuditCheckpointsJob } from '../contracts/audit.ts';
import {
  advanceComplianceReportsJob,
  checkControlsJob,
  checkControlsThoroughlyJob,
  cleanUpComplianceRecordsJob,
} from '../contracts/compliance.ts';
import { exportEventsJob, pushHandoffsJob } from '../contracts/handoff.ts';
import { cleanUpExpiredSessionsJob } from '../contracts/identity.ts';
import { advanceKeyRingJob } from '../contracts/keys.ts';
import { applyLegacyEventsJob } from '../contracts/legacy.ts';
import { deliverMailJob } from '../contracts/mail.ts';
import { runImportsJob } from '../contracts/migration.ts';
import { cleanUpMonitoringRecordsJob, countEventHoursJob, makeSecurityReportsJob } from '../contracts/monitoring.ts';
import { sendLogoutTokensJob } from '../contracts/oauth.ts';
import {
  advanceTasksJob,
  measureProgressJob,
  recordIncidentJob,
  recordProgressJob,
  rehearseRestoreJob,
} from '../contracts/operations.ts';
import { applyRetentionJob, processPrivacyRequestsJob, rotateEncryptionKeysJob } from '../contracts/privacy.ts';
import { cleanUpIncidentsJob, detectIncidentsJob } from '../contracts/security.ts';
import { pushSignalsJob } from '../contracts/signals.ts';
import { cleanUpExpiredTokensJob } from '../contracts/tokens.ts';
import { jobsOf } from '../schedules.ts';
import type { WorkerPorts } from './ports.ts';
import { fenced, type Processor, run, runUnfenced } from './run.ts';

/** Only the jobs of the sealed log use its database role. */
const asSealer = (ports: WorkerPorts): WorkerPorts => ({ ...ports, ...ports.sealing });

/** With the share of compliance controls that pass. */
const withScore = (ports: WorkerPorts): WorkerPorts & HasSecurityScore => ({
  ...ports,
  readSecurityScore: () => readSecurityScore(ports),
});

/** A job that removes what modules keep no longer. A row is removed once, also by runs that overlap. */
const purgedBy = (job: Job<z.ZodType<object>>): Processor =>
  runUnfenced(job, (ports, _payload, { signal }) =>
    purgeOnSchedule(ports, purgesOf(modulesOf(ports.config.wings), job), signal),
  );

const probeMemory = createProbeMemory();

/** Every job with its use-case. */
export const processors: readonly Processor[] = [
  run(maintainAuditOutboxJob, (ports, _payload, { fence, signal }) =>
    maintainAuditOutbox(fenced(asSealer(ports), fence), { outboxDays: ports.config.audit.outboxDays }, signal),
  ),
  run(thinAuditCheckpointsJob, (ports, _payload, { fence, signal }) =>
    thinCheckpoints(fenced(asSealer(ports), fence), signal),
  ),
  run(
    sealAuditEventsJob,
    (ports, _payload, { fence, signal, caller }) => sealEvents(asSealer(ports), { fence, signal }, caller),
    () => sealingIsDue,
  ),
  run(advanceKeyRingJob, (ports, _payload, { fence, caller }) => advanceKeyRing(fenced(ports, fence), caller)),
  purgedBy(cleanUpExpiredTokensJob),
  purgedBy(cleanUpExpiredSessionsJob),
  run(
    detectIncidentsJob,
    (ports, _payload, { fence, signal, caller }) => detectIncidents(fenced(ports, fence), { signal }, caller),
    () => detectionsAreDue,
  ),
  purgedBy(cleanUpIncidentsJob),
  run(
    checkControlsJob,
    (ports, _payload, { fence, signal, caller }) =>
      checkControls(fenced(ports, fence), { pace: 'frequent', signal, memory: probeMemory }, caller),
    () => checksAreDue,
  ),
  run(checkControlsThoroughlyJob, (ports, _payload, { fence, signal, caller }) =>
    checkControls(fenced(ports, fence), { pace: 'thorough', signal }, caller),
  ),
  run(
    applyRetentionJob,
    (ports, _payload, jobRun) => implementDataRetentionPolicies(ports, jobRun),
    () => retentionIsDue,
  ),
  run(
    processPrivacyRequestsJob,
    (ports, _payload, jobRun) => processPrivacyRequests({ ...ports, phiKeys: createPhiKeys(ports.vault) }, jobRun),
    () => privacyRequestsAreDue,
  ),
  run(
    rotateEncryptionKeysJob,
    (ports, _payload, jobRun) =>
      rotateEncryptionKeys(ports, { rotationDays: ports.config.keys.phiRotationDays }, jobRun),
    ({ config }) => rotationIsDue({ rotationDays: config.keys.phiRotationDays }),
  ),
  run(
    advanceComplianceReportsJob,
    (ports, _payload, { fence, signal, caller }) => advanceReports(fenced(ports, fence), { signal }, caller),
    () => reportsAreDue,
  ),
  purgedBy(cleanUpComplianceRecordsJob),
  run(rehearseRestoreJob, (ports, _payload, { fence, signal, caller }) =>
    rehearseRestore(ports, { fence, signal }, caller),
  ),
  run(
    deliverMailJob,
    (ports, _payload, { fence, signal }) => deliverMails(ports, { fence, signal }),
    () => mailsAreDue,
  ),
  run(
    advanceTasksJob,
    async (ports, _payload, { signal, caller }) =>
      advanceTasks({ ...withScore(ports), taskAdvances: await loadTaskAdvances() }, { signal }, caller),
    () => tasksAreDue,
  ),
  run(
    countEventHoursJob,
    (ports, _payload, { fence, signal }) => countEventHours(fenced(ports, fence), { signal }),
    () => countIsDue,
  ),
  run(
    makeSecurityReportsJob,
    (ports, _payload, { fence, signal, caller }) => makeSecurityReports(fenced(ports, fence), { signal }, caller),
    () => securityReportsAreDue,
  ),
  purgedBy(cleanUpMonitoringRecordsJob),
  run(
    measureProgressJob,
    (ports, _payload, { fence }) => measureProgress(withScore(fenced(ports, fence))),
    () => measuringIsDue,
  ),
  // Their rows make a repeated run harmless, and a report is not lost to a newer one's fence.
  runUnfenced(recordProgressJob, (ports, report) => recordProgress(ports, report)),
  runUnfenced(recordIncidentJob, (ports, report, { caller }) => recordIncident(ports, report, caller)),
  run(
    sendLogoutTokensJob,
    (ports, _payload, { fence, signal, caller }) => sendLogoutTokens(ports, { fence, signal }, caller),
    () => logoutTokensAreDue,
  ),
  run(
    applyLegacyEventsJob,
    (ports, _payload, { fence, signal, caller }) =>
      applyLegacyEvents({ ...ports, legacyProvider: ports.config.legacy.provider ?? null }, { fence, signal }, caller),
    () => legacyEventsAreDue,
  ),
  run(
    runImportsJob,
    (ports, _payload, { fence, signal, caller }) => advanceImports(ports, { fence, signal }, caller),
    () => importsAreDue,
  ),
  run(
    sendAlertsJob,
    (ports, _payload, { fence, signal, caller }) => sendAlerts(ports, { fence, signal }, caller),
    () => alertsAreDue,
  ),
  run(
    pushSignalsJob,
    (ports, _payload, { fence, signal, caller }) => pushSignals(ports, { fence, signal }, caller),
    () => signalsAreDue,
  ),
  run(
    pushHandoffsJob,
    (ports, _payload, { fence, signal, caller }) => pushHandoffs(ports, { fence, signal }, caller),
    ({ handoff }) => handoffsAreDue(handoff.endpoints.map(({ name }) => name)),
  ),
  run(
    exportEventsJob,
    (ports, _payload, { fence, signal, caller }) => exportEvents(ports, { fence, signal }, caller),
    ({ siem }) => exportIsDue(siem.targets.map(({ name }) => name)),
  ),
];

/** The jobs that the workers of an installation run. */
export const processorsOf = (wings: WingSettings): readonly Processor[] => {
  const jobs = jobsOf(wings);
  return processors.filter(({ job }) => jobs.includes(job));
};
