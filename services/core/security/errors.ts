import { defineError } from '#services/platform/define/error.ts';

export const incidentUnknown = defineError({
  code: 'incident_unknown',
  status: 404,
  title: 'Incident not found',
  cause: 'No incident has this id; closed incidents are deleted after six years.',
  fix: 'GET /v1/admin/incidents lists the incidents.',
});

export const incidentClosed = defineError({
  code: 'incident_closed',
  status: 409,
  title: 'Incident already closed',
  cause: 'A closed incident cannot be changed; the next sighting raises a new incident.',
  fix: 'Look for an open incident with the same detection and subject.',
});

export const eventNotSetAside = defineError({
  code: 'event_not_set_aside',
  status: 404,
  title: 'Event not set aside',
  cause: 'The event has been evaluated, is still being retried automatically, or is of a type that no detection reads.',
  fix: 'List the events that can be retried with `sallyport incidents unjudged`.',
});

export const eventStreamsBusy = defineError({
  code: 'event_streams_busy',
  status: 503,
  title: 'Too many event streams on this API process',
  cause: 'Each API process limits its number of open event streams, and the limit is reached.',
  fix: 'Retry after Retry-After (another API process may have room), or poll GET /v1/audit/events.',
});

export const eventStreamsSpent = defineError({
  code: 'event_streams_spent',
  status: 429,
  title: 'Too many event streams of this caller',
  cause: 'Each API process limits the open event streams of one caller, and the limit is reached.',
  fix: 'Close unused streams; one stream can carry all event types.',
});
