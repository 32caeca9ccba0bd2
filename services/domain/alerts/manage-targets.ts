import { recordEvent } from '../audit/record-event.ts';
import { normaliseEmail } from '../identity/users/email.ts';
import { alertTargetContext } from '../keys/secrets/sealed-contexts.ts';
import type { Caller, Ports } from '../ports.ts';
import { SEVERITIES } from '../security/incident-shapes.ts';
import { PLACE, pageOf, placeOfCursor } from '../shared/pagination.ts';
import { alertTargetChanged, alertTargetTested } from './audit-events.ts';
import type { AlertDeliveryView, AlertTargetView, NewAlertTarget } from './contract.ts';
import { alertTargetExists, alertTargetInvalid, alertTargetUnknown } from './errors.ts';
import { insertTest, readDeliveriesPage, readDelivery } from './notices.store.ts';
import { isTimeZone } from './quiet-hours.ts';
import { deleteTarget, insertTarget, type ListedTarget, listTargetRows } from './targets.store.ts';

/** A message for each of them is planned in one run of a job. */
const TARGETS_MAX = 20;
const MAIL = /^[^\s@,;<>"]{1,64}@[^\s@,;<>"]{1,189}$/;

const viewOf = (row: ListedTarget): AlertTargetView => ({
  target_id: row.id,
  name: row.name,
  kind: row.kind,
  destination: row.shown,
  sources: [...row.sources],
  min_severity: row.severities[0] ?? 'low',
  quiet_from: row.quietFrom,
  quiet_until: row.quietUntil,
  time_zone: row.timeZone,
  escalates_to: row.escalatesTo,
  escalates_after_minutes: row.escalatesAfterMinutes,
  only_escalated: row.onlyEscalated,
  is_down: row.failures > 0 && row.isOpen,
  waiting: row.waiting,
  created_at: row.createdAt,
});

type Address = { readonly address: string; readonly shown: string };

/** The address as it is used, and what of it may be shown: the path of a Slack webhook is a secret. */
function addressOf({ kind, url, to }: Pick<NewAlertTarget, 'kind' | 'url' | 'to'>): Address {
  if (kind === 'mail') {
    const address = normaliseEmail(to ?? '');
    if (url !== undefined || !MAIL.test(address))
      throw alertTargetInvalid({ detail: 'A target of the kind mail has `to`, a mail address, and no `url`.' });
    return { address, shown: address };
  }
  const parsed = to === undefined && url !== undefined && URL.canParse(url) ? new URL(url) : undefined;
  const isWeb = parsed?.protocol === 'https:' || parsed?.protocol === 'http:';
  if (parsed === undefined || !isWeb || parsed.username !== '' || parsed.password !== '' || parsed.hash !== '')
    throw alertTargetInvalid({
      detail: `A target of the kind ${kind} has \`url\`, an https URL without credentials and fragment, and no \`to\`.`,
    });
  const shown = kind === 'slack' ? `${parsed.origin}/…` : `${parsed.origin}${parsed.pathname}${parsed.search && '?…'}`;
  return { address: parsed.href, shown: shown.slice(0, 512) };
}

async function one(ports: Pick<Ports, 'sql'>, id: string): Promise<ListedTarget> {
  const [row] = await listTargetRows(ports.sql, id);
  if (row === undefined) throw alertTargetUnknown();
  return row;
}

