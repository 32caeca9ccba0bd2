import { recordEvent } from '#services/core/audit/record-event.ts';
import { actorNameOf } from '#services/core/authority/names.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import { PLACE, pageOf, placeOfCursor } from '#services/core/shared/pagination.ts';
import { changeAlertRow, lockAlert, readAlertsPage } from './alerts.store.ts';
import { alertChanged } from './audit-events.ts';
import type { AlertView } from './contract.ts';
import { alertResolved, alertUnknown } from './errors.ts';

const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;

type ListInput = {
  readonly limit: number;
  readonly cursor?: string | undefined;
  readonly state?: string | undefined;
  readonly source?: string | undefined;
};

/** Newest first, one page at a time. Throws `cursor_invalid` (400). */
export async function listAlerts(
  { sql }: Pick<Ports, 'sql'>,
  { limit, cursor, ...filter }: ListInput,
): Promise<{ readonly alerts: AlertView[]; readonly next: string | null }> {
  const after = placeOfCursor(cursor, [PLACE.time, UUID]);
  const rows = await readAlertsPage(sql, filter, after, limit + 1);
  const { items, next } = pageOf(rows, limit, (row) => [row.raised_at, row.alert_id]);
  return { alerts: items, next };
}

type Change = { readonly alert_id: string; readonly reason: string };

async function change(
  { transact }: Pick<Ports, 'transact'>,
  { alert_id: id, reason }: Change,
  caller: Caller,
  state: 'acknowledged' | 'resolved',
): Promise<AlertView> {
  return transact(async (tx) => {
    const before = await lockAlert(tx, id);
    if (before === undefined) throw alertUnknown();
    if (before === 'resolved') throw alertResolved();
    const row = await changeAlertRow(tx, id, state, actorNameOf(caller));
    const detail = { alert_id: id, source: row.source, name: row.name, reason };
    await recordEvent(tx, caller, alertChanged, { outcome: state, detail });
    return row;
  });
}

/** Marks an alert as being looked at: targets that were not told of it yet are not told. Throws `alert_unknown` (404), `alert_resolved` (409). */
export const acknowledgeAlert = (ports: Pick<Ports, 'transact'>, input: Change, caller: Caller): Promise<AlertView> =>
  change(ports, input, caller, 'acknowledged');

/** Ends an alert whose source will not say that it ended. Throws as above. */
export const resolveAlert = (ports: Pick<Ports, 'transact'>, input: Change, caller: Caller): Promise<AlertView> =>
  change(ports, input, caller, 'resolved');
