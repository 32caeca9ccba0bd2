import { type Finding, type Gate, secondsOf } from './gates.ts';
import type { Ledger } from './ledger.ts';

/** An event of the sealed log that the receiver is due. */
export type DueEvent = { readonly seq: number; readonly id: string; readonly type: string };

/** Every event that is due arrives. */
export function arrived(ledger: Ledger, due: readonly DueEvent[]): Gate {
  const ids = new Set(ledger.arrivals.map(({ id }) => id));
  return {
    name: 'hand-offs: every event arrives',
    checked: due.length,
    findings: due
      .filter(({ id }) => !ids.has(id))
      .map(({ seq, id, type }) => ({ text: `${type} ${id} (${seq}) never arrived` })),
  };
}

/** Events of one subject arrive in order: each for the first time after those before it. A lost database begins anew. */
export function arrivedInOrder({ arrivals, rewinds }: Ledger): Gate {
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
  return { name: 'hand-offs: events of a subject arrive in order', checked, findings };
}
