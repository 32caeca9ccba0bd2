import type { Finder } from '#services/core/shared/finder.store.ts';
import { readEventsOfParty } from '../event-filters.store.ts';
import { FIRST_PLACE, readPlacedEvent } from '../events.store.ts';
import { auditRead } from '../permissions.ts';
import { eventViewOf } from './event-view.ts';

const permission = auditRead.name;
const NUMBER = /^(?:0|[1-9]\d{0,14})$/;
const TRACE = /^[\da-f]{32}$/;

/** Sealed events by their number, and the requests that made events by their trace. */
export const auditFinders: readonly Finder[] = [
  {
    kind: 'event',
    permission,
    async find(sql, text) {
      const row = NUMBER.test(text) ? await readPlacedEvent(sql, Number(text)) : null;
      if (row === null) return [];
      const { type, occurred_at: detail } = eventViewOf(row);
      return [{ kind: 'event', id: text, label: type, detail, owner: null }];
    },
  },
  {
    kind: 'trace',
    permission,
    async find(sql, text) {
      const traceId = text.toLowerCase();
      if (!TRACE.test(traceId)) return [];
      const [newest] = await readEventsOfParty(sql, { traceId }, FIRST_PLACE.seq, 1);
      if (newest === undefined) return [];
      const { type, occurred_at: detail } = eventViewOf(newest);
      return [{ kind: 'trace', id: traceId, label: type, detail, owner: null }];
    },
  },
];
