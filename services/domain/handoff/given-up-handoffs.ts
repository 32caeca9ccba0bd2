import { recordEvent } from '../audit/record-event.ts';
import type { Caller, Ports } from '../ports.ts';
import { handoffReplayed } from './audit-events.ts';
import type { DeadLetterView } from './contract.ts';
import { handoffUnknown } from './errors.ts';
import { countGivenUpDeliveries, type GivenUpRow, readGivenUpDeliveries, requeueDelivery } from './handoff.store.ts';

const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;

/** The newest events that were given up, and how many there are in all. */
export const readGivenUpHandoffs = async (
  { sql }: Pick<Ports, 'sql'>,
  limit: number,
): Promise<{ readonly count: number; readonly rows: GivenUpRow[] }> => ({
  count: await countGivenUpDeliveries(sql),
  rows: await readGivenUpDeliveries(sql, limit),
});

/** Gives an event all its attempts again. False if it is gone or was not given up. The caller records it. */
export const retryHandoff = async ({ sql }: Pick<Ports, 'sql'>, id: string): Promise<boolean> =>
  UUID.test(id) && (await requeueDelivery(sql, id)) !== undefined;

export async function listHandoffDeadLetters(
  ports: Pick<Ports, 'sql'>,
  { limit }: { readonly limit: number },
): Promise<{ count: number; dead_letters: DeadLetterView[] }> {
  const { count, rows } = await readGivenUpHandoffs(ports, limit);
  const letters = rows.map(({ id, failedAt, ...row }) => ({
    delivery_id: id,
    ...row,
    failed_at: failedAt.toISOString(),
  }));
  return { count, dead_letters: letters };
}

/** Gives an event all its attempts again. Throws `handoff_unknown` (404). */
export function replayHandoff(
  { transact }: Pick<Ports, 'transact'>,
  { delivery_id: deliveryId, reason }: { readonly delivery_id: string; readonly reason: string },
  caller: Caller,
): Promise<{ delivery_id: string; endpoint: string; seq: number }> {
  return transact(async (tx) => {
    const row = await requeueDelivery(tx, deliveryId);
    if (row === undefined) throw handoffUnknown();
    const { endpoint, seq } = row;
    await recordEvent(tx, caller, handoffReplayed, { outcome: 'ok', detail: { endpoint, seq, reason } });
    return { delivery_id: deliveryId, endpoint, seq };
  });
}
