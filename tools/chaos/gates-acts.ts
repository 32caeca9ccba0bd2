import { type Finding, type Gate, gateOf, secondsOf } from './gates.ts';
import { type Act, type ActAttempt, isLost, type Ledger } from './ledger.ts';

/** Events of the log: how often each type was written in each trace. */
export type EventCounts = ReadonlyMap<string, ReadonlyMap<string, number>>;

const writtenOf = (attempts: readonly ActAttempt[], type: string, events: EventCounts): number =>
  attempts.reduce((sum, { traceId }) => sum + (events.get(traceId)?.get(type) ?? 0), 0);

/** An attempt, and how many losses of the database had been accepted when it worked: at least, and at most. */
type Placed = { readonly attempt: ActAttempt; readonly least: number; readonly most: number };

function placed({ rewinds }: Ledger, attempt: ActAttempt): Placed {
  const after = rewinds.filter(({ acceptedAtMs }) => acceptedAtMs !== undefined && acceptedAtMs <= attempt.sentAtMs);
  const maybe = rewinds.filter(({ acceptingAtMs }) => acceptingAtMs !== undefined && acceptingAtMs < attempt.endedAtMs);
  return { attempt, least: after.length, most: maybe.length };
}

/**
 * Whether an act was written more often than its retries allow. An accepted loss forgets idempotency keys: an act that
 * the older database has, and whose answer its client never got, is done again after the loss, once.
 */
function isDoubled(ledger: Ledger, act: Act, type: string, events: EventCounts): boolean {
  const written = writtenOf(act.attempts, type, events);
  if (act.isRepeatable) return written > act.attempts.length;
  if (!act.hasIdempotencyKey) return written > 1;
  const all = act.attempts.map((attempt) => placed(ledger, attempt));
  const losses = Math.max(...all.map(({ most }) => most)) - Math.min(...all.map(({ least }) => least));
  // Of an attempt that was open while a loss was accepted, nobody knows which side it is on: it is a group of its own.
  const groups = Map.groupBy(all, ({ attempt, least, most }) => (least === most ? least : attempt));
  const sides = [...groups.values()].map((group) => group.map(({ attempt }) => attempt));
  const isTwice = sides.some((side) => writtenOf(side, type, events) > 1);
  return isTwice || written > losses + 1;
}

/**
 * Whether the end of a token family was asked for before the backup and acknowledged after the loss. The accepted loss had
 * ended every family, so the product found nothing to end. A refresh ends nothing: it has its event or was not acknowledged.
 */
const isEndedByLoss = ({ rewinds }: Ledger, { kind, subject, sentAtMs, ackedAtMs }: Act): boolean =>
  subject !== null &&
  kind !== 'refresh' &&
  rewinds.some(
    ({ backupAtMs, acceptedAtMs }) =>
      sentAtMs < backupAtMs && acceptedAtMs !== undefined && ackedAtMs !== undefined && ackedAtMs >= acceptedAtMs,
  );

/** What was acknowledged is sealed once; a request never writes its event twice. An act that may have no event is no fact. */
export function auditedActs(ledger: Ledger, events: EventCounts): Gate {
  const acts = ledger.acts.filter(
    ({ events: due, sentAtMs, ackedAtMs = sentAtMs }) =>
      due.length > 0 && !isLost(ledger, ackedAtMs) && !isLost(ledger, sentAtMs),
  );
  return gateOf('acknowledged acts missing or doubled in the log', acts, (act) => {
    const subject = act.subject === null ? {} : { subject: act.subject };
    const traces = act.attempts.map(({ traceId }) => traceId).join(', ');
    const text = `${act.kind} of ${secondsOf(act.sentAtMs)} (${act.subject?.id ?? 'no family'}, traces ${traces})`;
    return act.events.flatMap((type): Finding[] => {
      const written = writtenOf(act.attempts, type, events);
      const isMissing = act.ackedAtMs !== undefined && written === 0 && !isEndedByLoss(ledger, act);
      return [
        ...(isMissing ? [{ text: `missing ${type}: ${text}`, ...subject }] : []),
        ...(isDoubled(ledger, act, type, events) ? [{ text: `${written} times ${type}: ${text}`, ...subject }] : []),
      ];
    });
  });
}
