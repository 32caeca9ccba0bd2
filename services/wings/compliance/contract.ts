import { z } from 'zod';
import { bodyReason, manages, pageQuery, reads, reason, text } from '#services/core/access/admin-shapes.ts';
import { component } from '#services/platform/define/component-names.ts';
import { endpointsOf } from '#services/platform/define/endpoint.ts';
import { CONTROL_STATUSES, PROFILES, REQUIREMENTS, VIOLATION_STATES } from './control-shapes.ts';
import {
  controlUnknown,
  reportEnded,
  reportNotReady,
  reportsBusy,
  reportUnknown,
  violationResolved,
  violationUnknown,
} from './errors.ts';
import { complianceManage, complianceRead } from './permissions.ts';
import { REPORT_KINDS, REPORT_STATUSES, reportSummary } from './reports/report-shapes.ts';

const defineEndpoint = endpointsOf('Compliance');

const instant = z.iso.datetime();

const attestationView = component('ControlAttestation', {
  attestation_id: z.string(),
  control_id: z.string(),
  /** Kind and id of the caller, such as `user:…`. */
  attester: z.string(),
  /** What was stated, as it read then. */
  statement: z.string(),
  note: z.string(),
  attested_at: instant,
  expires_at: instant,
});
export type AttestationView = z.output<typeof attestationView>;

export const controlView = component('ComplianceControl', {
  control_id: z.string(),
  title: z.string(),
  /** Of 45 CFR. */
  clause: z.string(),
  /** `proposed`: only the proposed rule of 2025 asks for it. */
  profile: z.enum(PROFILES),
  requirement: z.enum(REQUIREMENTS),
  kind: z.enum(['machine', 'attestation']),
  /** `unknown` also when the last check is too old to say anything. */
  status: z.enum(CONTROL_STATUSES),
  reason: z.string().nullable(),
  /** What remains the duty of people. */
  human_duty: z.string(),
  /** What an attester states; null for a machine check. */
  statement: z.string().nullable(),
  /** The newest attestation; null without one, and for a machine check. */
  attestation: attestationView.nullable(),
  /** The last check; null before the first one. */
  check: z
    .object({
      probe: z.string(),
      probe_version: z.int(),
      population: z.int(),
      sampled: z.int(),
      /** At most twenty; `exception_count` counts all. */
      exceptions: z.array(z.object({ resource: z.string(), why: z.string() })),
      exception_count: z.int(),
      observed: z.record(z.string(), z.unknown()),
      /** Of the canonical JSON (RFC 8785) of `observed`. */
      observed_sha256: z.string(),
      release: z.string(),
      collector: z.string(),
      started_at: instant,
      ended_at: instant,
      changed_at: instant,
    })
    .nullable(),
});

export const listControlsEndpoint = defineEndpoint({
  path: '/v1/compliance/controls',
  operation: 'listControls',
  summary: 'List the compliance controls with their evidence',
  auth: reads(complianceRead),
  query: z.strictObject({ status: z.enum(CONTROL_STATUSES).optional(), profile: z.enum(PROFILES).optional() }),
  responses: { 200: z.object({ controls: z.array(controlView) }) },
});

export const attestControlEndpoint = defineEndpoint({
  method: 'POST',
  path: '/v1/compliance/controls/{control_id}/attest',
  operation: 'attestControl',
  summary: 'Confirm a control that only a person can confirm, until the attestation expires',
  auth: manages(complianceManage),
  idempotency: 'answer',
  params: z.strictObject({
    control_id: z
      .string()
      .max(64)
      .regex(/^[a-z0-9-]+$/),
  }),
  /** `reason`: what the attester relies on, such as the name of a document. No personal data. */
  body: bodyReason,
  responses: { 201: attestationView },
  errors: [controlUnknown],
});

const reportView = component('ComplianceReport', {
  report_id: z.string(),
  kind: z.enum(REPORT_KINDS),
  /** Day or month of a scheduled report; null for one on demand. */
  period: z.string().nullable(),
  status: z.enum(REPORT_STATUSES),
  /** Percent. */
  progress: z.int(),
  requested_by: z.string(),
  requested_at: instant,
  started_at: instant.nullable(),
  ended_at: instant.nullable(),
  failure: z.string().nullable(),
  /** Controls by status; null until the report is done. */
  summary: reportSummary.nullable(),
  /** Of the canonical JSON of the report, which the key of the audit log signed. */
  sha256: z.string().nullable(),
});
export type ReportView = z.output<typeof reportView>;

const byReport = z.strictObject({ report_id: z.uuid() });

export const requestReportEndpoint = defineEndpoint({
  method: 'POST',
  path: '/v1/compliance/reports',
  operation: 'requestReport',
  summary: 'Request a compliance report, which a worker builds',
  // Builds evidence and changes nothing: agents may request it, here and over MCP.
  auth: reads(complianceManage),
  body: z.strictObject({}),
  bodyOptional: true,
  responses: { 202: z.object({ report_id: z.string() }) },
  errors: [reportsBusy],
});

