import { createHash } from 'node:crypto';
import { canonicalJson, type Json } from '#services/core/audit/log/canonical-json.ts';
import { countsOfRow, type ImportRow } from './imports.store.ts';

/** What a certificate states of a run that has ended. The same run gives the same statement. */
export const statementOf = (row: ImportRow) => ({
  v: 1 as const,
  import_id: row.id,
  kind: row.kind,
  state: row.state,
  source: { sha256: row.source_sha256, bytes: row.source_bytes },
  map_sha256: row.map_sha256,
  users_sha256: row.users_sha256,
  records: row.position,
  counts: {
    ...countsOfRow(row),
    // A run of before counted neither: its sealed digest is of a statement without them.
    ...(row.factors_lost_count === null ? {} : { factors_lost: row.factors_lost_count }),
  },
  ...(row.notices === null ? {} : { notices: row.notices }),
  reject_reasons: row.reject_reasons,
  hash_formats: row.hash_formats,
  requested_by: `${row.actor_kind}:${row.actor_id ?? ''}`,
  reason: row.reason,
  started_at: row.created_at,
});

export const digestOfStatement = (statement: unknown): string =>
  createHash('sha256')
    .update(canonicalJson(statement as Json))
    .digest('hex');

export const statementDigest = (row: ImportRow): string => digestOfStatement(statementOf(row));
