import { z } from 'zod';
import { text } from '#services/core/access/admin-shapes.ts';
import { component } from '#services/platform/define/component-names.ts';
import { endpointsOf } from '#services/platform/define/endpoint.ts';
import type { Permission } from '#services/platform/define/permissions.ts';
import { ownCredentialRequired, storeUnavailable } from '#services/platform/errors.ts';
import { ssfManage, ssfRead } from './permissions.ts';
import { CAEP_EVENTS, STREAM_STATES } from './signal-shapes.ts';
import {
  signalStreamInvalid,
  signalStreamsMany,
  signalStreamUnknown,
  signalVerificationEarly,
} from './stream-errors.ts';

const defineEndpoint = endpointsOf('Shared signals');
export const PUSH = 'urn:ietf:rfc:8935';
export const POLL = 'urn:ietf:rfc:8936';

/** A client, or what holds a token or key, for streams of its own. */
const mayUse = ({ name }: Permission) =>
  ({ accepts: ['bearer', 'client'], for: 'anyone', permission: name, subject: 'own' }) as const;
/**
 * Where events go from now on: it lasts longer than the request, so a user must have authenticated recently (step-up). A
 * receiver's own credential is asked only for a push to an address that it has not registered, by the use-case.
 */
const mayDirect = (permission: Permission) => ({ ...mayUse(permission), stepUp: true, outlives: false }) as const;

const url = z.string().min(1).max(512);
const eventType = z.string().min(1).max(256);
const streamId = z.uuid();

export const readSsfConfigurationEndpoint = defineEndpoint({
  path: '/.well-known/ssf-configuration',
  operation: 'readSsfConfiguration',
  summary: 'Get the configuration of the transmitter of shared signals (SSF 1.0 §7)',
  auth: 'public',
  responses: {
    200: z.object({
      spec_version: z.string(),
      issuer: z.string(),
      jwks_uri: z.string(),
      delivery_methods_supported: z.array(z.string()),
      configuration_endpoint: z.string(),
      status_endpoint: z.string(),
      add_subject_endpoint: z.string(),
      remove_subject_endpoint: z.string(),
      verification_endpoint: z.string(),
      authorization_schemes: z.array(z.object({ spec_urn: z.string() })),
      default_subjects: z.string(),
    }),
  },
});

const delivery = z.strictObject({
  method: z.enum([PUSH, POLL]),
  /** Of push: where events go. Of poll the answer has it. */
  endpoint_url: url.optional(),
  /** Sent as `Authorization` with each push; never shown again. */
  authorization_header: text(1_024).optional(),
});

const streamView = component('SignalStream', {
  stream_id: streamId,
  iss: z.string(),
  aud: z.string(),
  events_supported: z.array(z.string()),
  events_requested: z.array(z.string()),
  events_delivered: z.array(z.string()),
  delivery: z.object({ method: z.string(), endpoint_url: z.string() }),
  description: z.string().optional(),
  /** Seconds. */
  min_verification_interval: z.int(),
  inactivity_timeout: z.int(),
});
export type StreamView = z.output<typeof streamView>;

const settings = {
  delivery: delivery.optional(),
  events_requested: z.array(eventType).max(50).optional(),
  description: text(256).optional(),
};
const newStream = z.strictObject(settings);
export type StreamInput = z.output<typeof newStream>;

const seconds = z.int().min(0);
const eventTypes = z.array(eventType).max(50);
/** What the transmitter sets: a receiver may send it back, unchanged (SSF 1.0 §8.1.1.3, §8.1.1.4). */
const supplied = z.strictObject({
  iss: url.optional(),
  aud: z.string().max(300).optional(),
  events_supported: eventTypes.optional(),
  events_delivered: eventTypes.optional(),
  min_verification_interval: seconds.optional(),
  inactivity_timeout: seconds.optional(),
});
export const SUPPLIED = Object.keys(supplied.shape) as (keyof typeof supplied.shape)[];
const changedStream = z.strictObject({ stream_id: streamId, ...supplied.shape, ...settings });
export type StreamChange = z.output<typeof changedStream>;

export const createStreamEndpoint = defineEndpoint({
  method: 'POST',
  path: '/ssf/streams',
  operation: 'createStream',
  summary: 'Create a stream of shared signals, pushed (RFC 8935) or polled (RFC 8936)',
  auth: mayDirect(ssfManage),
  body: newStream,
  responses: { 201: streamView },
  errors: [storeUnavailable, ownCredentialRequired, signalStreamInvalid, signalStreamsMany],
});

