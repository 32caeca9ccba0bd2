import type { Ports, Sql, Tx } from '#services/core/ports.ts';
import {
  acknowledgeDeliveries,
  countQueues,
  deleteEndpoint,
  peekDeliveries,
  type QueueCount,
  refuseDelivery,
  type WaitingDelivery,
} from './handoff.store.ts';
import { planDeliveries } from './plan-deliveries.ts';

/** A queue of the sealed log that its receiver empties itself, by the rows that hand-offs are pushed from. */
type Queue = { readonly name: string; readonly types: readonly string[] };

/** Follows the log from now on. */
export const beginHandoffs = async (tx: Tx, ports: Pick<Ports, 'random'>, queue: Queue): Promise<void> =>
  void (await planDeliveries(tx, ports, queue));

/** What waits next, in the order of the log; it waits until it is settled. */
export async function peekHandoffs(
  tx: Tx,
  ports: Pick<Ports, 'random'>,
  queue: Queue,
  limit: number,
): Promise<WaitingDelivery[]> {
  await planDeliveries(tx, ports, queue);
  return peekDeliveries(tx, queue.name, limit);
}

/** Removes what was accepted, and keeps what was refused as dead letters. */
export async function settleHandoffs(
  tx: Tx,
  name: string,
  ends: {
    readonly accepted: readonly string[];
    readonly refused: readonly { readonly id: string; readonly code: string }[];
  },
): Promise<void> {
  await acknowledgeDeliveries(tx, name, ends.accepted);
  for (const { id, code } of ends.refused) await refuseDelivery(tx, name, id, code);
}

/** Follows the log no longer, and drops what waits. */
export const forgetHandoffs = (tx: Tx, name: string): Promise<void> => deleteEndpoint(tx, name);

/** What waits in these queues, what was given up, and how far each has read the log. One that follows it no longer is left out. */
export const countHandoffs = (sql: Sql, names: readonly string[]): Promise<QueueCount[]> => countQueues(sql, names);
