import { z } from 'zod';
import { reads, reason } from '#services/core/access/admin-shapes.ts';
import { component } from '#services/platform/define/component-names.ts';
import { endpointsOf } from '#services/platform/define/endpoint.ts';
import { phiWrite } from '../permissions.ts';
import { phiPurpose, subjectId } from '../phi-shapes.ts';

const defineEndpoint = endpointsOf('Privacy');
const instant = z.iso.datetime();
const params = z.strictObject({ subject_id: subjectId });
const terms = z.string().regex(/^[\w.-]{1,64}$/);

export const consentView = component('UserConsent', {
  consent_id: z.string(),
  purpose: phiPurpose,
  version: z.int(),
  granted: z.boolean(),
  terms: z.string(),
  recorded_at: instant,
});

export const recordConsentEndpoint = defineEndpoint({
  method: 'POST',
  path: '/v1/privacy/consents',
  operation: 'recordUserConsent',
  summary: 'Add a decision of a person: consent for a purpose, or its refusal',
  auth: reads(phiWrite),
  idempotency: 'answer',
  body: z.strictObject({ subject_id: subjectId, purpose: phiPurpose, granted: z.boolean(), terms }),
  responses: { 201: consentView },
});

export const withdrawConsentEndpoint = defineEndpoint({
  method: 'POST',
  path: '/v1/privacy/consents/withdraw',
  operation: 'withdrawUserConsent',
  summary: 'Withdraw the consents of a person; uses that need one stop',
  auth: reads(phiWrite),
  body: z.strictObject({ subject_id: subjectId, purposes: z.array(phiPurpose).min(1).max(8).optional(), reason }),
  responses: { 200: z.object({ withdrawn: z.array(consentView) }) },
});

export const listConsentsEndpoint = defineEndpoint({
  path: '/v1/privacy/subjects/{subject_id}/consents',
  operation: 'listUserConsents',
  summary: 'List every decision of a person, newest first',
  auth: reads(phiWrite),
  params,
  responses: { 200: z.object({ consents: z.array(consentView) }) },
});

export const validateConsentEndpoint = defineEndpoint({
  path: '/v1/privacy/subjects/{subject_id}/consents/{purpose}',
  operation: 'validateUserConsent',
  summary: 'Check whether a person consents to a purpose now',
  auth: reads(phiWrite),
  params: z.strictObject({ subject_id: subjectId, purpose: phiPurpose }),
  responses: { 200: z.object({ granted: z.boolean() }) },
});
