import { z } from 'zod';
import { bodyReason, manages, pageQuery, reads, reason } from '#services/core/access/admin-shapes.ts';
import { rightsExceeded } from '#services/core/authority/errors.ts';
import { component } from '#services/platform/define/component-names.ts';
import { endpointsOf } from '#services/platform/define/endpoint.ts';
import { storeUnavailable } from '#services/platform/errors.ts';
import {
  signalKeysUnavailable,
  signalsLimited,
  transmitterExists,
  transmitterInvalid,
  transmitterUnknown,
} from './errors.ts';
import { signalsManage, signalsRead } from './permissions.ts';
import { SET_ERRORS, SIGNAL_OUTCOMES, STREAM_STATES } from './signal-shapes.ts';
import { signalStreamUnknown } from './stream-errors.ts';

const defineEndpoint = endpointsOf('Shared signals');
const instant = z.iso.datetime();
const url = z.string().min(1).max(512);

const transmitterView = component('SignalTransmitter', {
  transmitter_id: z.uuid(),
  issuer: z.string(),
  jwks_uri: z.string(),
  audience: z.string(),
  provider: z.string().nullable(),
  match_email: z.boolean(),
  own_ids: z.boolean(),
  created_at: instant,
  /** Signals of the last 90 days, and when the last one arrived. */
  received: z.int(),
  last_received_at: instant.nullable(),
});
export type TransmitterView = z.output<typeof transmitterView>;

const newTransmitter = z.strictObject({
  /** `iss` of its events. */
  issuer: url,
  jwks_uri: url,
  /** `aud` of its events; our issuer by default. */
  audience: url.optional(),
  /** The provider of linked accounts whose ids are its subjects (`iss_sub` and `opaque`). */
  provider: z
    .string()
    .max(64)
    .regex(/^[a-z0-9][\w-]*$/)
    .optional(),
  /** Whether a subject may be an address (`email`): of the account that has verified it. */
  match_email: z.boolean().default(false),
  /** Whether a subject may be our own id of a user (`iss_sub` with our issuer), and so any user. */
  own_ids: z.boolean().default(false),
  reason,
});
export type NewTransmitter = z.output<typeof newTransmitter>;
const ofTransmitter = z.strictObject({ transmitter_id: z.uuid() });

export const createTransmitterEndpoint = defineEndpoint({
  method: 'POST',
  path: '/v1/admin/signal-transmitters',
  operation: 'createTransmitter',
  summary: 'Accept shared signals of a transmitter: its session-revoked and credential-change end access here',
  auth: manages(signalsManage),
  body: newTransmitter,
  idempotency: 'answer',
  responses: { 201: transmitterView },
  errors: [rightsExceeded, transmitterInvalid, transmitterExists],
});

export const listTransmittersEndpoint = defineEndpoint({
  path: '/v1/admin/signal-transmitters',
  operation: 'listTransmitters',
  summary: 'List the transmitters of shared signals',
  auth: reads(signalsRead),
  responses: { 200: z.object({ transmitters: z.array(transmitterView) }) },
});

export const removeTransmitterEndpoint = defineEndpoint({
  method: 'POST',
  path: '/v1/admin/signal-transmitters/{transmitter_id}/remove',
  operation: 'removeTransmitter',
  summary: 'Remove a transmitter: its signals are refused from now on',
  auth: manages(signalsManage),
  params: ofTransmitter,
  body: bodyReason,
  responses: { 200: transmitterView },
  errors: [transmitterUnknown],
});

const receivedSignalView = component('ReceivedSignal', {
  signal_id: z.uuid(),
  transmitter_id: z.uuid(),
  event: z.string(),
  outcome: z.enum(SIGNAL_OUTCOMES),
  received_at: instant,
});
export type ReceivedSignalView = z.output<typeof receivedSignalView>;

export const listReceivedSignalsEndpoint = defineEndpoint({
  path: '/v1/admin/signals',
  operation: 'listReceivedSignals',
  summary: 'List shared signals that arrived, newest first',
  auth: reads(signalsRead),
  query: z.strictObject(pageQuery),
  responses: { 200: z.object({ signals: z.array(receivedSignalView), next: z.string().nullable() }) },
});

const streamOverview = component('SignalStreamOverview', {
  stream_id: z.uuid(),
  /** Who created it, as `client:` and the id. */
  owner: z.string(),
  /** URN of RFC 8935 (push) or RFC 8936 (poll). */
  method: z.string(),
  /** Of push, without its query. */
  endpoint_url: z.string().nullable(),
  events: z.array(z.string()),
  description: z.string().nullable(),
  status: z.enum(STREAM_STATES),
  status_reason: z.string().nullable(),
  created_at: instant,
  /** Users whose events it does not get; it gets those of all others. */
  excluded_users: z.int(),
  /** Events planned for it that it has not accepted yet: of a user whose event failed, that one alone. */
  waiting: z.int(),
  /** Events that it did not accept in two weeks of attempts, or refused. */
  given_up: z.int(),
  /** The last event of the sealed log that was looked at for it; null before the first. */
  reached_seq: z.int().nullable(),
});
export type StreamOverview = z.output<typeof streamOverview>;
const ofStream = z.strictObject({ stream_id: z.uuid() });

export const listSignalStreamsEndpoint = defineEndpoint({
  path: '/v1/admin/signal-streams',
  operation: 'listSignalStreams',
  summary: 'List the streams of shared signals of every receiver, with what waits in them',
  auth: reads(signalsRead),
  responses: { 200: z.object({ streams: z.array(streamOverview) }) },
});

export const setSignalStreamStatusEndpoint = defineEndpoint({
  method: 'POST',
  path: '/v1/admin/signal-streams/{stream_id}/status',
  operation: 'setSignalStreamStatus',
  summary: 'Enable, pause or disable a stream of any receiver: a paused one keeps its events, a disabled one does not',
  auth: manages(signalsManage),
  params: ofStream,
  body: z.strictObject({ status: z.enum(STREAM_STATES), reason }),
  responses: { 200: streamOverview },
  errors: [signalStreamUnknown],
});

export const verifySignalStreamEndpoint = defineEndpoint({
  ...setSignalStreamStatusEndpoint,
  path: '/v1/admin/signal-streams/{stream_id}/verify',
  operation: 'verifySignalStream',
  summary: 'Send a verification event through a stream of any receiver',
  body: bodyReason,
});

/** RFC 8935 §2.3. */
const setError = z.object({ err: z.enum(SET_ERRORS), description: z.string() });
/** A signed Security Event Token (RFC 8417). */
const SET_CHARACTERS_MAX = 16_384;

export const receiveSignalEndpoint = defineEndpoint({
  method: 'POST',
  path: '/ssf/events',
  operation: 'receiveSignal',
  summary: 'Push a Security Event Token here (RFC 8935), as a transmitter that an administrator accepted',
  auth: 'public',
  bodyType: 'secevent',
  body: z.string().max(SET_CHARACTERS_MAX),
  responses: { 202: null, 400: setError },
  errors: [signalKeysUnavailable, signalsLimited, storeUnavailable],
});
