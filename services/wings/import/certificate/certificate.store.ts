import type { Sql } from '#services/core/ports.ts';
import { defineStatement } from '#services/platform/define/statement.ts';

/** Index: the unique event of the sealed log. */
const sealedEventRead = defineStatement('importSealedEventRead')`
  SELECT seq, leaf FROM audit_events WHERE event_id = $1::uuid`;

/** The place and the bytes of an event in the sealed log; undefined while it waits to be sealed. */
export const readSealedEvent = async (
  sql: Sql,
  eventId: string,
): Promise<{ readonly seq: number; readonly leaf: Buffer } | undefined> =>
  (await sql.query<{ seq: number; leaf: Buffer }>(sealedEventRead, [eventId]))[0];
