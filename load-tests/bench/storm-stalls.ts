/**
 * Why validate is later in a login storm: how long the API's main thread and the client wait for a processor, and who
 * holds it meanwhile; and how long at a time that thread has one to itself, since whoever comes then waits too. Quiet,
 * beside loops that only spin, in the storm, and beside refreshes. Needs `perf` and the right to trace.
 * Run: node load-tests/bench/storm-stalls.ts [seconds a phase]
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { BenchContext } from '../lib/bench.ts';
import { descendantsOf } from '../lib/cpu-time.ts';
import { streamOf } from '../lib/generator.ts';
import type { StreamSpec } from '../lib/load-loop.ts';
import { besideSpinning, prepareStorm, runStorm } from './login-storm.ts';

const settleMs = 3_000;
const stallMs = 0.25;
const longTurnMs = 2;
const shownHolders = 8;
const seconds = Number(process.argv[2] ?? 10);

/** One stay of a thread on a processor: `perf sched timehist`, times in milliseconds. */
interface Stay {
  readonly name: string;
  readonly processor: string;
  readonly wantedAtMs: number;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
}

const row = /^\s*([\d.]+) \[(\d+)\]\s+(.+?)\s+([\d.]+)\s+([\d.]+)\s+([\d.]+)\s+(\S+)\s*$/;

