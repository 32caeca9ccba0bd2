import { z } from 'zod';
import { bodyReason, manages, pageQuery, reads, reason, roleName, text } from '#services/core/access/admin-shapes.ts';
import { component } from '#services/platform/define/component-names.ts';
import { endpointsOf } from '#services/platform/define/endpoint.ts';
import { phiSubjectUnknown } from '../errors.ts';
import { phiBreakGlass, phiManage, phiRead, phiWrite } from '../permissions.ts';
import { phiPurpose, subjectId } from '../phi-shapes.ts';
import { subjectHeld } from '../retention/retention-errors.ts';
import {
  breakGlassReviewed,
  breakGlassUnknown,
  fieldPolicyUnknown,
  privacyRequestUnfinished,
  privacyRequestUnknown,
  restrictionUnknown,
  usersOnly,
} from './access-errors.ts';
import { fieldPath, fieldPaths, PHI_ACTIONS, REFUSALS_OF_ACCESS, reference } from './access-shapes.ts';

const defineEndpoint = endpointsOf('Privacy', { limit: 'admin' });
const instant = z.iso.datetime();
const ofSubject = z.strictObject({ subject_id: subjectId });

const fieldPolicyView = component('FieldPolicy', {
  role: z.string(),
  purpose: phiPurpose,
  fields: z.array(z.string()),
  changed_at: instant,
});
export type FieldPolicyView = z.output<typeof fieldPolicyView>;

const restrictionView = component('Restriction', {
  restriction_id: z.string(),
  subject_id: z.string(),
  purposes: z.array(phiPurpose),
  created_at: instant,
  ended_at: instant.nullable(),
});
export type RestrictionView = z.output<typeof restrictionView>;

const breakGlassView = component('BreakGlass', {
  break_glass_id: z.string(),
  user_id: z.string(),
  subject_id: z.string(),
  opened_at: instant,
  expires_at: instant,
  outcome: z.enum(['justified', 'unjustified']).nullable(),
  reviewed_at: instant.nullable(),
  reviewed_by: z.string().nullable(),
});
export type BreakGlassView = z.output<typeof breakGlassView>;

const disclosureView = component('Disclosure', {
  disclosure_id: z.string(),
  purpose: phiPurpose,
  disclosed_at: instant,
  /** Null once the person's keys were destroyed. */
  recipient: z.string().nullable(),
  description: z.string().nullable(),
});
export type DisclosureView = z.output<typeof disclosureView>;

const privacyRequestView = component('PrivacyRequest', {
  request_id: z.string(),
  kind: z.enum(['export', 'deletion']),
  subject_id: z.string(),
  state: z.enum(['queued', 'done']),
  created_at: instant,
  /** Thirty days after the request (45 CFR 164.524(b)(2)). */
  due_at: instant,
  finished_at: instant.nullable(),
  /** The event of the completion; `seq` once it is sealed: GET /v1/audit/events/{seq}/proof proves it. */
  receipt: z.object({ event_id: z.string(), seq: z.int().nullable() }).nullable(),
  /** Counts of what was exported or destroyed. */
  summary: z.record(z.string(), z.int()).nullable(),
});
export type PrivacyRequestView = z.output<typeof privacyRequestView>;

export const validateDataAccessEndpoint = defineEndpoint({
  method: 'POST',
  path: '/v1/privacy/access/validate',
  operation: 'validateDataAccess',
  summary: 'Check whether you may use health data of a person for a purpose, and which fields of it',
  auth: reads(phiRead),
  limit: 'write',
  body: z.strictObject({ subject_id: subjectId, purpose: phiPurpose, fields: z.array(fieldPath).max(200).optional() }),
  responses: {
    200: z.object({
      allowed: z.boolean(),
      fields: z.array(z.string()),
      refused_fields: z.array(z.string()),
      basis: z.enum(['policy', 'client', 'break_glass']).nullable(),
      reason: z.enum(REFUSALS_OF_ACCESS).nullable(),
    }),
  },
});

