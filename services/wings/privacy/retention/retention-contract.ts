import { z } from 'zod';
import { bodyReason, manages, reads, reason } from '#services/core/access/admin-shapes.ts';
import { component } from '#services/platform/define/component-names.ts';
import { endpointsOf } from '#services/platform/define/endpoint.ts';
import { phiSubjectUnknown } from '../errors.ts';
import { phiManage } from '../permissions.ts';
import { subjectId } from '../phi-shapes.ts';
import { legalHoldUnknown, retentionRunUnknown, retentionTooShort } from './retention-errors.ts';
import { RETENTION_KINDS } from './retention-shapes.ts';

const defineEndpoint = endpointsOf('Privacy', { limit: 'admin' });
const instant = z.iso.datetime();
const ofSubject = z.strictObject({ subject_id: subjectId });

export const retentionPolicyView = component('RetentionPolicy', {
  kind: z.enum(RETENTION_KINDS),
  /** Null: kept for good. */
  keep_days: z.int().nullable(),
  /** Null: no floor. */
  least_days: z.int().nullable(),
  changed_at: instant,
});

const retentionRunView = component('RetentionRun', {
  run_id: z.string(),
  dry_run: z.boolean(),
  state: z.enum(['queued', 'done']),
  created_at: instant,
  finished_at: instant.nullable(),
  counts: z.record(z.string(), z.int()).nullable(),
});
export type RetentionRunView = z.output<typeof retentionRunView>;

const legalHoldView = component('LegalHold', {
  hold_id: z.string(),
  subject_id: z.string(),
  created_at: instant,
  ended_at: instant.nullable(),
});
export type LegalHoldView = z.output<typeof legalHoldView>;

export const readRetentionEndpoint = defineEndpoint({
  path: '/v1/privacy/retention',
  operation: 'readRetention',
  summary: 'List how long each kind of record is kept, and the last runs',
  auth: reads(phiManage),
  responses: { 200: z.object({ policies: z.array(retentionPolicyView), runs: z.array(retentionRunView) }) },
});

export const setRetentionPolicyEndpoint = defineEndpoint({
  method: 'PUT',
  path: '/v1/privacy/retention',
  operation: 'setRetentionPolicy',
  summary: 'Set how long a kind of record is kept',
  auth: manages(phiManage),
  body: z.strictObject({ kind: z.enum(RETENTION_KINDS), keep_days: z.int().min(1).max(36_500).nullable(), reason }),
  responses: { 200: retentionPolicyView },
  errors: [retentionTooShort],
});

export const requestRetentionRunEndpoint = defineEndpoint({
  method: 'POST',
  path: '/v1/privacy/retention/runs',
  operation: 'requestRetentionRun',
  summary: 'Run the retention policies now, or count what a run would delete',
  auth: manages(phiManage),
  body: z.strictObject({ dry_run: z.boolean(), reason }),
  responses: { 202: retentionRunView },
});

export const readRetentionRunEndpoint = defineEndpoint({
  path: '/v1/privacy/retention/runs/{run_id}',
  operation: 'readRetentionRun',
  summary: 'Show a run and its counts',
  auth: reads(phiManage),
  params: z.strictObject({ run_id: z.uuid() }),
  responses: { 200: retentionRunView },
  errors: [retentionRunUnknown],
});

export const listHoldsEndpoint = defineEndpoint({
  path: '/v1/privacy/subjects/{subject_id}/holds',
  operation: 'listLegalHolds',
  summary: 'List the legal holds on the records of a person',
  auth: reads(phiManage),
  params: ofSubject,
  responses: { 200: z.object({ holds: z.array(legalHoldView) }) },
});

export const placeHoldEndpoint = defineEndpoint({
  method: 'POST',
  path: '/v1/privacy/subjects/{subject_id}/holds',
  operation: 'placeLegalHold',
  summary: 'Add a legal hold, which keeps every record of a person',
  auth: manages(phiManage),
  idempotency: 'answer',
  params: ofSubject,
  body: bodyReason,
  responses: { 201: legalHoldView },
  errors: [phiSubjectUnknown],
});

export const endHoldEndpoint = defineEndpoint({
  method: 'POST',
  path: '/v1/privacy/subjects/{subject_id}/holds/{hold_id}/end',
  operation: 'endLegalHold',
  summary: 'End a legal hold',
  auth: manages(phiManage),
  params: z.strictObject({ subject_id: subjectId, hold_id: z.uuid() }),
  body: bodyReason,
  responses: { 200: legalHoldView },
  errors: [legalHoldUnknown],
});
