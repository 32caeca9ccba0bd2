import { defineError } from '#services/platform/define/error.ts';

export const handoffUnknown = defineError({
  code: 'handoff_unknown',
  status: 404,
  title: 'Dead letter not found',
  cause: 'No event that was given up has this id: it was replayed, or is older than two weeks.',
  fix: 'GET /v1/handoff/dead-letters lists the events that were given up.',
});

export const siemTargetUnknown = defineError({
  code: 'siem_target_unknown',
  status: 404,
  title: 'SIEM target not found',
  cause: 'SIEM_TARGETS names no target with this name, or it has received nothing yet.',
  fix: 'GET /v1/siem/targets lists the targets. A new one appears after the next run of the export.',
});

export const siemPositionAhead = defineError({
  code: 'siem_position_ahead',
  status: 409,
  title: 'Position not reached yet',
  cause: 'The target does not have the events before this position yet, so nothing of it can be sent again.',
  fix: 'Name a position up to `reached_seq` of the target (GET /v1/siem/targets).',
});
