import { type Finding, type Gate, secondsOf } from './gates.ts';
import type { Ledger } from './ledger.ts';
import type { Arrival } from './surface-facts.ts';

/** An event of the sealed log that the receiver is due. */
export type DueEvent = { readonly seq: number; readonly id: string; readonly type: string };

const everyArrived = (name: string, arrivals: readonly Arrival[], due: readonly DueEvent[]): Gate => {
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

/** Events of one subject arrive in order: each for the first time after those before it. A lost database begins anew. */
export const arrivedInOrder = ({ arrivals, rewinds }: Ledger): Gate =>
  inOrder('hand-offs: events of a subject arrive in order', arrivals, rewinds);
/** Of the whole log here. */
export const exportedInOrder = (ledger: Ledger): Gate =>
  inOrder('SIEM export: events arrive in the order of the log', ledger.exported, ledger.rewinds);

function inOrder(name: string, arrivals: readonly Arrival[], rewinds: Ledger['rewinds']): Gate {
  const findings: Finding[] = [];
  const seen = new Set<string>();
  const last = new Map<string, number>();
  let checked = 0;
  let epoch = 0;
  for (const { seq, id, subject, atMs } of arrivals) {
    const now = rewinds.filter(({ startedAtMs }) => startedAtMs <= atMs).length;
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
