import { setTimeout as sleep } from 'node:timers/promises';
import { modules } from '#services/modules.ts';
import type { ScheduledJob } from '#services/platform/define/job.ts';
import { scheduledJobs } from '../../jobs/schedules.ts';
import { familyEvents, readEvents, readLeaves, readRoots, untilSealed } from './audit-log.ts';
import {
  acceptedRevokedTokens,
  answersOfOlderDatabase,
  doubleSuccessors,
  forks,
  type Gate,
  ineffectiveRevocations,
  serverErrors,
  wrongfulRefusals,
} from './gates.ts';
import { auditedActs } from './gates-acts.ts';
import { showsOnlyDeclared } from './gates-public-log.ts';
import { acceptedAfterEnd, keptOnce, type Rows, refusedWithoutEnd } from './gates-surfaces.ts';
import { type Ledger, now } from './ledger.ts';
import { arrived, arrivedInOrder, type DueEvent } from './load/hand-offs.ts';
import type { Surface } from './load/surfaces/surface.ts';
import { HANDOFF_TYPES } from './settings.ts';
import type { ChaosStores } from './stores.ts';
import type { System } from './system.ts';

const PATIENCE_MS = 60_000;
/** What the receiver refused comes again at growing intervals. */
const ARRIVAL_MS = 90_000;

const gate = (name: string, problems: readonly string[], checked = 1): Gate => ({
  name,
  checked,
  findings: problems.map((text) => ({ text })),
});

/** The command line reads the whole log, tiles, head and high-water mark. */
async function sealedLog(system: System): Promise<Gate> {
  const isSealed = await untilSealed(system.stores, PATIENCE_MS);
  const { code, out, err } = await system.sallyport(['audit', 'verify']);
  return gate('the sealed log verifies', [
    ...(isSealed ? [] : [`events still wait to be sealed after ${PATIENCE_MS / 1_000} s`]),
    ...(code === 0 ? [] : [`audit verify ended with ${code}: ${err || out}`]),
  ]);
}

/** How late a due job may be: as long as its retries take after an outage. */
const mostLateSeconds = ({ attempts, backoffSeconds }: ScheduledJob): number =>
  PATIENCE_MS / 1_000 + 1.5 * backoffSeconds * (2 ** (attempts - 1) - 1);

/** Jobs that are due run, at the latest with the last of their retries. */
async function schedules(system: System): Promise<Gate> {
  const rows = await system.stores.query<{ job: string; lateSeconds: number }>(
    `SELECT job, extract(epoch FROM clock_timestamp() - next_run_at)::float8 AS "lateSeconds" FROM job_schedules`,
  );
  const problems = scheduledJobs.flatMap((job) => {
    const row = rows.find((each) => each.job === job.name);
    if (row === undefined) return [`${job.name} is not in the timetable`];
    const most = mostLateSeconds(job);
    const late = Math.round(row.lateSeconds);
    return late > most ? [`${job.name} is ${late} s late, ${most} s are allowed`] : [];
  });
  return gate('schedules that stopped', problems, rows.length);
}

/** Both copies say that they are ready, and their workers that jobs move. */
async function health({ copies }: System): Promise<Gate> {
  const problems: string[] = [];
  for (const { name, url } of Object.values(copies)) {
    const deadline = now() + PATIENCE_MS;
    let last = 'no answer';
    for (; last !== '' && now() < deadline; await sleep(250))
      last = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(3_000) }).then(
        async (answer) => (answer.status === 200 ? '' : await answer.text()),
        (err: Error) => err.message,
      );
    if (last !== '') problems.push(`${name} is not ready ${PATIENCE_MS / 1_000} s after the last fault: ${last}`);
  }
  return gate('copies that stay down', problems, 2);
}

/** The history of each family that a gate found, with what the log says of it. */
async function withLog({ stores }: System, gate: Gate): Promise<Gate> {
  const findings = await Promise.all(
    gate.findings.map(async (finding) => {
      const { id, history } = (finding.subject ?? {}) as { readonly id?: string; readonly history?: readonly string[] };
      if (id === undefined || history === undefined) return finding;
      return { ...finding, subject: { history: [...history, ...(await familyEvents(stores, id))] } };
    }),
  );
  return { ...gate, findings };
}

async function readRows({ query }: ChaosStores, statements: Surface['rows']): Promise<Rows> {
  const rows = new Map<string, Map<string, number>>();
  for (const [kind, statement] of Object.entries(statements)) {
    const counted = await query<{ key: string; n: number }>(
      `SELECT key, count(*)::int AS n FROM (${statement}) AS found GROUP BY key`,
    );
    rows.set(kind, new Map(counted.map(({ key, n }) => [key, n])));
  }
  return rows;
}

/** What a surface acknowledged is there once, what it ended is refused, and what its own gates say. */
async function ofSurface(stores: ChaosStores, ledger: Ledger, surface: Surface): Promise<Gate[]> {
  const { name, rows, hasUsables, gates } = surface;
  return [
    keptOnce(ledger, name, await readRows(stores, rows)),
    ...(hasUsables ? [acceptedAfterEnd(ledger, name), refusedWithoutEnd(ledger, name)] : []),
    ...((await gates?.(stores.query)) ?? []),
  ];
}

/** The events that are handed off, once all of them have arrived, or patience has ended. */
async function dueEvents({ query }: ChaosStores, { arrivals }: Ledger, followedFrom: number): Promise<DueEvent[]> {
  const statement =
    'SELECT seq::int, event_id::text AS id, type FROM audit_events WHERE seq > $1 AND type = ANY($2) ORDER BY seq';
  for (const deadline = now() + ARRIVAL_MS; ; await sleep(500)) {
    const due = await query<DueEvent>(statement, [followedFrom, HANDOFF_TYPES]);
    const ids = new Set(arrivals.map(({ id }) => id));
    if (due.every(({ id }) => ids.has(id)) || now() > deadline) return due;
  }
}

/**
 * Everything that the ledger and the database say once faults and load are over.
 * @param followedFrom number of the last event before hand-offs began
 */
export async function checkGates(
  system: System,
  ledger: Ledger,
  surfaces: readonly Surface[],
  followedFrom: number,
): Promise<Gate[]> {
  const { stores } = system;
  const well = await health(system);
  const sealed = await sealedLog(system);
  const events = await readEvents(stores);
  const rootAt = await readRoots(stores, ledger);
  const declared = modules.flatMap((module) => module.events);
  const perSurface: Gate[] = [];
  for (const surface of surfaces) perSurface.push(...(await ofSurface(stores, ledger, surface)));
  return [
    acceptedRevokedTokens(ledger),
    doubleSuccessors(ledger),
    await withLog(system, wrongfulRefusals(ledger)),
    ineffectiveRevocations(ledger),
    auditedActs(ledger, events),
    answersOfOlderDatabase(ledger),
    serverErrors(ledger),
    sealed,
    forks(ledger, rootAt),
    showsOnlyDeclared(await readLeaves(stores), declared),
    ...perSurface,
    arrived(ledger, await dueEvents(stores, ledger, followedFrom)),
    arrivedInOrder(ledger),
    await schedules(system),
    well,
  ];
}
