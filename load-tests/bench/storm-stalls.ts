/**
 * Why validate is later in a login storm: how long the API's main thread and the client wait for a processor, and who
 * holds it meanwhile; and how long at a time that thread has one to itself, since whoever comes then waits too. Quiet,
 * beside loops that only spin, in the storm, and each of them beside refreshes. Needs root: the scheduler's events stay
 * in the kernel's ring buffer until a phase is over, since a tool that writes them down meanwhile delays what it watches.
 * Run: node load-tests/bench/storm-stalls.ts [seconds a phase]
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { BenchContext } from '../lib/bench.ts';
import { descendantsOf } from '../lib/cpu-time.ts';
import { streamOf } from '../lib/generator.ts';
import type { StreamSpec } from '../lib/load-loop.ts';
import { stopRunningProducts } from '../lib/product.ts';
import { besideSpinning, prepareStorm, runStorm } from './login-storm.ts';

const settleMs = 3_000;
const stallMs = 0.25;
const longWaitMs = 1;
const longTurnMs = 2;
const shownHolders = 8;
const seconds = Number(process.argv[2] ?? 10);

/** One stay of a thread on a processor; milliseconds. */
interface Stay {
  readonly thread: number;
  readonly name: string;
  readonly processor: string;
  readonly wantedAtMs: number;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
}

const tracing = '/sys/kernel/tracing';
const bufferKb = '80000'; // A processor; a busy one writes 3 MB a second.
const events = ['sched_switch', 'sched_waking'];
const event = /\[(\d+)\] +\S+ +([\d.]+): (sched_switch|sched_waking): (.*)$/;
const switched = /^prev_comm=(.*) prev_pid=(\d+) prev_prio=\d+ prev_state=(\S+) ==> next_comm=.* next_pid=(\d+)/;

const tell = (file: string, value: string): void => writeFileSync(join(tracing, file), value);
const tracesScheduler = (enabled: '0' | '1'): void => {
  for (const name of events) tell(`events/sched/${name}/enable`, enabled);
  tell('tracing_on', enabled);
};

/** What the scheduler did meanwhile, a line each. @throws without the right to trace */
async function recordScheduler(lengthMs: number): Promise<string> {
  const setting = (file: string): string => readFileSync(join(tracing, file), 'utf8');
  const clock = /\[(.*)\]/.exec(setting('trace_clock'))?.[1] ?? 'local';
  const sizeKb = /\d+(?=\D*$)/.exec(setting('buffer_size_kb'))?.[0] ?? bufferKb; // "7 (expanded: 1408)"
  try {
    tell('trace_clock', 'mono');
    tell('buffer_size_kb', bufferKb);
    tell('trace', '');
    tracesScheduler('1');
    await sleep(lengthMs);
    tracesScheduler('0');
    const recording = setting('trace');
    const [, kept, written] = /entries-in-buffer\/entries-written: (\d+)\/(\d+)/.exec(recording) ?? [];
    if (kept !== written)
      throw new Error(`the kernel kept ${kept} of ${written} events: ask for fewer seconds a phase`);
    return recording;
  } finally {
    tracesScheduler('0');
    tell('trace', '');
    tell('buffer_size_kb', sizeKb);
    tell('trace_clock', clock);
    tell('tracing_on', '1'); // As it was: without an enabled event nothing is recorded.
  }
}

