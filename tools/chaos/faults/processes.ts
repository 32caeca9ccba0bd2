import { setTimeout as sleep } from 'node:timers/promises';
import { commandOf, recordProcess, sendSignal, waitForExit } from '#services/platform/local/processes.ts';
import { eventually } from '#tools/testing/eventually.ts';
import { descendantsOf } from '#tools/testing/processes/alive.ts';
import { type Fault, type FaultSite, fault, whileStopped } from './fault.ts';

const EXIT_MS = 60_000;

type Kind = 'api' | 'worker';

/** The supervisor takes an ended API or worker for a crash, and starts another. */
async function endProcess({ system, copy }: FaultSite, kind: Kind, signal: NodeJS.Signals): Promise<string> {
  const pid = system.copies[copy][`${kind}Pid`]();
  if (pid === undefined) return `no ${kind} at ${copy} to end`;
  const record = recordProcess(pid);
  sendSignal(pid, signal);
  await waitForExit(record, EXIT_MS);
  return `${kind} of ${copy}`;
}

async function freezeProcess({ system, copy }: FaultSite, kind: Kind, ms: number): Promise<string> {
  const pid = system.copies[copy][`${kind}Pid`]();
  if (pid === undefined) return `no ${kind} at ${copy} to stop`;
  await whileStopped([pid], () => sleep(ms));
  return `${kind} of ${copy} for ${ms} ms`;
}

const atBoth = async (at: FaultSite, work: (at: FaultSite) => Promise<unknown>): Promise<void> =>
  void (await Promise.all((['A', 'B'] as const).map((copy) => work({ ...at, copy }))));

const hashers = ({ system, copy }: FaultSite): number[] => {
  const pid = system.copies[copy].apiPid();
  return pid === undefined ? [] : descendantsOf(pid).filter((child) => /hasher/.test(commandOf(child)));
};

export const processFaults: readonly Fault[] = [
  fault('kill-api', (at) => endProcess(at, 'api', 'SIGKILL')),
  fault('terminate-api', (at) => endProcess(at, 'api', 'SIGTERM')),
  fault('kill-both-apis', (at) => atBoth(at, (each) => endProcess(each, 'api', 'SIGKILL'))),
  fault('freeze-api', (at) => freezeProcess(at, 'api', at.random.pick([5_000, 8_000, 13_000])!), { freezesApi: true }),
  fault('kill-worker', (at) => endProcess(at, 'worker', 'SIGKILL')),
  fault('terminate-worker', (at) => endProcess(at, 'worker', 'SIGTERM')),
  fault('freeze-worker', (at) => freezeProcess(at, 'worker', 6_000)),
  fault('freeze-both-workers', (at) => atBoth(at, (each) => freezeProcess(each, 'worker', 8_000))),
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
    await whileStopped(pids, () => sleep(4_000));
    return `${pids.length} of ${at.copy}`;
  }),
  fault('restart-supervisor', ({ system, copy }) => system.copies[copy].restart('SIGTERM').then(() => copy)),
  fault('kill-supervisor', ({ system, copy }) => system.copies[copy].restart('SIGKILL').then(() => copy)),
];
