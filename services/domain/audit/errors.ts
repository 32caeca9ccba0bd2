import { defineError } from '#services/platform/define/error.ts';

export const auditEventUnknown = defineError({
  code: 'audit_event_unknown',
  status: 404,
  title: 'There is no such event in the sealed log',
  cause: 'No event with this number has been sealed; what happened in the last seconds may still wait for it.',
  fix: 'Take a `seq` from GET /v1/audit/events.',
  retryable: false,
});

export const auditProofPending = defineError({
  code: 'audit_proof_pending',
  status: 503,
  title: 'No signed checkpoint covers the event yet',
  cause: 'The event is sealed, and the checkpoint after it has not been published.',
  fix: 'Try again after Retry-After; operators: see `sallyport audit verify` where it stays so.',
  retryable: true,
});

export const auditLogEmpty = defineError({
  code: 'audit_log_empty',
  status: 404,
  title: 'No checkpoint has been published yet',
  cause: 'The log has just been started, or nothing seals it.',
  fix: 'Wait for the first event to be sealed; operators: see that a worker runs.',
  retryable: true,
});

export const auditTileUnknown = defineError({
  code: 'audit_tile_unknown',
  status: 404,
  title: 'The log has no such tile',
  cause: 'The path is not that of a tile, or lies beyond the size of the newest checkpoint.',
  fix: 'Read the checkpoint, then tiles within its size (c2sp.org/tlog-tiles).',
  retryable: false,
});

export const auditOriginUnknown = defineError({
  code: 'audit_origin_unknown',
  status: 404,
  title: 'There is no such log',
  cause: 'No log with this number was ever started.',
  fix: 'See GET /v1/audit/log/origins.',
  retryable: false,
});

/** What the log has lost of itself: tampering, or a damaged disk. */
export const auditLogDamaged = defineError({
  code: 'audit_log_damaged',
  status: 500,
  title: 'The stored log does not fit its own tree',
  cause: 'A tile or an entry is missing or was changed in the database.',
  fix: 'Operators: `sallyport audit verify` names the place.',
  retryable: false,
});
