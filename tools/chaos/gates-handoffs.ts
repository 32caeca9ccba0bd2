import { type Finding, type Gate, secondsOf } from './gates.ts';
import { isLost, type Ledger } from './ledger.ts';
import type { Arrival, Told, Unplaced } from './surface-facts.ts';

/** An event of the sealed log that the receiver is due. */
export type DueEvent = { readonly seq: number; readonly id: string; readonly type: string };

const everyArrived = (name: string, arrivals: readonly Pick<Arrival, 'id'>[], due: readonly DueEvent[]): Gate => {
  const ids = new Set(arrivals.map(({ id }) => id));
  return {
    name,
    checked: due.length,
    findings: due
      .filter(({ id }) => !ids.has(id))
      .map(({ seq, id, type }) => ({ text: `${type} ${id} (${seq}) never arrived` })),
  };
};

/** Every event that is due arrives. */
export const arrived = ({ arrivals }: Ledger, due: readonly DueEvent[]): Gate =>
  everyArrived('hand-offs: every event arrives', arrivals, due);
export const exported = (ledger: Ledger, due: readonly DueEvent[]): Gate =>
  everyArrived('SIEM export: every sealed event arrives', ledger.exported, due);

/** @param due which alerts the target is to be told of: `id firing`, `id resolved` */
export const told = (ledger: Ledger, due: readonly DueEvent[]): Gate =>
  everyArrived('alerts: every alert arrives', ledger.told, due);
/** @param due of each silence that it began: an alert that there is not never arrives */
export const toldOfSilences = (ledger: Ledger, due: readonly DueEvent[]): Gate =>
  everyArrived('alerts: every silence is told', ledger.told, due);
/** Who removes or moves a target does not do it in silence. */
export function leftAddressesTold(ledger: Ledger): Gate {
  const due = ledger.leftAddresses.filter(({ ackedAtMs }) => !isLost(ledger, ackedAtMs));
  return everyArrived(
    'alerts: an address that is left is told',
    ledger.lastWords,
    due.map(({ address }, seq) => ({ id: address, seq, type: 'end of an address' })),
  );
}

export const signalled = (ledger: Ledger, due: readonly DueEvent[]): Gate =>
  everyArrived('signals: every event arrives', ledger.signalled, due);

/** Events of one subject arrive in order: each for the first time after those before it. A lost database begins anew. */
export const arrivedInOrder = ({ arrivals, rewinds }: Ledger): Gate =>
  inOrder('hand-offs: events of a subject arrive in order', arrivals, rewinds);
/** Of the whole log here. */
export const exportedInOrder = (ledger: Ledger): Gate =>
  inOrder('SIEM export: events arrive in the order of the log', ledger.exported, ledger.rewinds);

/** With the place that each has where it is due; what is not due was lost with a database. */
function placed<A extends Unplaced>(
  arrivals: readonly A[],
  due: readonly DueEvent[],
): (A & { readonly seq: number })[] {
  const seqOf = new Map(due.map(({ id, seq }) => [id, seq]));
  return arrivals.flatMap((arrival) => {
    const seq = seqOf.get(arrival.id);
    return seq === undefined ? [] : [{ ...arrival, seq }];
  });
}

/** Of each group of alerts as they were planned, and the end of each after its beginning. */
export const toldInOrder = ({ told: arrivals, rewinds }: Ledger, due: readonly DueEvent[]): Gate =>
  inOrder('alerts: alerts of a group arrive in order', placed(arrivals, due).flatMap(ordered), rewinds);

function ordered(arrival: Told & Arrival): Arrival[] {
  const [alert = '', status] = arrival.id.split(' ');
  const ofItself = { ...arrival, id: `${arrival.id}, of itself`, subject: alert, seq: status === 'resolved' ? 1 : 0 };
  return [arrival, ofItself];
}

/** Of each user. */
export const signalledInOrder = ({ signalled: arrivals, rewinds }: Ledger, due: readonly DueEvent[]): Gate =>
  inOrder('signals: events of a user arrive in order', placed(arrivals, due), rewinds);

const epochOf = (rewinds: Ledger['rewinds'], atMs: number): number =>
  rewinds.filter(({ startedAtMs }) => startedAtMs <= atMs).length;

/** An alert may arrive again, but in the same message, by whose id the target knows it. A lost database begins anew. */
export function toldOnce({ told: arrivals, rewinds }: Ledger): Gate {
  const messages = Map.groupBy(arrivals, ({ id, atMs }) => `${id} (${epochOf(rewinds, atMs)})`);
  const findings: Finding[] = [];
  for (const of of messages.values()) {
    const ids = new Set(of.map(({ messageId }) => messageId));
    if (ids.size > 1) findings.push({ text: `alert ${of[0]?.id} is in the messages ${[...ids].join(', ')}` });
  }
  return { name: 'alerts: an alert is in one message', checked: messages.size, findings };
}

function inOrder(name: string, arrivals: readonly Arrival[], rewinds: Ledger['rewinds']): Gate {
  const findings: Finding[] = [];
  const seen = new Set<string>();
  const last = new Map<string, number>();
  let checked = 0;
  let epoch = 0;
  for (const { seq, id, subject, atMs } of arrivals) {
    const now = epochOf(rewinds, atMs);
    if (now !== epoch) {
      epoch = now;
      last.clear();
    }
    if (seen.has(id)) continue;
    seen.add(id);
    checked += 1;
    const before = last.get(subject) ?? -1;
    if (seq < before)
      findings.push({ text: `event ${id} (${seq}) of ${subject} arrived after ${before}, at ${secondsOf(atMs)}` });
    last.set(subject, Math.max(seq, before));
  }
  return { name, checked, findings };
}
