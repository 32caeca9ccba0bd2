import { defineError } from '#services/platform/define/error.ts';

export const handoffUnknown = defineError({
  code: 'handoff_unknown',
  status: 404,
  title: 'Dead letter not found',
  cause: 'No event that was given up has this id: it was replayed, or is older than two weeks.',
  fix: 'GET /v1/handoff/dead-letters lists the events that were given up.',
  retryable: false,
});
