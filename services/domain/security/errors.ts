import { defineError } from '#services/platform/define/error.ts';

export const incidentUnknown = defineError({
  code: 'incident_unknown',
  status: 404,
  title: 'There is no such incident',
  cause: 'No incident has this id; closed ones go after six years.',
  fix: 'Look it up with GET /v1/admin/incidents.',
  retryable: false,
});

export const incidentClosed = defineError({
  code: 'incident_closed',
  status: 409,
  title: 'The incident is closed already',
  cause: 'A closed incident stays as it was closed; a new sighting opens another.',
  fix: 'Nothing: look for an open one of the same detection and subject.',
  retryable: false,
});

export const eventNotSetAside = defineError({
  code: 'event_not_set_aside',
  status: 404,
  title: 'No such event is set aside',
  cause: 'It was judged, is still tried by itself, or was never seen by a detection.',
  fix: 'Look it up with `sallyport incidents unjudged`.',
  retryable: false,
});

export const eventStreamsBusy = defineError({
  code: 'event_streams_busy',
  status: 503,
  title: 'This copy serves as many event streams as it may',
  cause: 'The number of open streams per copy is bounded.',
  fix: 'Try again after Retry-After, at another copy, or read GET /v1/audit/events.',
  retryable: true,
});

export const eventStreamsSpent = defineError({
  code: 'event_streams_spent',
  status: 429,
  title: 'This caller holds as many event streams as it may',
  cause: 'Open streams of one caller are bounded on each copy.',
  fix: 'Close streams that nobody reads; one carries every type.',
  retryable: true,
});