/** Stays in order of their ends. Who is put off in the midst of one wants the next from then on. */
function staysOf(recording: string): Stay[] {
  const onProcessor = new Map<string, { thread: number; wantedAtMs: number; startedAtMs: number }>();
  const running = new Set<number>();
  const wantedAt = new Map<number, number>();
  return recording.split('\n').flatMap((line) => {
    const [, processor, at, kind, detail] = event.exec(line) ?? [];
    if (kind === undefined) return [];
    const atMs = Number(at) * 1_000;
    if (kind === 'sched_waking') {
      const thread = Number(/ pid=(\d+)/.exec(detail!)?.[1]);
      if (!running.has(thread) && !wantedAt.has(thread)) wantedAt.set(thread, atMs);
      return [];
    }
    const [, name, before, state, after] = switched.exec(detail!) ?? [];
    const [thread, next] = [Number(before), Number(after)];
    const stay = onProcessor.get(processor!);
    running.delete(thread);
    if (state?.startsWith('R')) wantedAt.set(thread, atMs);
    onProcessor.set(processor!, { thread: next, wantedAtMs: wantedAt.get(next) ?? atMs, startedAtMs: atMs });
    wantedAt.delete(next);
    running.add(next);
    if (stay?.thread !== thread || thread === 0) return [];
    return [{ ...stay, name: name!, processor: processor!, endedAtMs: atMs }];
  });
}

/** What a thread is to the product; threads of others are nobody's. */
function rolesOf(startPid: number, apiPid: number, clientPid: number, besidePid: number): (stay: Stay) => string {
  const textOf = (file: string): string => readFileSync(file, 'latin1').replaceAll('\0', ' ').trim();
  const roleOfProcess = (pid: number): string => {
    const command = textOf(`/proc/${pid}/cmdline`);
    if (command.startsWith('postgres') || command.includes('bin/postgres')) return 'Postgres';
    if (command.includes('redis-server')) return 'Redis';
    if (command.includes('hasher/child')) return 'a hasher';
    if (command.includes('worker/main')) return 'the worker';
    return pid === apiPid ? 'the API' : 'the supervisor';
  };
  const processes = new Map([
    ...descendantsOf(process.pid).map((pid) => [pid, 'a loop that spins'] as const),
    ...descendantsOf(startPid).map((pid) => [pid, roleOfProcess(pid)] as const),
    [clientPid, 'the client'],
    [besidePid, 'the client of logins'],
    [process.pid, 'the bench'],
  ]);
  const roles = new Map<number, string>();
  for (const [pid, role] of processes)
    for (const thread of readdirSync(`/proc/${pid}/task`).map(Number)) {
      const name = textOf(`/proc/${pid}/task/${thread}/comm`);
      const helper = name.startsWith('people')
        ? 'the people thread'
        : `${role}: compiling, collecting, file and crypto threads`;
      roles.set(thread, thread === pid ? role : helper);
    }
  return ({ thread, name }) =>
    roles.get(thread) ?? (name.startsWith('postgres') ? 'Postgres' : 'others on this machine');
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
  /** How much of it one other processor was left to those who give way: whoever waited was not fetched there. */
  readonly leftElsewhereMs: number;
}

const givesWay: ReadonlySet<string> = new Set(['a hasher', 'a loop that spins']);
const sumOf = (numbers: Iterable<number>): number => [...numbers].reduce((all, one) => all + one, 0);

/** Who was on one processor meanwhile, in milliseconds. */
function holdersBetween(
  there: readonly Stay[],
  fromMs: number,
  toMs: number,
  roleOf: (stay: Stay) => string,
): Map<string, number> {
  const holders = new Map<string, number>();
  for (let index = firstEndingAfter(there, fromMs); index < there.length; index += 1) {
    const stay = there[index] as Stay;
    if (stay.startedAtMs >= toMs) break;
    const held = Math.min(stay.endedAtMs, toMs) - Math.max(stay.startedAtMs, fromMs);
    const role = roleOf(stay);
    holders.set(role, (holders.get(role) ?? 0) + held);
  }
  return holders;
}