/** Throws `alert_target_invalid` (400), `alert_target_exists` (409). */
export async function createAlertTarget(
  { transact, random, vault }: Pick<Ports, 'transact' | 'random' | 'vault'>,
  input: NewAlertTarget,
  caller: Caller,
): Promise<AlertTargetView> {
  const { address, shown } = addressOf(input);
  const { kind, quiet_from: quietFrom, quiet_until: quietUntil, time_zone: timeZone, escalates_to: next } = input;
  if (!isTimeZone(timeZone)) throw alertTargetInvalid({ detail: `There is no time zone ${timeZone}.` });
  if ((quietFrom === undefined) !== (quietUntil === undefined))
    throw alertTargetInvalid({ detail: 'Quiet hours have a beginning and an end.' });
  const id = random.uuid();
  const name = input.name ?? `${kind}-${id.slice(-8)}`;
  const sealed = vault.seal(Buffer.from(address), alertTargetContext(id));
  return transact(async (tx) => {
    if (next !== undefined && (await listTargetRows(tx, next)).length === 0)
      throw alertTargetInvalid({ detail: 'The target to which it escalates does not exist.' });
    const row = {
      id,
      name,
      kind,
      sealed,
      shown,
      sources: [...new Set(input.sources)],
      severities: SEVERITIES.slice(SEVERITIES.indexOf(input.min_severity)),
      quietFrom: quietFrom ?? null,
      quietUntil: quietUntil ?? null,
      timeZone,
      escalatesTo: next ?? null,
      escalatesAfterMinutes: next === undefined ? null : input.escalates_after_minutes,
      onlyEscalated: input.only_escalated,
    };
    if (!(await insertTarget(tx, row, TARGETS_MAX))) throw alertTargetExists();
    await recordEvent(tx, caller, alertTargetChanged, {
      outcome: 'created',
      detail: { target_id: id, kind, name, reason: input.reason },
    });
    return viewOf(await one({ sql: tx }, id));
  });
}

export const listAlertTargets = async ({
  sql,
}: Pick<Ports, 'sql'>): Promise<{ readonly targets: AlertTargetView[] }> => ({
  targets: (await listTargetRows(sql)).map(viewOf),
});

type OneTarget = { readonly target_id: string };

/** Throws `alert_target_unknown` (404). */
export const readAlertTarget = async (
  { sql }: Pick<Ports, 'sql'>,
  { target_id: id }: OneTarget,
): Promise<AlertTargetView> => viewOf(await one({ sql }, id));

/** Throws `alert_target_unknown` (404). */
export function removeAlertTarget(
  { transact }: Pick<Ports, 'transact'>,
  { target_id: id, reason }: OneTarget & { readonly reason: string },
  caller: Caller,
): Promise<AlertTargetView> {
  return transact(async (tx) => {
    const row = await one({ sql: tx }, id);
    await deleteTarget(tx, id);
    const detail = { target_id: id, kind: row.kind, name: row.name, reason };
    await recordEvent(tx, caller, alertTargetChanged, { outcome: 'removed', detail });
    return viewOf(row);
  });
}

/** Queues a test message; a test that still waits is tried again instead. Throws `alert_target_unknown` (404). */
export function testAlertTarget(
  { transact, random }: Pick<Ports, 'transact' | 'random'>,
  { target_id: id, reason }: OneTarget & { readonly reason?: string | undefined },
  caller: Caller,
): Promise<AlertDeliveryView> {
  return transact(async (tx) => {
    const { name } = await one({ sql: tx }, id);
    const deliveryId = await insertTest(tx, random.uuid(), id);
    await recordEvent(tx, caller, alertTargetTested, { outcome: 'ok', detail: { target_id: id, name, reason } });
    return readDelivery(tx, deliveryId);
  });
}

/** Newest first, one page at a time. Throws `alert_target_unknown` (404), `cursor_invalid` (400). */
export async function listAlertDeliveries(
  { sql }: Pick<Ports, 'sql'>,
  { target_id: id, limit, cursor }: OneTarget & { readonly limit: number; readonly cursor?: string | undefined },
): Promise<{ readonly deliveries: AlertDeliveryView[]; readonly next: string | null }> {
  const after = placeOfCursor(cursor, [PLACE.time, PLACE_UUID]);
  await one({ sql }, id);
  const rows = await readDeliveriesPage(sql, id, after, limit + 1);
  const { items, next } = pageOf(rows, limit, (row) => [row.created_at, row.delivery_id]);
  return { deliveries: items, next };
}

const PLACE_UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;