/** Stays in order of their ends. Who is put off in the midst of one wants the next from then on. */
function staysOf(recording: string): Stay[] {
  const text = execFileSync('perf', ['sched', 'timehist', '--state', '-i', recording], {
    encoding: 'utf8',
    maxBuffer: 2 ** 30,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const putOffAt = new Map<string, number>();
  return text.split('\n').flatMap((line) => {
    const [, at, processor, name, , delay, run, state] = row.exec(line) ?? [];
    if (at === undefined) return [];
    const endedAtMs = Number(at) * 1_000;
    const startedAtMs = endedAtMs - Number(run);
    const wantedAtMs = putOffAt.get(name!) ?? startedAtMs - Number(delay);
    if (state!.startsWith('R')) putOffAt.set(name!, endedAtMs);
    else putOffAt.delete(name!);
    return [{ name: name!, processor: processor!, wantedAtMs, startedAtMs, endedAtMs }];
  });
}

const threadOf = (name: string): number => Number(/\[(\d+)/.exec(name)?.[1]);

/** What a thread is to the product, by its number; threads of others by their own names. */
function roleNames(startPid: number, apiPid: number, clientPid: number, besidePid: number): (name: string) => string {
  const commandOf = (pid: number): string => readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ');
  const roles = new Map<number, string>([
    [clientPid, 'the client'],
    [besidePid, 'the client of logins'],
    [process.pid, 'the bench'],
  ]);
  for (const pid of descendantsOf(startPid)) {
    const command = commandOf(pid);
    if (command.startsWith('postgres') || command.includes('bin/postgres')) roles.set(pid, 'Postgres');
    else if (command.includes('redis-server')) roles.set(pid, 'Redis');
    else if (command.includes('hasher/child')) roles.set(pid, 'a hasher');
    else if (command.includes('worker/main')) roles.set(pid, 'the worker');
    else if (pid === apiPid) roles.set(pid, 'the API');
    else roles.set(pid, 'the supervisor');
  }
  return (name) => {
    const [, thread, process_ = thread] = /\[(\d+)(?:\/(\d+))?\]/.exec(name) ?? [];
    const role = roles.get(Number(process_));
    if (role === undefined) return name.startsWith('postgres') ? 'Postgres' : 'others on this machine';
    if (thread === process_) return role;
    return name.startsWith('people') ? 'the people thread' : `${role}: compiling, collecting, file and crypto threads`;
  };
}

/** By halves: stays of one processor follow one another. */
function firstEndingAfter(stays: readonly Stay[], atMs: number): number {
  let [from, to] = [0, stays.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if ((stays[middle] as Stay).endedAtMs > atMs) to = middle;
    else from = middle + 1;
  }
  return from;
}

interface Wait {
  readonly ms: number;
  readonly holders: ReadonlyMap<string, number>;
}

/** Every time the thread was ready and not on a processor, and who was on that processor. */
function waitsOf(thread: number, stays: readonly Stay[], roleOf: (name: string) => string): Wait[] {
  const onProcessor = Map.groupBy(stays, (stay) => stay.processor);
  return stays
    .filter((stay) => threadOf(stay.name) === thread && stay.startedAtMs > stay.wantedAtMs)
    .map(({ processor, wantedAtMs, startedAtMs }) => {
      const holders = new Map<string, number>();
      const there = onProcessor.get(processor) as readonly Stay[];
      for (let index = firstEndingAfter(there, wantedAtMs); index < there.length; index += 1) {
        const other = there[index] as Stay;
        if (other.startedAtMs >= startedAtMs) break;
        const held = Math.min(other.endedAtMs, startedAtMs) - Math.max(other.startedAtMs, wantedAtMs);
        const role = roleOf(other.name);
        holders.set(role, (holders.get(role) ?? 0) + held);
      }
      return { ms: startedAtMs - wantedAtMs, holders };
    });
}

function report(who: string, waits: readonly Wait[], recordedSeconds: number): void {
  const sum = new Map<string, number>();
  for (const { holders } of waits) for (const [role, ms] of holders) sum.set(role, (sum.get(role) ?? 0) + ms);
  const totalMs = waits.reduce((all, { ms }) => all + ms, 0);
  const long = waits.filter(({ ms }) => ms >= stallMs);
  const per = (value: number): string => (value / recordedSeconds).toFixed(1);
  say(`  ${who} waited ${per(totalMs)} ms a second, ${per(long.length)} times for ${stallMs} ms and more; for:`);
  for (const [role, ms] of [...sum].sort(([, a], [, b]) => b - a).slice(0, shownHolders))
    say(`    ${per(ms).padStart(6)} ms/s  ${role}`);
}

function reportLongTurns(thread: number, stays: readonly Stay[], recordedSeconds: number): void {
  const turns = stays.filter((stay) => threadOf(stay.name) === thread).map((stay) => stay.endedAtMs - stay.startedAtMs);
  const long = turns.filter((ms) => ms >= longTurnMs);
  const longMs = long.reduce((all, ms) => all + ms, 0);
  const per = (value: number): string => (value / recordedSeconds).toFixed(1);
  say(
    `  and ran ${per(long.length)} times a second for ${longTurnMs} ms and more on end, ${per(longMs)} ms a second, at most ${Math.max(0, ...long).toFixed(1)} ms`,
  );
}

const say = (text: string): void => void process.stdout.write(`${text}\n`);

if (spawnSync('perf', ['sched', 'record', '-o', '/dev/null', '--', 'true'], { stdio: 'ignore' }).status !== 0) {
  process.stderr.write(
    'storm-stalls needs perf(1) and the right to trace the scheduler: install linux-perf, run as root\n',
  );
  process.exit(2);
}
const folder = mkdtempSync(join(tmpdir(), 'sallyport-stalls-'));
const context = new BenchContext({ rounds: 1, seconds, say: (text) => void process.stderr.write(`${text}\n`) });
try {
  const { product, validate, refresh, logins } = await prepareStorm(context);
  const clientPid = context.generator().pid;
  const besidePid = context.generatorBeside().pid;
  const measure = async (name: string, ...others: readonly StreamSpec[]): Promise<void> => {
    const recording = join(folder, `${name}.data`);
    const load = runStorm(context, [validate, ...others], { warmUpSeconds: 2, seconds });
    await sleep(settleMs);
    const recordedSeconds = Math.max(1, seconds - 2);
    const perf = spawn('perf', ['sched', 'record', '-o', recording, '--', 'sleep', String(recordedSeconds)], {
      stdio: 'ignore',
    });
    await once(perf, 'exit');
    const roleOf = roleNames(product.startPid, product.apiPid, clientPid, besidePid);
    const result = await load;
    const { p50Ms, p99Ms } = streamOf(result, 'validate').latency;
    say(`${name}: validate p50 ${p50Ms.toFixed(2)} ms, p99 ${p99Ms.toFixed(2)} ms while traced`);
    const stays = staysOf(recording);
    report("the API's main thread", waitsOf(product.apiPid, stays, roleOf), recordedSeconds);
    reportLongTurns(product.apiPid, stays, recordedSeconds);
    report('the client', waitsOf(clientPid, stays, roleOf), recordedSeconds);
  };
  await runStorm(context, [validate, logins], { warmUpSeconds: 0, seconds });
  await measure('quiet');
  await besideSpinning(() => measure('spin'));
  await measure('storm', logins);
  await measure('refresh', refresh);
  await measure('refresh and storm', refresh, logins);
} finally {
  await context.close();
  rmSync(folder, { recursive: true, force: true });
}
