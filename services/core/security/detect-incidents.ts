import { followEventsOf } from '../audit/read/list-events.ts';
import { LOCK_POLICY } from '../identity/sign-in/sign-in-counters.ts';
import { STUFFING_NAMES } from '../identity/sign-in/sign-in-guard.ts';
import type { Caller } from '../ports.ts';
import { actOn } from './act-on-incident.ts';
import { credentialStuffing, failedLoginRatio } from './detections.ts';
import { type EvaluatePorts, evaluateAgain, evaluateNext, failureOfEvent, suspectsIn } from './evaluate-event.ts';
import { raiseIncident } from './raise-incident.ts';
import { WATCHED_TYPES } from './sighting-of.ts';
import {
  advanceProgress,
  detectionIsDue,
  isFresh,
  lockProgress,
  readLoginRatio,
  readProgress,
  readStuffingNetworks,
} from './sightings.store.ts';
import { readDueUnevaluated } from './unevaluated-events.store.ts';

export type DetectPorts = EvaluatePorts;
export type DetectionResult = { readonly read: number; readonly sightings: number };

const PAGE = 200;
/** Events of any type between two steps: bounds the statements that compare a range with earlier events. */
const SPAN = 5_000;
/** Retries per run: slow retries must not delay new events. */
const AGAIN = 10;
/** `failed_login_ratio`: of so many sign-ins within ten minutes, nine of ten refused. */
const RATIO_OF = 200;
const RATIO = 0.9;
const STUFFING = { names: STUFFING_NAMES, windowSeconds: LOCK_POLICY.windowSeconds };

export const detectionsAreDue = detectionIsDue(STUFFING);

/**
 * Runs every detection on the events sealed since the last run and on the counters of failed passwords; raises incidents
 * and acts on them. Each event is evaluated once, even with several workers and crashes: its effects commit together
 * with the new log position. An event whose handling fails does not block the others and is retried later.
 */
export async function detectIncidents(
  ports: EvaluatePorts,
  { signal }: { readonly signal: AbortSignal },
  caller: Caller,
): Promise<DetectionResult> {
  let read = 0;
  let sightings = 0;
  let after = await readProgress(ports.sql);
  for (let isMore = true; isMore && !signal.aborted; ) {
    const page = await followEventsOf(ports, WATCHED_TYPES, after, PAGE, SPAN);
    if (page.reachedSeq === after) break;
    const suspects = await suspectsIn(ports, page.events, { after, upTo: page.reachedSeq });
    for (const suspect of suspects) sightings += await evaluateNext(ports, suspect, caller);
    await advanceProgress(ports.sql, page.reachedSeq);
    after = page.reachedSeq;
    read += page.events.length;
    isMore = !page.isNewest;
  }
  sightings += await checkRatio(ports, caller);
  for (const unevaluated of await readDueUnevaluated(ports.sql, AGAIN))
    if (!signal.aborted) sightings += await evaluateAgain(ports, unevaluated, caller);
  sightings += await checkNetworks(ports, caller);
  return { read, sightings };
}

/** Each in its own transaction, under the lock of the progress row, so that two workers do not report it twice. Throws the first failure after all were checked. */
async function checkNetworks(ports: EvaluatePorts, caller: Caller): Promise<number> {
  const failures: unknown[] = [];
  let sightings = 0;
  for (const { key } of await readStuffingNetworks(ports.sql, STUFFING))
    try {
      sightings += await checkNetwork(ports, key, caller);
    } catch (err) {
      failureOfEvent(err);
      failures.push(err);
    }
  if (failures.length > 0) throw failures[0];
  return sightings;
}

const checkNetwork = (ports: EvaluatePorts, key: string, caller: Caller): Promise<number> =>
  ports.transact(async (tx) => {
    await lockProgress(tx);
    const found = await readStuffingNetworks(tx, { ...STUFFING, key });
    for (const { failures, names } of found) {
      const target = { kind: 'network', id: key } as const;
      const detail = { failures, names };
      const raised = await raiseIncident(tx, ports, caller, credentialStuffing, { target, detail });
      await actOn(tx, ports, credentialStuffing, raised, { networkKey: key }, caller);
    }
    return found.length;
  });

const checkRatio = (ports: EvaluatePorts, caller: Caller): Promise<number> =>
  ports.transact(async (tx) => {
    await lockProgress(tx);
    const { logins, refused } = await readLoginRatio(tx, RATIO_OF);
    if (logins < RATIO_OF || refused < RATIO_OF * RATIO || (await isFresh(tx, failedLoginRatio.name))) return 0;
    const target = { kind: 'installation', id: 'sallyport' } as const;
    await raiseIncident(tx, ports, caller, failedLoginRatio, { target, detail: { logins, refused } });
    return 1;
  });