export const readStreamsEndpoint = defineEndpoint({
  path: '/ssf/streams',
  operation: 'readStreams',
  summary: 'Get a stream, or all of yours',
  auth: mayUse(ssfRead),
  query: z.strictObject({ stream_id: streamId.optional() }),
  responses: { 200: z.union([streamView, z.array(streamView)]) },
  errors: [storeUnavailable, signalStreamUnknown],
});

export const updateStreamEndpoint = defineEndpoint({
  method: 'PATCH',
  path: '/ssf/streams',
  operation: 'updateStream',
  summary: 'Change a stream; what is not named stays',
  auth: mayDirect(ssfManage),
  body: changedStream,
  responses: { 200: streamView },
  errors: [storeUnavailable, ownCredentialRequired, signalStreamInvalid, signalStreamUnknown],
});

export const replaceStreamEndpoint = defineEndpoint({
  ...updateStreamEndpoint,
  method: 'PUT',
  operation: 'replaceStream',
  summary: 'Replace the settings of a stream; what is not named is as in a new one',
});

export const deleteStreamEndpoint = defineEndpoint({
  method: 'DELETE',
  path: '/ssf/streams',
  operation: 'deleteStream',
  summary: 'Delete a stream, with what waits in it',
  auth: mayUse(ssfManage),
  query: z.strictObject({ stream_id: streamId }),
  responses: { 204: null },
  errors: [storeUnavailable, signalStreamUnknown],
});

const status = z.object({ stream_id: streamId, status: z.enum(STREAM_STATES), reason: z.string().optional() });
export type StreamStatus = z.output<typeof status>;

export const readStreamStatusEndpoint = defineEndpoint({
  ...readStreamsEndpoint,
  path: '/ssf/status',
  operation: 'readStreamStatus',
  summary: 'Get the status of a stream',
  query: z.strictObject({ stream_id: streamId }),
  responses: { 200: status },
});

export const updateStreamStatusEndpoint = defineEndpoint({
  method: 'POST',
  path: '/ssf/status',
  operation: 'updateStreamStatus',
  summary: 'Enable, pause or disable a stream: a paused one keeps its events, a disabled one does not',
  auth: mayUse(ssfManage),
  body: z.strictObject({ stream_id: streamId, status: z.enum(STREAM_STATES), reason: text(256).optional() }),
  responses: { 200: status },
  errors: [storeUnavailable, signalStreamUnknown],
});

const subjectBody = z.strictObject({
  stream_id: streamId,
  subject: z.looseObject({ format: z.string().max(64) }),
  verified: z.boolean().optional(),
});

export const addStreamSubjectEndpoint = defineEndpoint({
  method: 'POST',
  path: '/ssf/subjects/add',
  operation: 'addStreamSubject',
  summary: 'Receive the events of a subject again',
  auth: mayUse(ssfManage),
  body: subjectBody,
  responses: { 200: null },
  errors: [storeUnavailable, signalStreamUnknown],
});

export const removeStreamSubjectEndpoint = defineEndpoint({
  ...addStreamSubjectEndpoint,
  path: '/ssf/subjects/remove',
  operation: 'removeStreamSubject',
  summary: 'Receive no more events of a subject',
  responses: { 204: null },
});

export const verifyStreamEndpoint = defineEndpoint({
  method: 'POST',
  path: '/ssf/verify',
  operation: 'verifyStream',
  summary: 'Request a verification event through a stream',
  auth: mayUse(ssfManage),
  body: z.strictObject({ stream_id: streamId, state: text(255).optional() }),
  responses: { 204: null },
  errors: [storeUnavailable, signalStreamUnknown, signalVerificationEarly],
});

export const pollStreamEndpoint = defineEndpoint({
  method: 'POST',
  path: '/ssf/poll/{stream_id}',
  operation: 'pollStream',
  summary: 'Read the events of a stream, and acknowledge earlier ones (RFC 8936)',
  auth: mayUse(ssfManage),
  params: z.strictObject({ stream_id: streamId }),
  body: z.strictObject({
    maxEvents: z.int().min(0).max(1_000).default(100),
    /** Otherwise an answer without events waits for one, for at most 20 seconds. */
    returnImmediately: z.boolean().default(false),
    ack: z.array(z.uuid()).max(1_000).default([]),
    setErrs: z
      .record(z.uuid(), z.object({ err: z.string().max(64), description: z.string().max(512).optional() }))
      .default({}),
  }),
  responses: { 200: z.object({ sets: z.record(z.string(), z.string()), moreAvailable: z.boolean() }) },
  errors: [storeUnavailable, signalStreamUnknown],
});

export const EVENTS_SUPPORTED: readonly string[] = Object.values(CAEP_EVENTS);
