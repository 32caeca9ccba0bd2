import { recordEvent } from '#services/core/audit/record-event.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import { handoffReplayed } from './audit-events.ts';
import type { DeadLetterView } from './contract.ts';
import { handoffUnknown } from './errors.ts';
import { deliveryRetries } from './handoff.store.ts';

export async function listHandoffDeadLetters(
  { sql }: Pick<Ports, 'sql'>,
  { limit }: { readonly limit: number },
): Promise<{ count: number; dead_letters: DeadLetterView[] }> {
  const count = await deliveryRetries.countGivenUp(sql);
  const rows = await deliveryRetries.readGivenUp(sql, limit);
  const letters = rows.map(({ id, failed_at: failedAt, ...row }) => ({
    delivery_id: id,
    ...row,
    failed_at: failedAt.toISOString(),
  }));
  return { count, dead_letters: letters };
}

/** Gives an event all its attempts again. Throws `handoff_unknown` (404). */
export const replayHandoff = (
  { transact }: Pick<Ports, 'transact'>,
  { delivery_id: deliveryId, reason }: { readonly delivery_id: string; readonly reason: string },
  caller: Caller,
): Promise<{ delivery_id: string; endpoint: string; seq: number }> =>
  transact(async (tx) => {
    const row = await deliveryRetries.requeue(tx, deliveryId);
    if (row === undefined) throw handoffUnknown();
    const { endpoint, seq } = row;
    await recordEvent(tx, caller, handoffReplayed, { detail: { endpoint, seq, reason } });
    return { delivery_id: deliveryId, endpoint, seq };
  });