/** Every time the thread was ready and not on a processor, and who was on that processor. */
function waitsOf(thread: number, stays: readonly Stay[], roleOf: (stay: Stay) => string): Wait[] {
  const onProcessor = Map.groupBy(stays, (stay) => stay.processor);
  return stays
    .filter((stay) => stay.thread === thread && stay.startedAtMs > stay.wantedAtMs)
    .map(({ processor, wantedAtMs, startedAtMs }) => {
      const ms = startedAtMs - wantedAtMs;
      const holders = holdersBetween(onProcessor.get(processor) as readonly Stay[], wantedAtMs, startedAtMs, roleOf);
      holders.set('nobody: a processor that slept', Math.max(0, ms - sumOf(holders.values())));
      const leftMs = [...onProcessor]
        .filter(([other]) => other !== processor)
        .map(([, there]) => [...holdersBetween(there, wantedAtMs, startedAtMs, roleOf)])
        .map((others) => sumOf(others.map(([role, held]) => (givesWay.has(role) ? held : 0))));
      return { ms, holders, leftElsewhereMs: Math.max(0, ...leftMs) };
    });
}

function report(who: string, waits: readonly Wait[], recordedSeconds: number): void {
  const sum = new Map<string, number>();
  for (const { holders } of waits) for (const [role, ms] of holders) sum.set(role, (sum.get(role) ?? 0) + ms);
  const totalMs = sumOf(waits.map(({ ms }) => ms));
  const long = waits.filter(({ ms }) => ms >= stallMs);
  const per = (value: number): string => (value / recordedSeconds).toFixed(1);
  say(`  ${who} waited ${per(totalMs)} ms a second, ${per(long.length)} times for ${stallMs} ms and more; for:`);
  for (const [role, ms] of [...sum].sort(([, a], [, b]) => b - a).slice(0, shownHolders))
    say(`    ${per(ms).padStart(6)} ms/s  ${role}`);
  const left = waits.map(({ leftElsewhereMs }) => leftElsewhereMs);
  const longLeft = left.filter((ms) => ms >= longWaitMs);
  say(
    `  meanwhile another processor was left to those who give way: ${per(sumOf(left))} ms a second, ${per(longLeft.length)} times for ${longWaitMs} ms and more`,
  );
}

function reportLongTurns(thread: number, stays: readonly Stay[], recordedSeconds: number): void {
  const turns = stays.filter((stay) => stay.thread === thread).map((stay) => stay.endedAtMs - stay.startedAtMs);
  const long = turns.filter((ms) => ms >= longTurnMs);
  const longMs = sumOf(long);
  const per = (value: number): string => (value / recordedSeconds).toFixed(1);
  say(
    `  and ran ${per(long.length)} times a second for ${longTurnMs} ms and more on end, ${per(longMs)} ms a second, at most ${Math.max(0, ...long).toFixed(1)} ms`,
  );
}

const say = (text: string): void => void process.stdout.write(`${text}\n`);

try {
  await recordScheduler(0);
} catch (err) {
  process.stderr.write(`storm-stalls cannot trace the scheduler in ${tracing} (run it as root): ${String(err)}\n`);
  process.exit(2);
}
let isStopping = false;
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => {
    isStopping = true;
    tracesScheduler('0');
    stopRunningProducts();
    void context.close().finally(() => process.exit(signal === 'SIGINT' ? 130 : 143));
  });
const context = new BenchContext({ rounds: 1, seconds, say: (text) => void process.stderr.write(`${text}\n`) });
try {
  const { product, validate, refresh, logins } = await prepareStorm(context);
  const clientPid = context.generator().pid;
  const besidePid = context.generatorBeside().pid;
  const measure = async (name: string, ...others: readonly StreamSpec[]): Promise<void> => {
    const load = runStorm(context, [validate, ...others], { warmUpSeconds: 2, seconds });
    await sleep(settleMs);
    const recordedSeconds = Math.max(1, seconds - 2);
    const recording = await recordScheduler(recordedSeconds * 1_000);
    const roleOf = rolesOf(product.startPid, product.apiPid, clientPid, besidePid);
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
  await besideSpinning(product, () => measure('spin'));
  await measure('storm', logins);
  await measure('refresh', refresh);
  await besideSpinning(product, () => measure('refresh and spin', refresh));
  await measure('refresh and storm', refresh, logins);
} catch (err) {
  if (!isStopping) throw err;
} finally {
  await context.close();
}
