/**
 * Password verification through the hasher against raw @node-rs/bcrypt on as many threads, in alternating rounds.
 *
 *   node load-tests/bench/hasher.ts [rounds = 3] [secondsPerRound = 8]
 *
 * CPU-seconds are those of this process and the hasher's children: on a shared machine their ratio is the steadier
 * one, because the children give way to everyone else by design.
 */
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { verify } from '@node-rs/bcrypt';
import { createHasher } from '#services/platform/hasher/hasher.ts';

const threads = availableParallelism();
const PASSWORD = 'correct horse battery staple';
const CLOCK_TICKS_PER_SECOND = 100;

type Speed = {
  readonly perSecond: number;
  readonly perCpuSecond: number;
};

type HasherBench = {
  readonly threads: number;
  readonly rounds: readonly { readonly raw: Speed; readonly hasher: Speed }[];
  /** Medians over the rounds, hasher ÷ raw. */
  readonly throughputRatio: number;
  readonly cpuSecondRatio: number;
};

async function measureHasher(rounds: number, secondsPerRound: number): Promise<HasherBench> {
  const pids: number[] = [];
  const hasher = createHasher({
    pepper: randomBytes(32),
    children: threads,
    maxWaitSeconds: 60,
    onChild: (event) => event.kind === 'started' && event.pid !== undefined && pids.push(event.pid),
  });
  const admission = { clientPrefix: '192.0.2.1', knownDevice: true };
  const digest = await hasher.hash(PASSWORD, admission);
  const cpuSeconds = (): number => ownCpuSeconds() + pids.map(cpuSecondsOf).reduce((sum, each) => sum + each, 0);
  const measured: { raw: Speed; hasher: Speed }[] = [];
  try {
    for (let round = 0; round < rounds; round += 1) {
      const raw = await measure(secondsPerRound, threads, cpuSeconds, () => verify(PASSWORD, digest));
      // Twice as many logins as children, so that none is ever without work.
      const ours = await measure(secondsPerRound, 2 * threads, cpuSeconds, () =>
        hasher.verify(PASSWORD, digest, admission),
      );
      measured.push({ raw, hasher: ours });
    }
  } finally {
    await hasher.close();
  }
  return {
    threads,
    rounds: measured,
    throughputRatio: median(measured.map(({ raw, hasher: ours }) => ours.perSecond / raw.perSecond)),
    cpuSecondRatio: median(measured.map(({ raw, hasher: ours }) => ours.perCpuSecond / raw.perCpuSecond)),
  };
}

/** Keeps `inFlight` calls going for the given time, then waits for the last ones and counts them too. */
async function measure(
  seconds: number,
  inFlight: number,
  cpuSeconds: () => number,
  call: () => Promise<boolean>,
): Promise<Speed> {
  let done = 0;
  const startedMs = performance.now();
  const startedCpuSeconds = cpuSeconds();
  const loop = async (): Promise<void> => {
    while (performance.now() - startedMs < seconds * 1000) {
      if (!(await call())) throw new Error('a right password was refused');
      done += 1;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, loop));
  const elapsedSeconds = (performance.now() - startedMs) / 1000;
  return { perSecond: done / elapsedSeconds, perCpuSecond: done / (cpuSeconds() - startedCpuSeconds) };
}

function ownCpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** utime and stime, fields 14 and 15 of proc_pid_stat(5). */
function cpuSecondsOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const [utime, stime] = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 13);
  return (Number(utime) + Number(stime)) / CLOCK_TICKS_PER_SECOND;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function print(result: HasherBench): void {
  const cells = ({ perSecond, perCpuSecond }: Speed): string =>
    `${perSecond.toFixed(2).padStart(8)}/s ${perCpuSecond.toFixed(2).padStart(7)}/cpu-s`;
  console.log(`bcrypt cost 12, verify, ${result.threads} threads against ${result.threads} children`);
  for (const [index, { raw, hasher }] of result.rounds.entries()) {
    console.log(`round ${index + 1}   raw ${cells(raw)}   hasher ${cells(hasher)}`);
  }
  console.log(
    `hasher / raw, median: throughput ${result.throughputRatio.toFixed(3)}, per CPU-second ${result.cpuSecondRatio.toFixed(3)}`,
  );
}

// libuv reads the size of its pool once, before any script runs: the measurement is a process of its own.
if (process.env.UV_THREADPOOL_SIZE === String(threads)) {
  const [rounds = 3, secondsPerRound = 8] = process.argv.slice(2).map(Number);
  print(await measureHasher(rounds, secondsPerRound));
} else {
  const env = { ...process.env, UV_THREADPOOL_SIZE: String(threads) };
  const args = [fileURLToPath(import.meta.url), ...process.argv.slice(2)];
  process.exitCode = spawnSync(process.execPath, args, { env, stdio: 'inherit' }).status ?? 1;
}
