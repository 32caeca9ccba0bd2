import { defineError } from '#services/platform/define/error.ts';

export const incidentUnknown = defineError({
  code: 'incident_unknown',
  status: 404,
  title: 'Incident not found',
  cause: 'No incident has this id; closed incidents are deleted after six years.',
  fix: 'GET /v1/admin/incidents lists the incidents.',
  retryable: false,
});

export const incidentClosed = defineError({
  code: 'incident_closed',
  status: 409,
  title: 'Incident already closed',
  cause: 'A closed incident cannot be changed; a new sighting raises a new one.',
  fix: 'Look for an open incident with the same detection and subject.',
  retryable: false,
});

export const eventNotSetAside = defineError({
  code: 'event_not_set_aside',
  status: 404,
  title: 'Event not set aside',
  cause: 'The event has been evaluated, is still retried automatically, or is not one that detections read.',
  fix: 'List the events with `sallyport incidents unjudged`.',
  retryable: false,
});

export const eventStreamsBusy = defineError({
  code: 'event_streams_busy',
  status: 503,
  title: 'Too many event streams on this copy',
  cause: 'Each copy limits its number of open event streams, and the limit is reached.',
  fix: 'Retry after Retry-After or on another copy, or poll GET /v1/audit/events.',
  retryable: true,
});

export const eventStreamsSpent = defineError({
  code: 'event_streams_spent',
  status: 429,
  title: 'Too many event streams of this caller',
  cause: 'Each copy limits the open event streams per caller, and the limit is reached.',
  fix: 'Close unused streams; one stream can carry all event types.',
  retryable: true,
});
