import { z } from 'zod';
import { OUTCOMES } from '#services/platform/define/audit-event.ts';
import { component } from '#services/platform/define/component-names.ts';
import { endpointsOf } from '#services/platform/define/endpoint.ts';
import { storeUnavailable } from '#services/platform/errors.ts';
import {
  auditEventUnknown,
  auditLogDamaged,
  auditLogEmpty,
  auditOriginUnknown,
  auditProofPending,
  auditRowAltered,
  auditTileUnknown,
} from './errors.ts';
import { auditRead } from './permissions.ts';

const defineEndpoint = endpointsOf('Audit');
const READER = {
  accepts: ['bearer', 'client', 'session'],
  for: 'anyone',
  permission: auditRead.name,
  subject: 'any',
} as const;
/** No control characters and no lone surrogates: PostgreSQL stores neither NUL nor lone surrogates. */
const text = (max: number) =>
  z
    .string()
    .min(1)
    .max(max)
    .regex(/^[^\p{Cc}\p{Cs}]*$/u);
const noQuery = z.strictObject({});

/** RFC 3339; microseconds are preserved. */
const instant = z.iso.datetime({ offset: true }).max(40);
const eventType = z
  .string()
  .max(64)
  .regex(/^[a-z_]+(\.[a-z_]+)+$/);

/** `kind:id`, as in `user:0199…`; the kind and the id of an actor or target. */
const party = z
  .string()
  .max(512)
  .regex(/^[a-z_]{1,32}:[^\p{Cc}\p{Cs}]+$/u);

export const auditEventView = component('AuditEvent', {
  /** Sequence number over all logs of the installation: 0, 1, 2 … without gaps. */
  seq: z.int(),
  event_id: z.uuid(),
  type: z.string(),
  outcome: z.string(),
  actor: z.object({ kind: z.string(), id: z.string().nullable() }),
  target: z.object({ kind: z.string(), id: z.string().nullable() }).nullable(),
  client_id: z.string().nullable(),
  detail: z.record(z.string(), z.unknown()),
  trace_id: z.string().nullable(),
  occurred_at: z.string(),
  sealed_at: z.string(),
  /** The stored row differs from what was sealed. Shown is what was sealed, or `unknown` if that was altered as well. */
  altered: z.literal(true).optional(),
});

export const listAuditEventsEndpoint = defineEndpoint({
  path: '/v1/audit/events',
  operation: 'listAuditEvents',
  summary:
    'List sealed security events, newest first, by seq; by occurred_at if `outcome`, `from` or `to` (inclusive) is given without `actor`, `target`, `client` or `trace`',
  reads: 'replica',
  auth: READER,
  query: z.strictObject({
    limit: z.int().min(1).max(1_000).default(50),
    cursor: z
      .string()
      .max(64)
      .regex(/^[\w-]+$/)
      .optional(),
    type: eventType.optional(),
    outcome: z.enum(OUTCOMES).optional(),
    actor: party.optional(),
    target: party.optional(),
    client: text(512).optional(),
    /** Trace id (W3C Trace Context), as responses with an error show it. */
    trace: z
      .string()
      .length(32)
      .regex(/^[0-9a-f]{32}$/)
      .optional(),
    from: instant.optional(),
    to: instant.optional(),
  }),
  responses: { 200: z.object({ events: z.array(auditEventView), next: z.string().nullable() }) },
});

/** Text that is not a number answers 404, like an unknown number. */
const bySeq = z.strictObject({ seq: z.string().max(32) });

export const readAuditEventEndpoint = defineEndpoint({
  path: '/v1/audit/events/{seq}',
  operation: 'readAuditEvent',
  summary: 'Read one event with its sealed bytes, its place in its log, and the stored values of its commitments',
  reads: 'replica',
  auth: READER,
  params: bySeq,
  responses: {
    200: auditEventView.extend({
      /** Base64 of the exact bytes that were sealed. */
      leaf: z.string(),
      origin: z.string(),
      /** Leaf number in that origin's tree. */
      index: z.int(),
      personal: z.array(z.object({ field: z.string(), salt: z.string(), value: z.string() })),
    }),
  },
  errors: [auditEventUnknown, auditRowAltered],
});

export const proveAuditEventEndpoint = defineEndpoint({
  path: '/v1/audit/events/{seq}/proof',
  operation: 'proveAuditEvent',
  summary: 'Prove that an event is in the log, with a signed checkpoint (c2sp.org/tlog-proof)',
  auth: READER,
  params: bySeq,
  responses: { 200: { contentType: 'text/plain; charset=utf-8' } },
  errors: [auditEventUnknown, auditProofPending, auditLogDamaged],
});

