import type { Gate } from './gates.ts';
import { isLost, type Ledger } from './ledger.ts';
import { DISCARD, RETRY } from './load/surfaces/queues.ts';
import type { Entry } from './surface-facts.ts';

/** Acts of a kind on dead letters that were acknowledged, and that no loss of the database took. */
const acknowledged = (ledger: Ledger, kind: string): Entry[] =>
  ledger.entries.filter(
    (entry) =>
      entry.kind === kind &&
      entry.ackedAtMs !== undefined &&
      !isLost(ledger, entry.ackedAtMs) &&
      !isLost(ledger, entry.sentAtMs),
  );

const arrivedOf = ({ loggedOut }: Ledger): Set<string> => new Set(loggedOut.map(({ id }) => id));

/** A dead letter that was retried is sent. */
export function sentAfterRetry(ledger: Ledger): Gate {
  const retried = acknowledged(ledger, RETRY);
  const arrived = arrivedOf(ledger);
  return {
    name: 'queues: what was retried is sent',
    checked: retried.length,
    findings: retried
      .filter(({ key }) => !arrived.has(key))
      .map(({ key }) => ({ text: `logout token ${key} was retried and never arrived` })),
  };
}

/** A dead letter that was discarded is never sent. */
export function silentAfterDiscard(ledger: Ledger): Gate {
  const discarded = acknowledged(ledger, DISCARD);
  const arrived = arrivedOf(ledger);
  return {
    name: 'queues: what was discarded is not sent',
    checked: discarded.length,
    findings: discarded
      .filter(({ key }) => arrived.has(key))
      .map(({ key }) => ({ text: `logout token ${key} was discarded and arrived` })),
  };
}