export const logPhiAccessEndpoint = defineEndpoint({
  method: 'POST',
  path: '/v1/privacy/phi/accesses',
  operation: 'logPhiAccess',
  summary: 'Log a use of health data that your application made itself, by reference',
  auth: reads(phiWrite),
  idempotency: 'answer',
  limit: 'write',
  body: z.strictObject({ subject_id: subjectId, purpose: phiPurpose, action: z.enum(PHI_ACTIONS), reference }),
  responses: { 201: z.object({ event_id: z.string() }) },
});

export const listFieldPoliciesEndpoint = defineEndpoint({
  path: '/v1/privacy/policies',
  operation: 'listFieldPolicies',
  summary: 'List which fields each role may see for each purpose',
  auth: reads(phiManage),
  responses: { 200: z.object({ policies: z.array(fieldPolicyView) }) },
});

const policyPlace = z.strictObject({ role: roleName, purpose: phiPurpose });
export const setFieldPolicyEndpoint = defineEndpoint({
  method: 'PUT',
  path: '/v1/privacy/policies/{role}/{purpose}',
  operation: 'setFieldPolicy',
  summary: 'Set which fields a role may see for a purpose',
  auth: manages(phiManage),
  params: policyPlace,
  body: z.strictObject({ fields: fieldPaths, reason }),
  responses: { 200: fieldPolicyView },
  errors: [fieldPolicyUnknown],
});

export const deleteFieldPolicyEndpoint = defineEndpoint({
  ...setFieldPolicyEndpoint,
  method: 'POST',
  path: '/v1/privacy/policies/{role}/{purpose}/delete',
  operation: 'deleteFieldPolicy',
  summary: 'Delete a policy, so that the role sees nothing for the purpose',
  body: bodyReason,
  responses: { 204: null },
});

export const openBreakGlassEndpoint = defineEndpoint({
  method: 'POST',
  path: '/v1/privacy/break-glass',
  operation: 'openBreakGlass',
  summary: 'Open emergency access to the health data of one person; it expires, raises an incident and is reviewed',
  auth: { ...manages(phiBreakGlass), for: 'user' },
  idempotency: 'answer',
  limit: 'write',
  body: z.strictObject({ subject_id: subjectId, minutes: z.int().min(1).max(240).default(60), reason }),
  responses: { 201: breakGlassView },
  errors: [usersOnly],
});

export const listBreakGlassEndpoint = defineEndpoint({
  path: '/v1/privacy/break-glass',
  operation: 'listBreakGlass',
  summary: 'List emergency accesses, newest first',
  auth: reads(phiManage),
  query: z.strictObject({ ...pageQuery, reviewed: z.enum(['true', 'false']).optional() }),
  responses: { 200: z.object({ break_glass: z.array(breakGlassView), next: z.string().nullable() }) },
});

export const reviewBreakGlassEndpoint = defineEndpoint({
  method: 'POST',
  path: '/v1/privacy/break-glass/{break_glass_id}/review',
  operation: 'reviewBreakGlass',
  summary: 'Review the emergency access of another user, and end it if it is still open',
  auth: { ...manages(phiManage), for: 'user' },
  params: z.strictObject({ break_glass_id: z.uuid() }),
  body: z.strictObject({ outcome: z.enum(['justified', 'unjustified']), reason }),
  responses: { 200: breakGlassView },
  errors: [usersOnly, breakGlassUnknown, breakGlassReviewed],
});

export const listRestrictionsEndpoint = defineEndpoint({
  path: '/v1/privacy/subjects/{subject_id}/restrictions',
  operation: 'listRestrictions',
  summary: 'List the restrictions that a person asked for (45 CFR 164.522)',
  auth: reads(phiManage),
  params: ofSubject,
  responses: { 200: z.object({ restrictions: z.array(restrictionView) }) },
});