const TEXT = { 200: { contentType: 'text/plain; charset=utf-8' } } as const;
const TILE = { 200: { contentType: 'application/octet-stream' }, 304: null } as const;

/** Path of the log in use, and of each log by its number. */
const PREFIX = '/v1/audit/log';
const ORIGIN_PREFIX = '/v1/audit/log/origins/{origin}';
/** `number` of an entry of GET /v1/audit/log/origins. */
const origin = z.string().max(32);
const tile = z.string().max(64);

export const readLogCheckpointEndpoint = defineEndpoint({
  path: `${PREFIX}/checkpoint`,
  operation: 'readLogCheckpoint',
  summary: 'Read the newest signed head of the log (c2sp.org/tlog-checkpoint)',
  auth: 'public',
  limit: 'log',
  query: noQuery,
  responses: TEXT,
  errors: [auditLogEmpty, storeUnavailable],
  cacheControl: null,
});

export const readLogKeyEndpoint = defineEndpoint({
  ...readLogCheckpointEndpoint,
  path: `${PREFIX}/vkey`,
  operation: 'readLogKey',
  summary: 'Read the verifier keys of the log, one per line, to pin once over another channel',
});

export const readLogRotationsEndpoint = defineEndpoint({
  ...readLogKeyEndpoint,
  path: `${PREFIX}/key-rotations`,
  operation: 'readLogRotations',
  summary: 'Read the signed notes in which a key of the log names the key that replaces it, oldest first',
});

export const readLogTileEndpoint = defineEndpoint({
  ...readLogCheckpointEndpoint,
  path: `${PREFIX}/tile/{tile}`,
  rest: 'tile',
  operation: 'readLogTile',
  summary: 'Read hashes `<level>/<n>[.p/<width>]` or leaves `entries/<n>[.p/<width>]` of the log (c2sp.org/tlog-tiles)',
  params: z.strictObject({ tile }),
  responses: TILE,
  errors: [auditTileUnknown, auditLogEmpty, auditLogDamaged, storeUnavailable],
});

export const listLogOriginsEndpoint = defineEndpoint({
  ...readLogCheckpointEndpoint,
  path: `${PREFIX}/origins`,
  operation: 'listLogOrigins',
  summary: 'List every log of the installation, oldest first: a new log begins only after leaves were lost',
  responses: {
    200: z.object({
      origins: z.array(
        z.object({
          number: z.int(),
          origin: z.string(),
          first_seq: z.int(),
          size: z.int(),
          started_at: z.string(),
          closed_at: z.string().nullable(),
          previous: z.string().nullable(),
        }),
      ),
    }),
  },
  errors: [storeUnavailable],
});

const ofOrigin = z.strictObject({ origin });

export const readOriginCheckpointEndpoint = defineEndpoint({
  ...readLogCheckpointEndpoint,
  path: `${ORIGIN_PREFIX}/checkpoint`,
  operation: 'readOriginCheckpoint',
  summary: 'Read the newest signed head of one log of the installation',
  params: ofOrigin,
  errors: [auditOriginUnknown, auditLogEmpty, storeUnavailable],
});

export const readOriginKeyEndpoint = defineEndpoint({
  ...readLogKeyEndpoint,
  path: `${ORIGIN_PREFIX}/vkey`,
  operation: 'readOriginKey',
  summary: 'Read the keys that sign, or signed, one log',
  params: ofOrigin,
  errors: [auditOriginUnknown, auditLogEmpty, storeUnavailable],
});

export const readOriginRotationsEndpoint = defineEndpoint({
  ...readLogRotationsEndpoint,
  path: `${ORIGIN_PREFIX}/key-rotations`,
  operation: 'readOriginRotations',
  summary: 'Read the notes of the log’s keys over their successors, which hold for every log of the installation',
  params: ofOrigin,
  errors: [auditOriginUnknown, auditLogEmpty, storeUnavailable],
});

export const readOriginTileEndpoint = defineEndpoint({
  ...readLogTileEndpoint,
  path: `${ORIGIN_PREFIX}/tile/{tile}`,
  operation: 'readOriginTile',
  summary: 'Read hashes or leaves of one log; this address stays with that log',
  params: z.strictObject({ origin, tile }),
  errors: [auditOriginUnknown, auditTileUnknown, auditLogEmpty, auditLogDamaged, storeUnavailable],
});
