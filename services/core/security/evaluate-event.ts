import { detectionFailures } from '#observability/metrics/security.ts';
import { isAppError } from '#services/platform/define/error.ts';
import { errorCodeOf } from '#services/platform/define/error-code.ts';
import { runSuperseded, storeUnavailable } from '#services/platform/errors.ts';
import type { AuditEventView } from '../audit/read/event-view.ts';
import { followEventsOf } from '../audit/read/list-events.ts';
import { recordEvent } from '../audit/record-event.ts';
import type { Caller, Ports, Tx } from '../ports.ts';
import { failureOf } from '../tokens/batches/statement-failure.ts';
import { type ActPorts, actOn } from './act-on-incident.ts';
import { eventSetAside } from './audit-events.ts';
import { eventUnevaluated } from './detections.ts';
import { findInHistory, type HistoryPorts } from './history/find-in-history.ts';
import type { LogRange } from './history/log-range.ts';
import { raiseIncident } from './raise-incident.ts';
import { type SightingOf, sightingsOf, WATCHED_TYPES } from './sighting-of.ts';
import { advanceProgress, lockProgress } from './sightings.store.ts';
import {
  insertUnevaluated,
  postponeUnevaluated,
  takeUnevaluated,
  type Unevaluated,
} from './unevaluated-events.store.ts';

export type EvaluatePorts = Pick<Ports, 'sql' | 'transact' | 'log'> & ActPorts;

/** The event was not reached: another worker had the log position locked for too long. */
class NotClaimed extends Error {
  constructor(cause: unknown) {
    super('not claimed', { cause });
    this.name = 'NotClaimed';
  }
}

/** With pauses that double from the first one, about a quarter of an hour. */
const TRIES = 10;
const FIRST_PAUSE_SECONDS = 2;

/** An event that has or may have sightings. `sightings` throws if they could not be found. */
type Suspect = { readonly seq: number; readonly sightings: () => SightingOf[] };

/**
 * The suspects of a range of the log, oldest first: the given events, and those that stand out beside earlier ones. If a
 * detection fails for the range, its last event is one that could not be evaluated.
 */
export async function suspectsIn(
  ports: HistoryPorts,
  events: readonly AuditEventView[],
  range: LogRange,
): Promise<Suspect[]> {
  const each = events.map((event) => ({ seq: event.seq, sightings: () => sightingsOf(event) }));
  const failures: Suspect[] = [];
  const found = await findInHistory(ports, range, (err) => {
    failureOfEvent(err);
    const sightings = (): never => {
      throw err;
    };
    failures.push({ seq: range.upTo, sightings });
  });
  const history = found.map(({ seq, sighting }) => ({ seq, sightings: () => [sighting] }));
  const bySeq = Map.groupBy([...each, ...history, ...failures], ({ seq }) => seq);
  return [...bySeq]
    .sort(([one], [other]) => one - other)
    .map(([seq, all]) => ({ seq, sightings: () => all.flatMap(({ sightings }) => sightings()) }));
}

/**
 * Evaluates the next event of the log. If its handling fails, the event is skipped and retried later; while the store is
 * unreachable no event is skipped. Returns the number of sightings.
 */
export async function evaluateNext(ports: EvaluatePorts, { seq, sightings }: Suspect, caller: Caller): Promise<number> {
  try {
    const seen = sightings();
    if (seen.length === 0) return 0;
    return await handle(ports, seen, (tx) => advanceProgress(tx, seq), caller);
  } catch (err) {
    const failure = failureOfEvent(err);
    const isSkipped = await ports.transact(async (tx) => {
      if (!(await advanceProgress(tx, seq))) return false;
      await insertUnevaluated(tx, { seq, failure, seconds: FIRST_PAUSE_SECONDS });
      return true;
    });
    if (isSkipped) reportFailure(ports, 'retried', { seq, failure });
    return 0;
  }
}

/** Retries an event whose handling failed. After the last attempt it is set aside with an incident. */
export async function evaluateAgain(ports: EvaluatePorts, unevaluated: Unevaluated, caller: Caller): Promise<number> {
  const { seq, tries } = unevaluated;
  const claim = async (tx: Tx): Promise<boolean> => {
    await lockProgress(tx);
    return takeUnevaluated(tx, unevaluated);
  };
  try {
    const { events } = await followEventsOf(ports, WATCHED_TYPES, seq - 1, 1);
    const own = events.filter((event) => event.seq === seq);
    const suspects = await suspectsIn(ports, own, { after: seq - 1, upTo: seq });
    return await handle(
      ports,
      suspects.flatMap(({ sightings }) => sightings()),
      claim,
      caller,
    );
  } catch (err) {
    const failure = failureOfEvent(err);
    const isLast = tries + 1 >= TRIES;
    const pause = isLast ? null : FIRST_PAUSE_SECONDS * 2 ** tries;
    const isCounted = await ports.transact(async (tx) => {
      const isOurs = await postponeUnevaluated(tx, unevaluated, failure, pause);
      if (isOurs && isLast) await setAside(tx, ports, { seq, failure }, caller);
      return isOurs;
    });
    if (isCounted) reportFailure(ports, isLast ? 'set_aside' : 'retried', { seq, failure });
    return 0;
  }
}

/** Claims the event, raises its incidents and acts on them in one transaction; does nothing if another worker claimed it. */
async function handle(
  ports: EvaluatePorts,
  seen: readonly SightingOf[],
  claim: (tx: Tx) => Promise<boolean>,
  caller: Caller,
): Promise<number> {
  // The keys of counters use the first version of their secret, which never changes.
  if (seen.some(({ detection }) => detection.actions.some((action) => action === 'step_up')))
    await ports.keyRing.load();
  let isWaiting = true;
  const handling = ports.transact(async (tx) => {
    if (!(await claim(tx))) return 0;
    isWaiting = false;
    for (const { detection, target, detail, on } of seen) {
      const raised = await raiseIncident(tx, ports, caller, detection, { target, detail });
      await actOn(tx, ports, detection, raised, on, caller);
    }
    return seen.length;
  });
  return handling.catch((err: unknown) => {
    throw isWaiting ? new NotClaimed(err) : err;
  });
}

async function setAside(
  tx: Tx,
  ports: EvaluatePorts,
  detail: { readonly seq: number; readonly failure: string },
  caller: Caller,
): Promise<void> {
  const target = { kind: 'installation', id: 'sallyport' } as const;
  const { id } = await raiseIncident(tx, ports, caller, eventUnevaluated, { target, detail });
  await recordEvent(tx, caller, eventSetAside, { outcome: 'set_aside', target: { kind: 'incident', id }, detail });
}

function reportFailure({ log }: EvaluatePorts, outcome: 'retried' | 'set_aside', fields: object): void {
  detectionFailures.add(1, { outcome });
  if (outcome === 'set_aside') log.error(fields, 'event evaluation failed; set aside');
  else log.warn(fields, 'event evaluation failed; retrying');
}

/** The failure code if the event is at fault, lock timeouts and slow statements included; throws if the store or the run is. */
export function failureOfEvent(err: unknown): string {
  if (err instanceof NotClaimed) throw err.cause;
  if (!isAppError(err)) return errorCodeOf(err);
  const isStoreFailure = err.definition === storeUnavailable.definition && failureOf(err) !== 'blocked';
  if (isStoreFailure || err.definition === runSuperseded.definition) throw err;
  return err.code;
}
