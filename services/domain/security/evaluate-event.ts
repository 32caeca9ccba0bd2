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
import { eventUnjudged } from './detections.ts';
import { raiseIncident } from './raise-incident.ts';
import { type SightingOf, sightingsOf, WATCHED_TYPES } from './sighting-of.ts';
import { advanceProgress, lockProgress } from './sightings.store.ts';
import { insertUnjudged, postponeUnjudged, takeUnjudged, type Unjudged } from './unjudged-events.store.ts';

export type EvaluatePorts = Pick<Ports, 'sql' | 'transact' | 'log'> & ActPorts;

/** It did not come to the event: another worker held the place in the log for too long. */
class NoTurn extends Error {
  constructor(cause: unknown) {
    super('no turn', { cause });
    this.name = 'NoTurn';
  }
}

/** With pauses that double from the first on, a quarter of an hour. */
const TRIES = 10;
const FIRST_PAUSE_SECONDS = 2;

/**
 * Judges the next event of the log. One whose handling fails is passed over, to be tried again beside the others; while
 * the store is out of reach none is. Returns how many sightings there were.
 */
export async function evaluateNext(ports: EvaluatePorts, event: AuditEventView, caller: Caller): Promise<number> {
  const { seq } = event;
  try {
    const seen = sightingsOf(event);
    if (seen.length === 0) return 0;
    return await judge(ports, seen, (tx) => advanceProgress(tx, seq), caller);
  } catch (err) {
    const failure = failureOfEvent(err);
    const isPassedOver = await ports.transact(async (tx) => {
      if (!(await advanceProgress(tx, seq))) return false;
      await insertUnjudged(tx, { seq, failure, seconds: FIRST_PAUSE_SECONDS });
      return true;
    });
    if (isPassedOver) tell(ports, 'retried', { seq, failure });
    return 0;
  }
}

/** Judges an event once more whose handling failed; after the last try it is set aside, and an incident says so. */
export async function evaluateAgain(ports: EvaluatePorts, unjudged: Unjudged, caller: Caller): Promise<number> {
  const { seq, tries } = unjudged;
  const claim = async (tx: Tx): Promise<boolean> => {
    await lockProgress(tx);
    return takeUnjudged(tx, unjudged);
  };
  try {
    const { events } = await followEventsOf(ports, WATCHED_TYPES, seq - 1, 1);
    return await judge(ports, events.filter((event) => event.seq === seq).flatMap(sightingsOf), claim, caller);
  } catch (err) {
    const failure = failureOfEvent(err);
    const isLast = tries + 1 >= TRIES;
    const pause = isLast ? null : FIRST_PAUSE_SECONDS * 2 ** tries;
    const isCounted = await ports.transact(async (tx) => {
      const isOurs = await postponeUnjudged(tx, unjudged, failure, pause);
      if (isOurs && isLast) await setAside(tx, ports, { seq, failure }, caller);
      return isOurs;
    });
    if (isCounted) tell(ports, isLast ? 'set_aside' : 'retried', { seq, failure });
    return 0;
  }
}

/** Raises what was seen and acts on it in one transaction with the claim, which another worker may have been first to. */
async function judge(
  ports: EvaluatePorts,
  seen: readonly SightingOf[],
  claim: (tx: Tx) => Promise<boolean>,
  caller: Caller,
): Promise<number> {
  // The names of counters go by the first version of their secret, which stays.
  if (seen.some(({ detection }) => detection.actions.some((action) => action === 'step_up')))
    await ports.keyRing.load();
  let isWaiting = true;
  const judging = ports.transact(async (tx) => {
    if (!(await claim(tx))) return 0;
    isWaiting = false;
    for (const { detection, target, detail, on } of seen) {
      const raised = await raiseIncident(tx, ports, caller, detection, { target, detail });
      await actOn(tx, ports, detection, raised, on, caller);
    }
    return seen.length;
  });
  return judging.catch((err: unknown) => {
    throw isWaiting ? new NoTurn(err) : err;
  });
}

async function setAside(
  tx: Tx,
  ports: EvaluatePorts,
  detail: { readonly seq: number; readonly failure: string },
  caller: Caller,
): Promise<void> {
  const target = { kind: 'installation', id: 'sallyport' } as const;
  const { id } = await raiseIncident(tx, ports, caller, eventUnjudged, { target, detail });
  await recordEvent(tx, caller, eventSetAside, { outcome: 'set_aside', target: { kind: 'incident', id }, detail });
}

function tell({ log }: EvaluatePorts, outcome: 'retried' | 'set_aside', fields: object): void {
  detectionFailures.add(1, { outcome });
  if (outcome === 'set_aside') log.error(fields, 'an event cannot be judged and is set aside');
  else log.warn(fields, 'an event could not be judged and is tried again');
}

/** What failed, where it is the event's; throws what is the store's or the run's. A lock or a slow statement is an event's. */
export function failureOfEvent(err: unknown): string {
  if (err instanceof NoTurn) throw err.cause;
  if (!isAppError(err)) return errorCodeOf(err);
  const isStores = err.definition === storeUnavailable.definition && failureOf(err) !== 'blocked';
  if (isStores || err.definition === runSuperseded.definition) throw err;
  return err.code;
}
