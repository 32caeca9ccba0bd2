import type { Sql } from '#services/core/ports.ts';
import { placeTime } from '#services/core/shared/pagination.ts';
import { definePurge } from '#services/core/shared/purge.store.ts';
import { selectOf } from '#services/platform/define/record.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import { type SilenceView, silenceView } from './contract.ts';

export type SilenceRow = Omit<SilenceView, 'matchers'> & { readonly matchers: Readonly<Record<string, string>> };

const SILENCE = selectOf(silenceView.shape, {
  silence_id: 'id',
  until: placeTime('until'),
  created_at: placeTime('created_at'),
  is_active: 'ended_at IS NULL AND until > clock_timestamp()',
});

const silenceInsert = defineStatement('alertSilenceInsert')`
  INSERT INTO alert_silences (id, matchers, until, reason, created_by) VALUES ($1, $2::jsonb, $3, $4, $5)
  RETURNING ${SILENCE}`;
const silenceEnd = defineStatement('alertSilenceEnd')`
  UPDATE alert_silences SET ended_at = clock_timestamp()
  WHERE id = $1 AND ended_at IS NULL AND until > clock_timestamp() RETURNING ${SILENCE}`;
/** Index: alert_silences_until. */
const silencesPage = defineStatement('alertSilencesPage')`
  SELECT ${SILENCE} FROM alert_silences s
  WHERE $1::timestamptz IS NULL OR (s.until, s.id) < ($1, $2::uuid)
  ORDER BY s.until DESC, s.id DESC LIMIT $3`;

/** Index: alert_silences_until. */
export const silencePurge = definePurge({ table: 'alert_silences', ends: 'until', stays: `interval '180 days'` });

export const insertSilence = async (
  tx: Sql,
  row: Pick<SilenceRow, 'silence_id' | 'matchers' | 'until' | 'reason' | 'created_by'>,
): Promise<SilenceRow> =>
  (
    await tx.query<SilenceRow>(silenceInsert, [
      row.silence_id,
      JSON.stringify(row.matchers),
      row.until,
      row.reason,
      row.created_by,
    ])
  )[0] as SilenceRow;
/** Undefined if it is gone or has ended. */
export const endSilenceRow = async (tx: Sql, id: string): Promise<SilenceRow | undefined> =>
  (await tx.query<SilenceRow>(silenceEnd, [id]))[0];
export const readSilencesPage = (
  sql: Sql,
  after: readonly string[] | undefined,
  limit: number,
): Promise<SilenceRow[]> => sql.query<SilenceRow>(silencesPage, [after?.[0] ?? null, after?.[1] ?? null, limit]);
