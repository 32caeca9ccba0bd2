import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Gate } from './gates.ts';
import type { System } from './system.ts';

/** What a process takes. */
type Size = { readonly rssMb: number; readonly descriptors: number };

/** What the product takes, by the role of each process: a restarted one takes the place of the one before. */
export type Footprint = { readonly processes: Readonly<Record<string, Size>>; readonly postgresConnections: number };

/** At the beginning and at the end of a run. */
export type Footprints = { readonly begin: Footprint; readonly end: Footprint };

/** More descriptors or connections than at the beginning, when all is quiet, than keep-alive and pools explain. */
export const LEAK_BOUND = 50;

const QUIET_MS = 60_000;

/** Undefined: the process has ended. */
function sizeOf(pid: number): Size | undefined {
  try {
    const kilobytes = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return { rssMb: Math.round(Number(kilobytes ?? 0) / 1_024), descriptors: readdirSync(`/proc/${pid}/fd`).length };
  } catch {
    return undefined;
  }
}

/** Supervisors, APIs and workers of both copies, and the connections to PostgreSQL. */
export async function footprintOf({ copies, stores }: Pick<System, 'copies' | 'stores'>): Promise<Footprint> {
  const pids = Object.values(copies).flatMap((copy): [string, number | undefined][] => [
    [`supervisor of ${copy.name}`, copy.product().supervisorPid],
    [`api of ${copy.name}`, copy.apiPid()],
    [`worker of ${copy.name}`, copy.product().workerPid()],
  ]);
  const sizes = pids.map(([role, pid]) => [role, pid === undefined ? undefined : sizeOf(pid)] as const);
  const [row] = await stores.query<{ connections: number }>(
    `SELECT count(*)::int AS connections FROM pg_stat_activity
     WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()`,
  );
  return {
    processes: Object.fromEntries(sizes.flatMap(([role, size]) => (size ? [[role, size]] : []))),
    postgresConnections: row!.connections,
  };
}

/** What a run opened is closed again: of every process that is there at both ends, and of the database. */
export function processesThatLeak({ begin, end }: Footprints): Gate {
  const taken = Object.entries(begin.processes).flatMap(([role, { descriptors }]): [string, number, number][] => {
    const later = end.processes[role];
    return later ? [[`file descriptors of the ${role}`, descriptors, later.descriptors]] : [];
  });
  taken.push(['PostgreSQL connections', begin.postgresConnections, end.postgresConnections]);
  return {
    name: 'processes that leak',
    checked: taken.length,
    findings: taken
      .filter(([, before, after]) => after > before + LEAK_BOUND)
      .map(([what, before, after]) => ({
        text: `${after} ${what} when all was quiet, ${before} at the beginning: ${LEAK_BOUND} more are allowed`,
      })),
  };
}

/** The footprint at the end, once it is back within its bound: what closes by itself has the time for it. */
export async function quietFootprint(begin: Footprint, measure: () => Promise<Footprint>): Promise<Footprints> {
  const deadline = performance.now() + QUIET_MS;
  for (;;) {
    const footprints = { begin, end: await measure() };
    if (processesThatLeak(footprints).findings.length === 0 || performance.now() > deadline) return footprints;
    await sleep(1_000);
  }
}
