import { defineError } from '#services/platform/define/error.ts';

export const auditEventUnknown = defineError({
  code: 'audit_event_unknown',
  status: 404,
  title: 'Event not found in the sealed log',
  cause: 'No event with this number has been sealed. Events of the last seconds may still be waiting to be sealed.',
  fix: 'Send the `seq` of an event from GET /v1/audit/events, or try again after a few seconds.',
});

/** A superuser of the database edited the row, its leaf, or its personal values. */
export const auditRowAltered = defineError({
  code: 'audit_row_altered',
  status: 500,
  title: 'Stored event differs from what was sealed',
  cause: 'The row, its sealed bytes or a personal value behind a commitment was changed in the database after sealing.',
  fix: 'Operators: run `sallyport audit verify`, and follow the runbook AuditRowAltered.',
});

export const auditProofPending = defineError({
  code: 'audit_proof_pending',
  status: 503,
  title: 'Event not covered by a signed checkpoint yet',
  cause: 'The event is sealed, but the next checkpoint has not been published.',
  fix: 'Retry after Retry-After. Operators: if this persists, run `sallyport audit verify`.',
});

export const auditLogEmpty = defineError({
  code: 'audit_log_empty',
  status: 404,
  title: 'No checkpoint published yet',
  cause: 'The log is new, or no worker seals it.',
  fix: 'Wait until the first event is sealed. Operators: check that a worker runs.',
  retryable: true,
});

export const auditTileUnknown = defineError({
  code: 'audit_tile_unknown',
  status: 404,
  title: 'Tile not found',
  cause: 'The path is not a tile path, or the tile is beyond the size of the newest checkpoint.',
  fix: 'Read the checkpoint, then tiles within its size (c2sp.org/tlog-tiles).',
});

export const auditOriginUnknown = defineError({
  code: 'audit_origin_unknown',
  status: 404,
  title: 'Log not found',
  cause: 'No log with this number exists.',
  fix: 'List the logs with GET /v1/audit/log/origins.',
});

/** The database lost part of the log, by tampering or a damaged disk. */
export const auditLogDamaged = defineError({
  code: 'audit_log_damaged',
  status: 500,
  title: 'Stored log does not match its Merkle tree',
  cause: 'A tile or an entry is missing or was changed in the database.',
  fix: 'Operators: run `sallyport audit verify`, which names the first damaged place, and follow the runbook AuditSealingStopped.',
});
