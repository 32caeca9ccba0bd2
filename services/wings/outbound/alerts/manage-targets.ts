import { recordEvent } from '#services/core/audit/record-event.ts';
import { alertTargetContext } from '#services/core/keys/secrets/sealed-contexts.ts';
import type { Caller, Ports, Tx } from '#services/core/ports.ts';
import { PLACE, pageOf, placeOfCursor } from '#services/core/shared/pagination.ts';
import { alertTargetChanged, alertTargetTested } from './audit-events.ts';
import type { AlertDeliveryView, AlertTargetChanges, AlertTargetView, NewAlertTarget } from './contract.ts';
import { alertTargetExists, alertTargetInvalid, alertTargetUnknown } from './errors.ts';
import { failureWords } from './failure-words.ts';
import { type DeliveryFacts, insertTest, readDeliveriesPage, readDelivery } from './notices.store.ts';
import { addressOf, columnsOf } from './target-settings.ts';
import {
  type AddressRow,
  deleteTarget,
  insertTarget,
  keepForLastWord,
  listTargetRows,
  lockTargets,
  targetCircuit,
  updateTarget,
} from './targets.store.ts';

/** A message for each of them is planned in one run of a job. */
const TARGETS_MAX = 20;

async function one(ports: Pick<Ports, 'sql'>, id: string): Promise<AlertTargetView> {
  const [row] = await listTargetRows(ports.sql, id);
  if (row === undefined) throw alertTargetUnknown();
  return row;
}

function known(targets: readonly AddressRow[], id: string): AddressRow {
  const row = targets.find((each) => each.id === id);
  if (row === undefined) throw alertTargetUnknown();
  return row;
}

export type HasAlertAddresses = {
  readonly alertAddresses: {
    /** Why no message could ever be sent there, by code; undefined if one could. */
    refusalOf(url: string): Promise<string | undefined>;
  };
};

/** What cannot be delivered to is refused here, not at the first alert. Before the transaction: it asks name servers. */
async function assertDeliverable(
  alertAddresses: HasAlertAddresses['alertAddresses'],
  url: string | undefined,
): Promise<void> {
  if (url === undefined || !URL.canParse(url)) return;
  const code = await alertAddresses.refusalOf(url);
  if (code !== undefined) throw alertTargetInvalid({ detail: failureWords(code) ?? code });
}

/** Throws `alert_target_invalid` (400), `alert_target_exists` (409). */
export async function createAlertTarget(
  { transact, random, vault, alertAddresses }: Pick<Ports, 'transact' | 'random' | 'vault'> & HasAlertAddresses,
  input: NewAlertTarget,
  caller: Caller,
): Promise<AlertTargetView> {
  const { address, shown } = addressOf(input);
  await assertDeliverable(alertAddresses, input.url);
  const { kind } = input;
  const id = random.uuid();
  const name = input.name ?? `${kind}-${id.slice(-8)}`;
  const sealed = vault.seal(Buffer.from(address), alertTargetContext(id));
  return transact(async (tx) => {
    const columns = { ...columnsOf({ ...input, name }), id, kind, sealed, shown };
    if (!(await insertTarget(tx, columns, TARGETS_MAX))) throw alertTargetExists();
    await recordEvent(tx, caller, alertTargetChanged, {
      outcome: 'created',
      detail: { target_id: id, kind, name, reason: input.reason },
    });
    return one({ sql: tx }, id);
  });
}

/** The person who removes or moves every target does not do it in silence: who was told until now hears of it. */
async function leaveAddress(
  tx: Tx,
  { random, vault }: Pick<Ports, 'random' | 'vault'>,
  { id, kind, sealed, shown }: AddressRow,
): Promise<void> {
  const lastId = random.uuid();
  const address = vault.seal(vault.open(sealed, alertTargetContext(id)), alertTargetContext(lastId));
  if (!(await keepForLastWord(tx, { id: lastId, kind, sealed: address, shown }))) throw alertTargetExists();
}

/**
 * Changes a target. Messages that wait are sent to the new address; alerts that began while it existed, still last and fit
 * only now are sent too. A target that was down is tried at once if its address changed.
 * Throws `alert_target_invalid` (400), `alert_target_unknown` (404), `alert_target_exists` (409).
 */