export const addRestrictionEndpoint = defineEndpoint({
  method: 'POST',
  path: '/v1/privacy/subjects/{subject_id}/restrictions',
  operation: 'addRestriction',
  summary: 'Deny every use of the health data of a person for these purposes, except in an emergency',
  auth: manages(phiManage),
  idempotency: 'answer',
  params: ofSubject,
  body: z.strictObject({ purposes: z.array(phiPurpose).min(1).max(8), reason }),
  responses: { 201: restrictionView },
  errors: [phiSubjectUnknown],
});

export const endRestrictionEndpoint = defineEndpoint({
  method: 'POST',
  path: '/v1/privacy/subjects/{subject_id}/restrictions/{restriction_id}/end',
  operation: 'endRestriction',
  summary: 'End a restriction',
  auth: manages(phiManage),
  params: z.strictObject({ subject_id: subjectId, restriction_id: z.uuid() }),
  body: bodyReason,
  responses: { 200: restrictionView },
  errors: [restrictionUnknown],
});

export const recordDisclosureEndpoint = defineEndpoint({
  method: 'POST',
  path: '/v1/privacy/subjects/{subject_id}/disclosures',
  operation: 'recordDisclosure',
  summary: 'Log a disclosure of health data to a third party (45 CFR 164.528)',
  auth: reads(phiWrite),
  idempotency: 'answer',
  limit: 'write',
  params: ofSubject,
  body: z.strictObject({
    purpose: phiPurpose,
    disclosed_at: z.iso.datetime(),
    recipient: text(512),
    description: text(2_048),
  }),
  responses: { 201: z.object({ disclosure_id: z.string() }) },
  errors: [phiSubjectUnknown],
});

export const listDisclosuresEndpoint = defineEndpoint({
  path: '/v1/privacy/subjects/{subject_id}/disclosures',
  operation: 'listDisclosures',
  summary: 'List the disclosures of six years, without treatment, payment and operations',
  auth: reads(phiManage),
  params: ofSubject,
  query: z.strictObject(pageQuery),
  responses: { 200: z.object({ disclosures: z.array(disclosureView), next: z.string().nullable() }) },
});

export const requestExportEndpoint = defineEndpoint({
  method: 'POST',
  path: '/v1/privacy/subjects/{subject_id}/export',
  operation: 'requestExport',
  summary: 'Export what Sallyport has about a person (45 CFR 164.524), by a job',
  auth: manages(phiManage),
  params: ofSubject,
  body: bodyReason,
  responses: { 202: privacyRequestView },
  errors: [phiSubjectUnknown],
});

export const requestDeletionEndpoint = defineEndpoint({
  ...requestExportEndpoint,
  errors: [...requestExportEndpoint.errors, subjectHeld],
  path: '/v1/privacy/subjects/{subject_id}/delete',
  operation: 'requestDeletion',
  summary: 'Destroy the keys of a person for good, by a job with a receipt',
});

const ofRequest = z.strictObject({ request_id: z.uuid() });
export const readPrivacyRequestEndpoint = defineEndpoint({
  path: '/v1/privacy/requests/{request_id}',
  operation: 'readPrivacyRequest',
  summary: 'Show the state of an export or a deletion, and its receipt',
  auth: reads(phiManage),
  params: ofRequest,
  responses: { 200: privacyRequestView },
  errors: [privacyRequestUnknown],
});

export const readExportEndpoint = defineEndpoint({
  ...readPrivacyRequestEndpoint,
  path: '/v1/privacy/requests/{request_id}/export',
  operation: 'readExport',
  summary: 'Download a finished export, within a week',
  /** The same data as `requestExport` gives, of level high. */
  auth: manages(phiManage),
  responses: { 200: z.object({ subject_id: z.string(), export: z.unknown() }) },
  errors: [privacyRequestUnknown, privacyRequestUnfinished],
});
