import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import pg from 'pg';
import type { Product } from '#tools/testing/harness/product.ts';
import { totalOf } from './prometheus-text.ts';

/** What a product that nobody uses does in a second. Equal on every machine, unlike its processor time. */
export type IdleCosts = {
  readonly seconds: number;
  readonly jobs: number;
  /** Of the write-ahead log, by checkpoints, and of the append-only file of Redis. */
  readonly fsyncs: number;
  readonly walBytes: number;
  readonly redisCommands: number;
  /** The same by source, each second, most first. */
  readonly sources: {
    readonly jobs: Sources;
    readonly fsyncs: Sources;
    readonly statements: Sources;
    readonly walBytes: Sources;
    readonly redisCommands: Sources;
  };
};
export type Sources = Readonly<Record<string, number>>;

/** Most that a second may take: what was seen, and room for a job that is due in the span. */
export const IDLE_BOUNDS = { jobs: 0.1, fsyncs: 0.6, walBytes: 400, redisCommands: 27 } as const;

type Counts = ReadonlyMap<string, number>;
type Reading = { readonly fsyncs: Counts; readonly walBytes: Counts; readonly redisCommands: Counts };

const JOBS = 'sallyport_jobs_total';
/** Jobs that a start owes have run when none began for this long, and autovacuum has seen the rows that a start wrote. */
const QUIET_MS = 8_000;
const SETTLE_MS = 130_000;

const since = (before: Counts, after: Counts, seconds: number): Sources =>
  Object.fromEntries(
    [...after]
      .map(([name, value]) => [name, (value - (before.get(name) ?? 0)) / seconds] as const)
      .filter(([, value]) => value > 0)
      .sort((a, b) => b[1] - a[1]),
  );
const sumOf = (sources: Sources): number => Object.values(sources).reduce((sum, each) => sum + each, 0);

async function jobsOf(product: Pick<Product, 'metrics'>): Promise<Counts> {
  const page = await (await fetch(product.metrics)).text();
  const jobs = new Set([...page.matchAll(/^sallyport_jobs_total\{.*job="([^"]+)"/gm)].map(([, job]) => job as string));
  return new Map(
    [...jobs].map((job) => [job, totalOf(page.replaceAll(new RegExp(`^(?!.*job="${job}").*$`, 'gm'), ''), JOBS)]),
  );
}

const STATEMENTS = `SELECT regexp_replace(left(query, 90), '\\s+', ' ', 'g') AS source, sum(calls)::float8 AS calls,
    sum(wal_bytes)::float8 AS "walBytes"
  FROM pg_stat_statements GROUP BY 1`;

/** Counts for a while what the product does when nobody uses it, in all its processes and stores. */
export async function idleCosts(
  product: Pick<Product, 'metrics' | 'credentials'>,
  { seconds, onQuiet }: { readonly seconds: number; readonly onQuiet?: () => void },
): Promise<IdleCosts> {
  const database = new pg.Client({ connectionString: product.credentials.database_url });
  const redis = new Redis(product.credentials.redis_url);
  await database.connect();
  try {
    const countsOf = async (text: string): Promise<Counts> => {
      const { rows } = await database.query<{ source: string; value: number }>(text);
      return new Map(rows.map(({ source, value }) => [source, value]));
    };
    let asked = 0;
    let growths = 0;
    let size = '';
    const lookAtRedis = async (): Promise<Counts> => {
      asked += 1;
      const text = await redis.info('all');
      const now = /aof_current_size:(\d+)/.exec(text)?.[1] ?? '';
      // Its file is written to disk once in each second that changed something.
      if (now !== size) growths += 1;
      size = now;
      const counts = new Map(
        [...text.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)].map(([, name, calls]) => [name as string, Number(calls)]),
      );
      return counts.set('info', (counts.get('info') ?? 0) - asked + 1);
    };
    const read = async (): Promise<Reading> => {
      const redisCommands = await lookAtRedis();
      const fsyncs = await countsOf(
        `SELECT backend_type || ', ' || object AS source, sum(fsyncs)::float8 AS value FROM pg_stat_io GROUP BY 1`,
      );
      const walBytes = await countsOf(`SELECT 'wal' AS source, wal_bytes::float8 AS value FROM pg_stat_wal`);
      return { redisCommands, walBytes, fsyncs: new Map([...fsyncs, ['redis, append-only file', growths]]) };
    };
    const hasStatements =
      (await database.query('SHOW shared_preload_libraries')).rows[0].shared_preload_libraries !== '';
    if (hasStatements) await database.query('CREATE EXTENSION IF NOT EXISTS pg_stat_statements');

    await sleep(SETTLE_MS);
    let [known, knownAtMs] = ['', performance.now()];
    while (performance.now() - knownAtMs < QUIET_MS) {
      await sleep(1_000);
      const now = JSON.stringify([...(await jobsOf(product))]);
      if (now !== known) [known, knownAtMs] = [now, performance.now()];
    }
    const jobsBefore = await jobsOf(product);
    if (hasStatements) await database.query('SELECT pg_stat_statements_reset()');
    await lookAtRedis();
    growths = 0;
    const before = await read();
    onQuiet?.();
    const startedAt = performance.now();
    while (performance.now() - startedAt < seconds * 1_000) {
      await sleep(1_000);
      await lookAtRedis();
    }
    const after = await read();
    const tookSeconds = (performance.now() - startedAt) / 1_000;
    const { rows } = hasStatements
      ? await database.query<{ source: string; calls: number; walBytes: number }>(STATEMENTS)
      : { rows: [] };
    const jobs = since(jobsBefore, await jobsOf(product), tookSeconds);
    const fsyncs = since(before.fsyncs, after.fsyncs, tookSeconds);
    const redisCommands = since(before.redisCommands, after.redisCommands, tookSeconds);
    const wal = since(before.walBytes, after.walBytes, tookSeconds);
    const none: Counts = new Map();
    return {
      seconds: tookSeconds,
      jobs: sumOf(jobs),
      fsyncs: sumOf(fsyncs),
      walBytes: sumOf(wal),
      redisCommands: sumOf(redisCommands),
      sources: {
        jobs,
        fsyncs,
        redisCommands,
        statements: since(none, new Map(rows.map(({ source, calls }) => [source, calls])), tookSeconds),
        walBytes: since(none, new Map(rows.map((row) => [row.source, row.walBytes])), tookSeconds),
      },
    };
  } finally {
    redis.disconnect();
    await database.end();
  }
}
