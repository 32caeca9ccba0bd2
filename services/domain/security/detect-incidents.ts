import type { AuditEventView } from '../audit/read/event-view.ts';
import { followEventsOf } from '../audit/read/list-events.ts';
import { STUFFING_NAMES } from '../identity/guard/forgive-login.ts';
import { LOCK_POLICY } from '../identity/guard/login-counters.ts';
import type { Caller, Ports, Tx } from '../ports.ts';
import { type ActPorts, actOn } from './act-on-incident.ts';
import { credentialStuffing, failedLoginRatio } from './detections.ts';
import { raiseIncident } from './raise-incident.ts';
import { sightingsOf, WATCHED_TYPES } from './sighting-of.ts';
import {
  isFresh,
  lockProgress,
  readLoginRatio,
  readProgress,
  readStuffingNetworks,
  setProgress,
} from './sightings.store.ts';

type DetectPorts = Pick<Ports, 'sql' | 'transact'> & ActPorts;

export type DetectionResult = { readonly read: number; readonly sightings: number };

const PAGE = 200;
/** Of so many sign-ins within ten minutes, nine of ten refused. */
const RATIO_OF = 200;
const RATIO = 0.9;

/**
 * Reads what was sealed since the last run, and the counters of wrong passwords, through every detection; raises
 * incidents and acts on them. Each event is judged once, however many workers run and whenever one dies: what it led
 * to is committed with the place after it.
 */
export async function detectIncidents(
  ports: DetectPorts,
  { signal }: { readonly signal: AbortSignal },
  caller: Caller,
): Promise<DetectionResult> {
  let read = 0;
  let sightings = 0;
  let after = await readProgress(ports.sql);
  for (let isMore = true; isMore && !signal.aborted; ) {
    const page = await followEventsOf(ports, WATCHED_TYPES, after, PAGE);
    for (const event of page.events) sightings += await judge(ports, event, caller);
    if (page.reachedSeq > after) await ports.transact((tx) => setProgress(tx, page.reachedSeq));
    after = page.reachedSeq;
    read += page.events.length;
    isMore = page.events.length === PAGE;
  }
  sightings += await judgeTotals(ports, caller);
  return { read, sightings };
}

async function judge(ports: DetectPorts, event: AuditEventView, caller: Caller): Promise<number> {
  const seen = sightingsOf(event);
  if (seen.length === 0) return 0;
  // The names of counters go by the first version of their secret, which stays.
  if (seen.some(({ detection }) => detection.actions.some((action) => action === 'step_up')))
    await ports.keyRing.load();
  return ports.transact(async (tx) => {
    // Another worker was faster.
    if ((await lockProgress(tx)) >= event.seq) return 0;
    for (const { detection, target, detail, on } of seen) {
      const raised = await raiseIncident(tx, ports, caller, detection, { target, detail });
      await actOn(tx, ports, detection, raised, on, caller);
    }
    await setProgress(tx, event.seq);
    return seen.length;
  });
}

/** What counters and shares of many events say; looked at while no other worker does, who would see the same. */
function judgeTotals(ports: DetectPorts, caller: Caller): Promise<number> {
  return ports.transact(async (tx) => {
    await lockProgress(tx);
    return (await judgeNetworks(tx, ports, caller)) + (await judgeRatio(tx, ports, caller));
  });
}

async function judgeNetworks(tx: Tx, ports: DetectPorts, caller: Caller): Promise<number> {
  const networks = await readStuffingNetworks(tx, STUFFING_NAMES, LOCK_POLICY.windowSeconds);
  for (const { key, failures, names } of networks) {
    const target = { kind: 'network', id: key } as const;
    const raised = await raiseIncident(tx, ports, caller, credentialStuffing, { target, detail: { failures, names } });
    await actOn(tx, ports, credentialStuffing, raised, { networkKey: key }, caller);
  }
  return networks.length;
}

async function judgeRatio(tx: Tx, ports: DetectPorts, caller: Caller): Promise<number> {
  const { logins, refused } = await readLoginRatio(tx, RATIO_OF);
  if (logins < RATIO_OF || refused < RATIO_OF * RATIO || (await isFresh(tx, failedLoginRatio.name))) return 0;
  const target = { kind: 'installation', id: 'sallyport' } as const;
  await raiseIncident(tx, ports, caller, failedLoginRatio, { target, detail: { logins, refused } });
  return 1;
}
