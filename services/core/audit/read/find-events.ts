import type { Sql } from '#services/core/ports.ts';
import type { Finder } from '#services/core/shared/finder.store.ts';
import { readEventsOfParty } from '../event-filters.store.ts';
import { FIRST_PLACE, readPlacedEvent } from '../events.store.ts';
import { auditRead } from '../permissions.ts';
import { eventViewOf } from './event-view.ts';

const NUMBER = /^(?:0|[1-9]\d{0,14})$/;
const TRACE = /^[\da-f]{32}$/;
type Row = Parameters<typeof eventViewOf>[0];

const finderOf = (kind: string, rowOf: (sql: Sql, id: string) => Promise<Row | null | undefined>): Finder => ({
  kind,
  permission: auditRead.name,
  async find(sql, text) {
    const id = text.toLowerCase();
    const row = await rowOf(sql, id);
    if (row == null) return [];
    const { type, occurred_at: detail } = eventViewOf(row);
    return [{ kind, id, label: type, detail, owner: null }];
  },
});

/** Sealed events by their number, and the requests that made events by their trace. */
export const auditFinders: readonly Finder[] = [
  finderOf('event', async (sql, id) => (NUMBER.test(id) ? readPlacedEvent(sql, Number(id)) : null)),
  finderOf('trace', async (sql, traceId) =>
    TRACE.test(traceId) ? (await readEventsOfParty(sql, { traceId }, FIRST_PLACE.seq, 1))[0] : null,
  ),
];
