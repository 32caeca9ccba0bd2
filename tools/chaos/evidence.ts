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
import type { Ledger } from './ledger.ts';
import { checkSurfaces } from './surface-evidence.ts';
import type { System } from './system.ts';

const PATIENCE_MS = 60_000;

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
    return row.lateSeconds > most
      ? [`${job.name} is ${Math.round(row.lateSeconds)} s late, ${most} s are allowed`]
      : [];
  });
  return gate('schedules that stopped', problems, rows.length);
}

/** Both copies say that they are ready, and their workers that jobs move. */
async function health(system: System): Promise<Gate> {
  const problems: string[] = [];
  for (const { name, url } of Object.values(system.copies)) {
    const deadline = performance.now() + PATIENCE_MS;
    let last = 'no answer';
    while (performance.now() < deadline && last !== '') {
      last = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(3_000) }).then(
        async (answer) => (answer.status === 200 ? '' : await answer.text()),
        (err: Error) => err.message,
      );
      if (last !== '') await new Promise((done) => setTimeout(done, 250));
    }
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

/**
 * Everything that the ledger and the database say once faults and load are over.
 * @param followedFrom number of the last event before hand-offs began
 */
export async function checkGates(system: System, ledger: Ledger, followedFrom: number): Promise<Gate[]> {
  const well = await health(system);
  const sealed = await sealedLog(system);
  const events = await readEvents(system.stores);
  const rootAt = await readRoots(system.stores, ledger);
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
    showsOnlyDeclared(
      await readLeaves(system.stores),
      modules.flatMap((module) => module.events),
    ),
    ...(await checkSurfaces(system, ledger, followedFrom)),
    await schedules(system),
    well,
  ];
}