export async function updateAlertTarget(
  { transact, random, vault, alertAddresses }: Pick<Ports, 'transact' | 'random' | 'vault'> & HasAlertAddresses,
  input: OneTarget & AlertTargetChanges & { readonly reason: string },
  caller: Caller,
): Promise<AlertTargetView> {
  await assertDeliverable(alertAddresses, input.url);
  const { target_id: id, reason, ...asked } = input;
  return transact(async (tx) => {
    const targets = await lockTargets(tx);
    const before = known(targets, id);
    if (targets.some((other) => other.id !== id && other.name === asked.name)) throw alertTargetExists();
    const isMoved = input.url !== undefined || input.to !== undefined;
    const moved = isMoved ? addressOf({ kind: before.kind, url: input.url, to: input.to }) : undefined;
    const sealed = moved && vault.seal(Buffer.from(moved.address), alertTargetContext(id));
    await updateTarget(tx, id, { ...columnsOf(asked), ...(moved && { sealed, shown: moved.shown }) });
    if (isMoved) {
      await leaveAddress(tx, { random, vault }, before);
      await targetCircuit(id).recover(tx);
    }
    const changed = Object.keys(asked).filter((name) => asked[name as keyof typeof asked] !== undefined);
    const view = await one({ sql: tx }, id);
    const detail = { target_id: id, kind: view.kind, name: view.name, changed, reason };
    await recordEvent(tx, caller, alertTargetChanged, { outcome: 'changed', detail });
    return one({ sql: tx }, id);
  });
}

export const listAlertTargets = async ({
  sql,
}: Pick<Ports, 'sql'>): Promise<{ readonly targets: AlertTargetView[] }> => ({ targets: await listTargetRows(sql) });

type OneTarget = { readonly target_id: string };

/** Throws `alert_target_unknown` (404). */
export const readAlertTarget = (ports: Pick<Ports, 'sql'>, { target_id: id }: OneTarget): Promise<AlertTargetView> =>
  one(ports, id);

/** Throws `alert_target_unknown` (404). */
export function removeAlertTarget(
  { transact, random, vault }: Pick<Ports, 'transact' | 'random' | 'vault'>,
  { target_id: id, reason }: OneTarget & { readonly reason: string },
  caller: Caller,
): Promise<AlertTargetView> {
  return transact(async (tx) => {
    // Locked: a target that moves meanwhile is removed with the address that it has then.
    const row = known(await lockTargets(tx), id);
    const view = await one({ sql: tx }, id);
    await deleteTarget(tx, id);
    await leaveAddress(tx, { random, vault }, row);
    const detail = { target_id: id, kind: row.kind, name: row.name, reason };
    await recordEvent(tx, caller, alertTargetChanged, { outcome: 'removed', detail });
    return view;
  });
}

/** Queues a test message; a test that still waits is tried again instead. Throws `alert_target_unknown` (404). */
export const testAlertTarget = (
  { transact, random }: Pick<Ports, 'transact' | 'random'>,
  { target_id: id, reason }: OneTarget & { readonly reason?: string | undefined },
  caller: Caller,
): Promise<AlertDeliveryView> =>
  transact(async (tx) => {
    const { name } = await one({ sql: tx }, id);
    const deliveryId = await insertTest(tx, random.uuid(), id);
    await recordEvent(tx, caller, alertTargetTested, { detail: { target_id: id, name, reason } });
    return explained(await readDelivery(tx, deliveryId));
  });

/** Newest first, one page at a time. Throws `alert_target_unknown` (404), `cursor_invalid` (400). */
export async function listAlertDeliveries(
  { sql }: Pick<Ports, 'sql'>,
  { target_id: id, limit, cursor }: OneTarget & { readonly limit: number; readonly cursor?: string | undefined },
): Promise<{ readonly deliveries: AlertDeliveryView[]; readonly next: string | null }> {
  const after = placeOfCursor(cursor, [PLACE.time, PLACE_UUID]);
  await one({ sql }, id);
  const rows = await readDeliveriesPage(sql, id, after, limit + 1);
  const { items, next } = pageOf(rows, limit, (row) => [row.created_at, row.delivery_id]);
  return { deliveries: items.map(explained), next };
}

const explained = (facts: DeliveryFacts): AlertDeliveryView => ({ ...facts, explanation: failureWords(facts.failure) });

const PLACE_UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;
