import { setTimeout as sleep } from 'node:timers/promises';
import { commandOf, recordProcess, sendSignal, waitForExit } from '#services/platform/local/processes.ts';
import { eventually } from '#tools/testing/eventually.ts';
import { descendantsOf } from '#tools/testing/processes/alive.ts';
import { type Fault, type FaultSite, fault } from './fault.ts';

const EXIT_MS = 60_000;

/** The supervisor takes an ended API or worker for a crash, and starts another. */
async function endProcess(
  { system, copy }: FaultSite,
  kind: 'api' | 'worker',
  signal: NodeJS.Signals,
): Promise<string> {
  const target = system.copies[copy];
  const pidOf = kind === 'api' ? target.apiPid : target.workerPid;
  const pid = pidOf();
  if (pid === undefined) return `no ${kind} at ${copy} to end`;
  const record = recordProcess(pid);
  sendSignal(pid, signal);
  await waitForExit(record, EXIT_MS);
  return `${kind} of ${copy}`;
}

async function freezeProcess({ system, copy }: FaultSite, kind: 'api' | 'worker', ms: number): Promise<string> {
  const target = system.copies[copy];
  const pid = kind === 'api' ? target.apiPid() : target.workerPid();
  if (pid === undefined) return `no ${kind} at ${copy} to stop`;
  sendSignal(pid, 'SIGSTOP');
  try {
    await sleep(ms);
  } finally {
    sendSignal(pid, 'SIGCONT');
  }
  return `${kind} of ${copy} for ${ms} ms`;
}

const hashers = ({ system, copy }: FaultSite): number[] => {
  const pid = system.copies[copy].apiPid();
  return pid === undefined ? [] : descendantsOf(pid).filter((child) => /hasher/.test(commandOf(child)));
};

export const processFaults: readonly Fault[] = [
  fault('kill-api', (at) => endProcess(at, 'api', 'SIGKILL')),
  fault('terminate-api', (at) => endProcess(at, 'api', 'SIGTERM')),
  fault('kill-both-apis', async (at) => {
    await Promise.all([
      endProcess({ ...at, copy: 'A' }, 'api', 'SIGKILL'),
      endProcess({ ...at, copy: 'B' }, 'api', 'SIGKILL'),
    ]);
  }),
  fault('freeze-api', (at) => freezeProcess(at, 'api', at.random.pick([5_000, 8_000, 13_000])!), { freezesApi: true }),
  fault('kill-worker', (at) => endProcess(at, 'worker', 'SIGKILL')),
  fault('terminate-worker', (at) => endProcess(at, 'worker', 'SIGTERM')),
  fault('freeze-worker', (at) => freezeProcess(at, 'worker', 6_000)),
  fault('freeze-both-workers', async (at) => {
    await Promise.all([
      freezeProcess({ ...at, copy: 'A' }, 'worker', 8_000),
      freezeProcess({ ...at, copy: 'B' }, 'worker', 8_000),
    ]);
  }),
  fault('kill-mcp', async ({ system }) => {
    const servers = (): number[] =>
      descendantsOf(system.copies.A.product().supervisorPid).filter((pid) => /services\/mcp\//.test(commandOf(pid)));
    const [pid] = servers();
    if (pid === undefined) return 'no MCP server at A to end';
    const record = recordProcess(pid);
    sendSignal(pid, 'SIGKILL');
    await waitForExit(record, EXIT_MS);
    await eventually('another MCP server', async () => {
      const answer = await fetch(system.mcpUrl, { method: 'POST', signal: AbortSignal.timeout(1_000) }).catch(
        () => null,
      );
      return answer !== null;
    });
    return 'the MCP server of A';
  }),
  fault('kill-hashers', async (at) => {
    const pids = hashers(at);
    for (const pid of pids) sendSignal(pid, 'SIGKILL');
    return `${pids.length} of ${at.copy}`;
  }),
  fault('freeze-hashers', async (at) => {
    const pids = hashers(at);
    for (const pid of pids) sendSignal(pid, 'SIGSTOP');
    await sleep(4_000);
    for (const pid of pids) sendSignal(pid, 'SIGCONT');
    return `${pids.length} of ${at.copy}`;
  }),
  fault('restart-supervisor', async ({ system, copy }) => {
    await system.copies[copy].restart('SIGTERM');
    return copy;
  }),
  fault('kill-supervisor', async ({ system, copy }) => {
    await system.copies[copy].restart('SIGKILL');
    return copy;
  }),
];
