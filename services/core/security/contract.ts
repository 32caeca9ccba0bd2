import { z } from 'zod';
import { component } from '#services/platform/define/component-names.ts';
import { defineEndpoint } from '#services/platform/define/endpoint.ts';
import { shuttingDown } from '#services/platform/errors.ts';
import { bodyReason, manages, pageQuery, reads } from '../access/admin-shapes.ts';
import { auditRead } from '../audit/permissions.ts';
import { rightsExceeded } from '../authority/errors.ts';
import { userUnknown } from '../tokens/errors.ts';
import { eventStreamsBusy, eventStreamsSpent, incidentClosed, incidentUnknown } from './errors.ts';
import { INCIDENT_STATES, SEVERITIES, SUBJECT_KINDS } from './incident-shapes.ts';
import { incidentsManage, incidentsRead, usersUnlock } from './permissions.ts';

const INCIDENTS = 'Incidents';

const incidentView = component('Incident', {
  incident_id: z.string(),
  detection: z.string(),
  severity: z.enum(SEVERITIES),
  /** An `identifier` or `network` is a keyed hash. */
  subject: z.object({ kind: z.enum(SUBJECT_KINDS), id: z.string() }),
  state: z.enum(INCIDENT_STATES),
  /** Sightings since it was raised. */
  count: z.int(),
  first_seen_at: z.string(),
  last_seen_at: z.string(),
  detail: z.record(z.string(), z.unknown()),
  /** Actions that ran, by the policy of the detection. */
  actions: z.array(z.string()),
  reason: z.string().nullable(),
  changed_at: z.string().nullable(),
  changed_by: z.string().nullable(),
});
export type IncidentView = z.output<typeof incidentView>;

const byId = z.strictObject({ incident_id: z.uuid() });

export const listIncidentsEndpoint = defineEndpoint({
  path: '/v1/admin/incidents',
  operation: 'listIncidents',
  summary: 'List security incidents, most recently seen first',
  tag: INCIDENTS,
  auth: reads(incidentsRead),
  query: z.strictObject({
    ...pageQuery,
    state: z.enum(INCIDENT_STATES).optional(),
    severity: z.enum(SEVERITIES).optional(),
    detection: z
      .string()
      .max(64)
      .regex(/^[a-z_]+$/)
      .optional(),
    /** A user id, client id or keyed hash. */
    subject: z
      .string()
      .max(255)
      .regex(/^[\w.:@-]+$/)
      .optional(),
  }),
  responses: { 200: z.object({ incidents: z.array(incidentView), next: z.string().nullable() }) },
});

export const readIncidentEndpoint = defineEndpoint({
  path: '/v1/admin/incidents/{incident_id}',
  operation: 'readIncident',
  summary: 'Get an incident',
  tag: INCIDENTS,
  auth: reads(incidentsRead),
  params: byId,
  responses: { 200: incidentView },
  errors: [incidentUnknown],
});

export const acknowledgeIncidentEndpoint = defineEndpoint({
  ...readIncidentEndpoint,
  method: 'POST',
  path: '/v1/admin/incidents/{incident_id}/acknowledge',
  operation: 'acknowledgeIncident',
  summary: 'Acknowledge an incident',
  auth: manages(incidentsManage),
  body: bodyReason,
  errors: [incidentUnknown, incidentClosed],
});

export const closeIncidentEndpoint = defineEndpoint({
  ...acknowledgeIncidentEndpoint,
  path: '/v1/admin/incidents/{incident_id}/close',
  operation: 'closeIncident',
  summary: 'Close an incident; the next sighting raises a new one',
});

export const unlockUserEndpoint = defineEndpoint({
  method: 'POST',
  path: '/v1/admin/users/{user_id}/unlock',
  operation: 'unlockUser',
  summary: 'Unlock an account, so that its password works from any device again',
  tag: 'Users',
  auth: manages(usersUnlock),
  params: z.strictObject({
    user_id: z
      .string()
      .max(255)
      .regex(/^[\w-]+$/),
  }),
  body: bodyReason,
  /** Number of failed passwords counted before. */
  responses: { 200: z.object({ user_id: z.string(), failed_logins: z.int() }) },
  errors: [rightsExceeded, userUnknown],
});

const eventTypes = z
  .string()
  .max(1_024)
  .regex(/^[a-z_]+(\.[a-z_]+)+(,[a-z_]+(\.[a-z_]+)+){0,15}$/);

export const streamSecurityEventsEndpoint = defineEndpoint({
  path: '/v1/admin/events',
  operation: 'streamSecurityEvents',
  summary: 'Stream sealed security events as server-sent events; `id` is the seq, so Last-Event-ID resumes a stream',
  tag: INCIDENTS,
  auth: reads(auditRead),
  /** Event types separated by commas, at most 16; all types by default. */
  query: z.strictObject({ type: eventTypes.optional() }),
  responses: { 200: { contentType: 'text/event-stream', schema: z.string() } },
  errors: [eventStreamsBusy, eventStreamsSpent, shuttingDown],
});