export const listReportsEndpoint = defineEndpoint({
  path: '/v1/compliance/reports',
  operation: 'listReports',
  summary: 'List compliance reports, newest first',
  reads: 'replica',
  auth: reads(complianceRead),
  query: z.strictObject(pageQuery),
  responses: { 200: z.object({ reports: z.array(reportView), next: z.string().nullable() }) },
});

/** With `Accept: application/pdf` the report for people; it is refused until the report is done. */
export const readReportEndpoint = defineEndpoint({
  path: '/v1/compliance/reports/{report_id}',
  operation: 'readReport',
  summary: 'Get the status of a compliance report, or with Accept: application/pdf the report for people',
  reads: 'replica',
  auth: reads(complianceRead),
  params: byReport,
  responses: { 200: reportView },
  errors: [reportUnknown, reportNotReady],
});

export const cancelReportEndpoint = defineEndpoint({
  method: 'POST',
  path: '/v1/compliance/reports/{report_id}/cancel',
  operation: 'cancelReport',
  summary: 'Cancel a compliance report that is not finished',
  auth: manages(complianceManage),
  params: byReport,
  body: bodyReason,
  responses: { 200: reportView },
  errors: [reportUnknown, reportEnded],
});

export const readReportBundleEndpoint = defineEndpoint({
  ...readReportEndpoint,
  path: '/v1/compliance/reports/{report_id}/bundle',
  operation: 'readReportBundle',
  summary: 'Get the signed bundle of a report, which `sallyport report verify` verifies offline',
  responses: { 200: { contentType: 'application/json', schema: z.string() } },
});

export const readReportEvidenceEndpoint = defineEndpoint({
  ...readReportEndpoint,
  path: '/v1/compliance/reports/{report_id}/evidence',
  operation: 'readReportEvidence',
  summary: 'Get the evidence of a report as CSV, one row for each control',
  responses: { 200: { contentType: 'text/csv', schema: z.string() } },
});

const violationView = component('ComplianceViolation', {
  violation_id: z.string(),
  control_id: z.string(),
  state: z.enum(VIOLATION_STATES),
  /** Of the newest check that failed. */
  exception_count: z.int(),
  detail: z.string().nullable(),
  /** Who follows it up: an id or a team. */
  owner: z.string().nullable(),
  opened_at: instant,
  due_at: instant,
  /** Past its due date, and neither resolved nor accepted. */
  overdue: z.boolean(),
  reason: z.string().nullable(),
  changed_by: z.string().nullable(),
  changed_at: instant.nullable(),
  resolved_at: instant.nullable(),
  /** Sealed events that break the control and are not acknowledged; null if there are none. */
  events: z
    .object({
      unacknowledged: z.int(),
      last_seq: z.int(),
      /** The first twenty by number. */
      first: z.array(z.object({ seq: z.int(), type: z.string() })),
    })
    .nullable(),
});
export type ViolationView = z.output<typeof violationView>;

export const listViolationsEndpoint = defineEndpoint({
  path: '/v1/compliance/violations',
  operation: 'listViolations',
  summary: 'List violations of compliance controls, newest first',
  auth: reads(complianceRead),
  query: z.strictObject({
    ...pageQuery,
    state: z.enum(VIOLATION_STATES).optional(),
    control: z
      .string()
      .max(64)
      .regex(/^[a-z0-9-]+$/)
      .optional(),
  }),
  responses: { 200: z.object({ violations: z.array(violationView), next: z.string().nullable() }) },
});

const byViolation = z.strictObject({ violation_id: z.uuid() });

export const assignViolationEndpoint = defineEndpoint({
  method: 'POST',
  path: '/v1/compliance/violations/{violation_id}/assign',
  operation: 'assignViolation',
  summary: 'Assign a violation to an owner, with a due date',
  auth: manages(complianceManage),
  params: byViolation,
  /** `owner`: an id or a team, no personal data. */
  body: z.strictObject({ reason, owner: text(255), due_at: z.iso.datetime().optional() }),
  responses: { 200: violationView },
  errors: [violationUnknown, violationResolved],
});

export const acceptViolationEndpoint = defineEndpoint({
  ...assignViolationEndpoint,
  path: '/v1/compliance/violations/{violation_id}/accept',
  operation: 'acceptViolation',
  summary: 'Accept a violation, with the reason why the organisation lives with it',
  body: bodyReason,
});

export const acknowledgeViolationEndpoint = defineEndpoint({
  ...assignViolationEndpoint,
  path: '/v1/compliance/violations/{violation_id}/acknowledge',
  operation: 'acknowledgeViolation',
  summary: 'Acknowledge the events that a violation names, after which the check can resolve it',
  /** `through_seq`: the last event that you have seen; later ones stay open. */
  body: z.strictObject({ reason, through_seq: z.int().min(0) }),
});
