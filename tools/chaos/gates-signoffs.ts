import { type Finding, type Gate, secondsOf } from './gates.ts';
import { isLost, type Ledger } from './ledger.ts';

/** A sign-off as the database has it at the end. */
export type SignOffRow = {
  readonly id: string;
  readonly state: string;
  readonly quorum: number;
  readonly approvals: number;
  /** Events `signoff.started` in the sealed log. */
  readonly started: number;
};

const STARTED = new Set(['running', 'done', 'interrupted']);

/** An act starts once at most, however many starters ask at once, and never before its quorum has approved. */
export function startedOnceAndApproved(ledger: Ledger, rows: readonly SignOffRow[]): Gate {
  const findings: Finding[] = [];
  let checked = 0;
  for (const { id, quorum, approvals, starts } of ledger.signOffs.values()) {
    if (starts.length === 0) continue;
    checked += 1;
    const successes = starts.filter(({ status }) => status === 200);
    const at = successes.map(({ copy, answeredAtMs }) => `${copy} at ${secondsOf(answeredAtMs)}`).join(', ');
    if (successes.length > 1) findings.push({ text: `sign-off ${id} started ${successes.length} times: ${at}` });
    for (const { copy, answeredAtMs } of successes) {
      const sent = approvals.filter(({ sentAtMs }) => sentAtMs < answeredAtMs).length;
      if (sent < quorum)
        findings.push({
          text: `sign-off ${id} started at ${copy}, ${secondsOf(answeredAtMs)}, when ${sent} of ${quorum} approvals had been sent`,
        });
    }
  }
  for (const { id, state, quorum, approvals, started } of rows) {
    checked += 1;
    if (started > 1) findings.push({ text: `sign-off ${id} has ${started} events of its start` });
    if ((STARTED.has(state) || started > 0) && approvals < quorum)
      findings.push({ text: `sign-off ${id} is ${state} with ${approvals} of ${quorum} approvals` });
  }
  return { name: 'sign-offs: an act starts once, and only approved', checked, findings };
}

/** A killed agent, and what it has asked for that could still go on. */
export type KilledAgent = { readonly id: string; readonly open: readonly string[] };

/** After a kill no sign-off of the agent is open. */
export function closedByKill(killed: readonly KilledAgent[]): Gate {
  return {
    name: 'sign-offs: none of a killed agent is open',
    checked: killed.length,
    findings: killed
      .filter(({ open }) => open.length > 0)
      .map(({ id, open }) => ({ text: `killed agent ${id} has ${open.length} open: ${open.join(', ')}` })),
  };
}

/** What began by an acknowledged request and should have ended by itself when all was quiet. */
export type Begun = { readonly id: string; readonly state: string; readonly isEnded: boolean };

/** Whatever a worker has to finish is finished once all is well. */
export function finished(name: string, ledger: Ledger, begun: readonly Begun[]): Gate {
  const acked = new Map(ledger.entries.map(({ key, ackedAtMs }) => [key, ackedAtMs]));
  const kept = begun.filter(({ id }) => !isLost(ledger, acked.get(id) ?? Number.NEGATIVE_INFINITY));
  return {
    name,
    checked: kept.length,
    findings: kept.filter(({ isEnded }) => !isEnded).map(({ id, state }) => ({ text: `${id} is ${state}` })),
  };
}
