// For tests only: real workers with jobs that a test can block, release and observe.

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { processorsOf, type WorkerPorts, type WorkerProcessor } from '#jobs/processors.ts';
import { queueNames } from '#jobs/schedules.ts';
import type { Log, Tx } from '#services/core/ports.ts';
import { run } from '#services/core/processor.ts';
import { loadConfig } from '#services/platform/config/load.ts';
import { defineJob, type Job, type Schedule, type ScheduledJob } from '#services/platform/define/job.ts';
import { defineQuestion } from '#services/platform/define/question.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import { repositoryRoot } from '#services/platform/local/data-dir.ts';
import { createProducer } from '#services/platform/queue/producer.ts';
import { readSchedules, type ScheduleRow } from '#services/platform/queue/schedule-rows.ts';
import { type Composed, compose } from '#services/worker/compose.ts';
import { eventually } from '../eventually.ts';
import { leftOut } from '../processes/child-env.ts';
import type { ApiHarness } from './api.ts';
import { createTestPorts, queryRows, quietLog, rawSql } from './ports.ts';

/** A declared job with other settings: it fails, stalls and is retried quickly. */
export const effectJob = defineJob({
  name: 'seal-audit-events',
  queue: 'audit-seal',
  payload: z.strictObject({ effect: z.string().max(64).default('scheduled') }),
  attempts: 3,
  backoffSeconds: 0.05,
  staleAfterSeconds: 60,
  timeoutSeconds: 60,
  meaning: 'Writes one row, once.',
});

/** The id in Redis of an effect job with this id of its own. */
export const effectJobId = (ownId: string): string => `${effectJob.name}-${ownId}`;

export const scheduledEffectJob: Job = { ...effectJob, schedule: { everySeconds: 3_600 } };

const effectInsert = defineStatement('effectInsert')`INSERT INTO effects (effect, fence, job_id) VALUES ($1, $2, $3)`;
const beginInsert = defineStatement('beginInsert')`INSERT INTO begun (effect, pid, fence) VALUES ($1, $2, $3)`;
const endInsert = defineStatement('endInsert')`INSERT INTO ended (effect, pid, outcome) VALUES ($1, $2, $3)`;
const gateRead = defineStatement('gateRead')`SELECT effect FROM gates WHERE effect = $1`;

/** The table that test jobs write to. It has no unique key, so a second effect would show. */
const createEffectTables = (databaseUrl: string): Promise<unknown> =>
  queryRows(databaseUrl)`CREATE TABLE effects (effect text, fence bigint, job_id text);
    CREATE TABLE begun (effect text, pid int, fence bigint);
    CREATE TABLE ended (effect text, pid int, outcome text);
    CREATE TABLE gates (effect text);
    CREATE TABLE wanted (effect text);
    GRANT SELECT, INSERT, UPDATE, DELETE ON effects, begun, ended, gates, wanted TO sallyport_app, sallyport_worker`;

/** Releases a blocked job. */
export const openGate = (databaseUrl: string, effect: string): Promise<unknown> =>
  queryRows(databaseUrl)`INSERT INTO gates (effect) VALUES (${effect})`;

/** Records its start, waits for its gate if its effect begins with `held`, and writes its row under its fencing token. */
export const effectProcessor = (job: Job): WorkerProcessor =>
  run(job as typeof effectJob, async ({ sql, transact }: WorkerPorts, { payload: { effect }, ...jobRun }) => {
    await sql.query(beginInsert, [effect, process.pid, jobRun.fence.number]);
    while (effect.startsWith('held') && !jobRun.signal.aborted && (await sql.query(gateRead, [effect])).length === 0)
      await sleep(10);
    const ended = (outcome: string): Promise<unknown> => sql.query(endInsert, [effect, process.pid, outcome]);
    if (effect.startsWith('held') && (await sql.query(gateRead, [effect])).length === 0) return ended('left');
    try {
      await transact(async (tx: Tx) => {
        await jobRun.fence.hold(tx);
        // Safe to run twice.
        const done = await tx.query(defineStatement('effectRead')`SELECT 1 FROM effects WHERE job_id = $1`, [
          jobRun.jobId,
        ]);
        if (done.length === 0) await tx.query(effectInsert, [effect, jobRun.fence.number, jobRun.jobId]);
      });
      await ended('written');
    } catch (err) {
      await ended((err as { code?: string }).code ?? 'error');
      throw err;
    }
  });

/** The same job with a question: it runs only if an effect is wanted. */
export const askedEffectJob: ScheduledJob = {
  ...effectJob,
  schedule: { everySeconds: 1, idleSeconds: 3_600 },
  staleAfterSeconds: 4,
};

const wantedTake = defineStatement('wantedTake')`DELETE FROM wanted RETURNING effect`;

/** Writes one effect for each that is wanted. */
export const wantedEffect = (schedule: Schedule = askedEffectJob.schedule): WorkerProcessor =>
  run(
    { ...askedEffectJob, schedule },
    ({ transact }: WorkerPorts, { fence, jobId }) =>
      transact(async (tx) => {
        await fence.hold(tx);
        for (const { effect } of await tx.query<{ effect: string }>(wantedTake))
          await tx.query(effectInsert, [effect, fence.number, jobId]);
      }),
    () => defineQuestion('EXISTS (SELECT FROM wanted)'),
  );

export type LogHarnessOptions = {
  readonly databaseUrl: string;
  readonly redisUrl: string;
  readonly processors: readonly WorkerProcessor[];
  readonly env?: Readonly<Record<string, string>>;
  readonly log?: Log;
  readonly authSecret?: string;
  readonly dataDir?: string;
};

