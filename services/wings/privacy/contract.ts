import { z } from 'zod';
import { bodyReason, manages, reads } from '#services/core/access/admin-shapes.ts';
import { component } from '#services/platform/define/component-names.ts';
import { endpointsOf } from '#services/platform/define/endpoint.ts';
import { agentNotAccepted, stepUpRequired } from '#services/platform/errors.ts';
import { phiAccessRefused } from './access/access-errors.ts';
import { phiRotationUnknown, phiShredded, phiSubjectUnknown, phiUnreadable } from './errors.ts';
import { phiManage, phiRead, phiWrite } from './permissions.ts';
import { phiEnvelope, phiLevel, phiPurpose, subjectId } from './phi-shapes.ts';
import { subjectHeld } from './retention/retention-errors.ts';

const defineEndpoint = endpointsOf('Privacy', { limit: 'admin' });
const instant = z.iso.datetime();
/** A ciphertext is a third longer than its value in base64. */
const DECRYPT_BODY_BYTES = 163_840;

const phiRotationView = component('PhiRotation', {
  rotation_id: z.string(),
  state: z.enum(['running', 'done']),
  /** The key that data keys are wrapped under when it is done. */
  key_version: z.int(),
  /** Null until they are counted. */
  data_keys: z.int().nullable(),
  rewrapped: z.int(),
  started_at: instant,
  finished_at: instant.nullable(),
});
export type PhiRotationView = z.output<typeof phiRotationView>;

const phiKeyView = component('PhiKey', {
  key_version: z.int(),
  /** `current` wraps new data keys; `retiring` waits until every data key is re-wrapped. */
  state: z.enum(['current', 'retiring', 'destroyed']),
  created_at: instant,
  destroyed_at: instant.nullable(),
});
export type PhiKeyView = z.output<typeof phiKeyView>;

export const encryptPhiEndpoint = defineEndpoint({
  method: 'POST',
  path: '/v1/privacy/phi/encrypt',
  operation: 'encryptPhi',
  summary: 'Encrypt a JSON value about a person; the caller stores the result',
  auth: reads(phiWrite),
  limit: 'write',
  body: z.strictObject({
    subject_id: subjectId,
    purpose: phiPurpose,
    level: phiLevel.default('standard'),
    data: z.unknown(),
  }),
  responses: { 201: z.object({ encrypted: phiEnvelope }) },
});

export const decryptPhiEndpoint = defineEndpoint({
  method: 'POST',
  path: '/v1/privacy/phi/decrypt',
  operation: 'decryptPhi',
  summary: 'Decrypt the fields of a value that you need, for the purpose it was encrypted for',
  auth: reads(phiRead),
  limit: 'write',
  bodyLimit: DECRYPT_BODY_BYTES,
  body: z.strictObject({ purpose: phiPurpose, encrypted: phiEnvelope }),
  responses: { 200: z.object({ data: z.unknown() }) },
  // At level `high` a user must have signed in recently.
  errors: [stepUpRequired, agentNotAccepted, phiAccessRefused, phiUnreadable, phiShredded],
});

export const listPhiKeysEndpoint = defineEndpoint({
  path: '/v1/privacy/phi/keys',
  operation: 'listPhiKeys',
  summary: 'List the key-encryption keys of health data, and the last rotation',
  auth: reads(phiManage),
  responses: { 200: z.object({ keys: z.array(phiKeyView), rotation: phiRotationView.nullable() }) },
});

export const rotatePhiKeysEndpoint = defineEndpoint({
  method: 'POST',
  path: '/v1/privacy/phi/rotations',
  operation: 'rotatePhiKeys',
  summary: 'Rotate the key-encryption key; a job re-wraps every data key while values stay readable',
  auth: manages(phiManage),
  body: bodyReason,
  responses: { 202: phiRotationView },
});

export const readPhiRotationEndpoint = defineEndpoint({
  ...listPhiKeysEndpoint,
  path: '/v1/privacy/phi/rotations/{rotation_id}',
  operation: 'readPhiRotation',
  summary: 'Show the progress of a rotation',
  params: z.strictObject({ rotation_id: z.uuid() }),
  responses: { 200: phiRotationView },
  errors: [phiRotationUnknown],
});

export const shredPhiEndpoint = defineEndpoint({
  method: 'POST',
  path: '/v1/privacy/phi/subjects/{subject_id}/shred',
  operation: 'shredPhi',
  summary: 'Destroy the data keys of a person, so that no value encrypted for them can be decrypted again',
  auth: manages(phiManage),
  params: z.strictObject({ subject_id: subjectId }),
  body: bodyReason,
  responses: { 200: z.object({ subject_id: z.string(), destroyed_keys: z.int(), shredded_at: instant }) },
  errors: [phiSubjectUnknown, subjectHeld],
});
