/**
 * How long a committed revocation takes to be refused in another process, with Redis and without, and what a full
 * revocation set costs. Starts a Postgres and a Redis of its own.
 *
 *   node load-tests/bench/revocation.ts [revocations = 400] [entries = 1000000]
 *
 * Times are of one monotonic clock for both processes (CLOCK_MONOTONIC), from the answer to COMMIT to the end of the
 * poll that brought the row. On a shared machine take them as an order of magnitude.
 */
import { fork } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { RevocationEntry } from '#services/core/revocations/revocation-log.ts';
import { createRevocationSet } from '#services/core/revocations/revocation-set.ts';
import { openStateCopy, type StateCopy } from '#services/core/revocations/state-copy-harness.ts';
import { systemClock, systemRandom } from '#services/platform/crypto/system.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import { startPostgres } from '#services/platform/local/postgres.ts';
import { startRedis } from '#services/platform/local/redis.ts';
import { createFileMarks } from '#services/platform/marks/file-marks.ts';
import { migrate } from '#services/platform/postgres/migrate.ts';

const insert = defineStatement(
  'benchRevocationInsert',
  `INSERT INTO revocations (kind, value, reason, expires_at) VALUES ('jti', $1, 'bench', clock_timestamp() + interval '1 hour')`,
);
const NO_REDIS = 'redis://127.0.0.1:1/0';
const now = (): number => Number(process.hrtime.bigint()) / 1e6;
/** CPU milliseconds of this process: what other work on the machine cannot stretch. */
const cpuMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
};
const say = (text: string): void => void process.stderr.write(`${text}\n`);

type Spread = {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  readonly count: number;
};

function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
  return { p50: at(0.5), p99: at(0.99), max: at(1), count: sorted.length };
}

type Seen = {
  readonly jti: string;
  readonly at: number;
};

/** The other process: tells when each revocation became one it refuses. */
async function watch(databaseUrl: string, redisUrl: string, marksDir: string): Promise<void> {
  const copy = openStateCopy({ databaseUrl, redisUrl, marks: createFileMarks(marksDir) });
  await copy.poll.ready();
  let told = copy.applied.length;
  copy.revocations.onConfirmed(() => {
    const at = now();
    for (; told < copy.applied.length; told += 1) process.send?.({ jti: copy.applied[told]?.value, at });
  });
  process.once('disconnect', () => void copy.close().then(() => process.exit()));
  process.send?.({ jti: 'ready', at: now() });
}

async function measureReach(
  count: number,
  gapMs: number,
  urls: { databaseUrl: string; redisUrl: string; marksDir: string },
): Promise<Spread> {
  const { databaseUrl, redisUrl, marksDir } = urls;
  const copy: StateCopy = openStateCopy({ databaseUrl, redisUrl, marks: createFileMarks(marksDir) });
  await copy.poll.ready();
  const other = fork(fileURLToPath(import.meta.url), ['--watch', databaseUrl, redisUrl, marksDir]);
  const seen = new Map<string, number>();
  await new Promise<void>((ready) => {
    other.on('message', ({ jti, at }: Seen) => {
      seen.set(jti, at);
      if (jti === 'ready') ready();
    });
  });
  await sleep(1_000);
  const committed = new Map<string, number>();
  for (let index = 0; index < count; index += 1) {
    const jti = systemRandom.uuid();
    await copy.transact(async (tx) => {
      await tx.query(insert, [jti]);
      tx.afterCommit(() => {
        committed.set(jti, now());
        copy.poll.announce();
      });
    });
    await sleep(Math.random() * 2 * gapMs);
  }
  await sleep(2_000);
  other.disconnect();
  await copy.close();
  const missing = [...committed.keys()].filter((jti) => !seen.has(jti));
  if (missing.length > 0) throw new Error(`${missing.length} revocations never arrived`);
  return spread([...committed].map(([jti, at]) => (seen.get(jti) as number) - at));
}

function measureSet(entries: number): Record<string, number> {
  const silent = (): void => {};
  const log = { debug: silent, info: silent, warn: silent, error: silent };
  const set = createRevocationSet({ clock: systemClock, log, stalenessBoundMs: 2_000, budget: entries * 2 });
  globalThis.gc?.();
  const before = process.memoryUsage().heapUsed;
  let loadCpuMs = 0;
  let longestPageCpuMs = 0;
  for (let from = 0; from < entries; from += 2_000) {
    const page: RevocationEntry[] = [];
    for (let epoch = from + 1; epoch <= Math.min(entries, from + 2_000); epoch += 1)
      page.push({
        epoch,
        kind: 'jti',
        value: systemRandom.uuid(),
        tokenEpoch: null,
        isReuse: false,
        userId: null,
        clientId: null,
        expiresAtMs: 2e12 + epoch,
      });
    const begun = cpuMs();
    set.apply(page);
    const took = cpuMs() - begun;
    loadCpuMs += took;
    longestPageCpuMs = Math.max(longestPageCpuMs, took);
  }
  globalThis.gc?.();
  const bytes = process.memoryUsage().heapUsed - before;
  const tokens = Array.from({ length: 10_000 }, () => ({
    jti: systemRandom.uuid(),
    sid: systemRandom.uuid(),
    fid: systemRandom.uuid(),
    sub: 'u',
    client_id: 'c',
    ue: 0,
    ce: 0,
  }));
  let refused = 0;
  const checks = 3_000_000;
  const from = cpuMs();
  for (let index = 0; index < checks; index += 1) if (set.check(tokens[index % 10_000]!)) refused += 1;
  const checkCpuNs = ((cpuMs() - from) * 1e6) / checks;
  return { entries, heapMb: bytes / 1e6, loadCpuMs, longestPageCpuMs, checkCpuNs, refused };
}

async function main(count: number, entries: number): Promise<void> {
  const dataDir = await mkdtemp(join(tmpdir(), 'sallyport-bench-'));
  const [postgres, redis] = await Promise.all([startPostgres({ dataDir, say }), startRedis({ dataDir, say })]);
  try {
    await migrate(postgres.url);
    const base = { databaseUrl: postgres.url, marksDir: dataDir };
    const withRedis = await measureReach(count, 20, { ...base, redisUrl: redis.url });
    const withoutRedis = await measureReach(Math.ceil(count / 2), 40, { ...base, redisUrl: NO_REDIS });
    const set = measureSet(entries);
    process.stdout.write(
      `${JSON.stringify({ cores: availableParallelism(), node: process.version, pollIntervalMs: 250, reachMs: { withRedis, withoutRedis }, set }, null, 2)}\n`,
    );
  } finally {
    await Promise.all([postgres.stop(), redis.stop()]);
    await rm(dataDir, { recursive: true, force: true });
  }
}

const [first, ...rest] = process.argv.slice(2);
if (first === '--watch') await watch(rest[0] as string, rest[1] as string, rest[2] as string);
else await main(Number(first ?? 400), Number(rest[0] ?? 1_000_000));