/** A short lock, so that the job of a frozen or killed worker is retried at once; a busy machine may lose it too. */
export const SHORT_LOCK = { JOB_LOCK_MS: '600' };

/** A worker writes the rows of its contracts at the first check and then after this many. */
const CHECKS_PER_DECLARATION = 6;

/** What `composeWorker` derives its keys from. */
export const WORKER_AUTH_SECRET = 'x'.repeat(43);

/** One worker in this process, not started; quick to check its timetable. */
export const composeWorker = (options: LogHarnessOptions): Composed =>
  compose({
    config: loadConfig({ ...leftOut, JOB_SCHEDULE_CHECK_MS: '100', ...options.env }),
    authSecret: WORKER_AUTH_SECRET,
    dataDir: join(tmpdir(), `sallyport-jobs-${process.pid}`),
    ...options,
    marks: { read: async () => null, raise: async (marks) => marks },
    log: options.log ?? quietLog,
  });

/** The same for these jobs of the product, on the stores of an API. */
export const composeJobs = async (
  { databaseUrl, redisUrl, authSecret }: Pick<ApiHarness, 'databaseUrl' | 'redisUrl' | 'authSecret'>,
  jobs: readonly unknown[],
  options: Pick<LogHarnessOptions, 'env' | 'dataDir'>,
): Promise<Composed> => {
  const processors = (await processorsOf({ leftOut: [] })).filter(({ job }) => jobs.includes(job));
  return composeWorker({ databaseUrl, redisUrl, authSecret, processors, ...options });
};

/** Workers beside each other on these stores, the tables of their effects, and a producer: one per test file. */
export async function openJobHarness(stores: { readonly databaseUrl: string; readonly redisUrl: string }) {
  const { databaseUrl, redisUrl } = stores;
  await createEffectTables(databaseUrl);
  const producer = createProducer(redisUrl, () => {});
  await producer.ready(30_000);
  const ports = createTestPorts(databaseUrl);
  const running: Composed[] = [];
  const forked: ChildProcess[] = [];
  const rows = rawSql((text, values) => queryRows(databaseUrl)(text, values));
  /** The queue of the effect jobs. */
  const queue = () => producer.queue('audit-seal');
  const countOf = async (table: string): Promise<number> => (await rows(`SELECT 1 FROM ${table}`)).length;
  const until = (what: string, table: string, count: number): Promise<true> =>
    eventually(`${what} ${count}`, async () => (await countOf(table)) >= count);
  /** Reads the timetable. */
  const schedules = (): Promise<ScheduleRow[]> => readSchedules(ports.sql);
  /** Ends every worker and forgets all jobs. */
  const reset = async (): Promise<void> => {
    await Promise.all(running.splice(0).map((worker) => worker.drain(5_000)));
    for (const worker of forked.splice(0)) {
      worker.kill('SIGKILL');
      if (worker.exitCode === null && worker.signalCode === null) await once(worker, 'exit');
    }
    await producer.ready(30_000);
    for (const name of queueNames) await producer.queue(name).obliterate({ force: true });
    await rows`TRUNCATE job_schedules, effects, begun, ended, gates`;
  };
  return {
    databaseUrl,
    redisUrl,
    producer,
    queue,
    /** Rows of one statement in the database of the jobs. */
    rows,
    schedules,
    /** A worker in this process, drained by `reset`. */
    startWorker: async (options: Partial<LogHarnessOptions> & Pick<LogHarnessOptions, 'processors'>) => {
      const worker = composeWorker({ databaseUrl, redisUrl, ...options });
      running.push(worker);
      await worker.start();
      return worker;
    },
    /** A worker in a process of its own, killed by `reset`. @param env over `job-worker.ts`'s own */
    forkWorker: async (env: Readonly<Record<string, string>> = {}) => {
      const worker = fork(new URL('../processes/job-worker.ts', import.meta.url), {
        execPath: join(repositoryRoot, 'node_modules/.bin/node'),
        env: { ...process.env, DATABASE_URL: databaseUrl, REDIS_URL: redisUrl, ...env },
      });
      forked.push(worker);
      await once(worker, 'message');
      return worker;
    },
    /** How often a job has begun, its effect or not. */
    begun: () => countOf('begun'),
    /** How many effects there are. */
    effects: () => countOf('effects'),
    untilEffects: (count: number) => until('effect', 'effects', count),
    untilBegun: (count: number) => until('run', 'begun', count),
    makeDue: () => rows`UPDATE job_schedules SET next_run_at = clock_timestamp()`,
    /** The next scheduled run, once it waits in Redis. */
    untilPlaced: () =>
      eventually('the next run in Redis', async () => {
        const [row] = await schedules();
        // Redis may still be away: then the run is not there yet.
        const asked = row && queue().getJobState(effectJobId(String(row.next_run_at_ms)));
        const state = await asked?.catch(() => undefined);
        return state === 'delayed' && row;
      }),
    /** Resolves after this many checks of the timetable, in which a mistaken run would have started. */
    afterChecks: async (count: number) => {
      const declared = async () =>
        (await rows<{ at: Date }>`SELECT max(declared_at) AS at FROM job_schedules`)[0]?.at.getTime();
      for (let checks = 0; checks < count; checks += CHECKS_PER_DECLARATION) {
        const before = await declared();
        await eventually('a check', async () => (await declared()) !== before);
      }
    },
    reset,
    end: async () => {
      await reset();
      await producer.close();
      await ports.end();
    },
  };
}
