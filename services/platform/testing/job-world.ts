// For tests only: real workers with jobs that a test holds, lets go and watches.
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { type Processor, run } from '../../../jobs/processors/run.ts';
import type { JobRun, Log, Tx } from '../../domain/ports.ts';
import { type Composed, compose } from '../../worker/compose.ts';
import { loadConfig } from '../config/load.ts';
import { defineJob, type Job } from '../define/job.ts';
import { defineStatement } from '../define/statement.ts';
import { queryRows } from './product.ts';

/** A job of the closed list under another contract: quick to fail, to stall and to come back. */
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

const effectInsert = defineStatement('effectInsert', 'INSERT INTO effects (effect, fence, job_id) VALUES ($1, $2, $3)');
const beginInsert = defineStatement('beginInsert', 'INSERT INTO begun (effect, pid, fence) VALUES ($1, $2, $3)');
const endInsert = defineStatement('endInsert', 'INSERT INTO ended (effect, pid, outcome) VALUES ($1, $2, $3)');
const gateRead = defineStatement('gateRead', 'SELECT effect FROM gates WHERE effect = $1');

/** What the jobs of these tests write to: no key forbids a second effect, so that one would be seen. */
export const createEffectTables = (databaseUrl: string): Promise<unknown> =>
  queryRows(
    databaseUrl,
    `CREATE TABLE effects (effect text, fence bigint, job_id text);
     CREATE TABLE begun (effect text, pid int, fence bigint);
     CREATE TABLE ended (effect text, pid int, outcome text);
     CREATE TABLE gates (effect text)`,
  );

/** Lets a held job go on. */
export const openGate = (databaseUrl: string, effect: string): Promise<unknown> =>
  queryRows(databaseUrl, 'INSERT INTO gates (effect) VALUES ($1)', [effect]);

/** Tells that it began, waits for its gate where its effect begins with `held`, and writes its row under its fence. */
export const effectProcessor = (job: Job): Processor =>
  run(job as typeof effectJob, async ({ sql, transact }, { effect }, jobRun: JobRun) => {
    await sql.query(beginInsert, [effect, process.pid, jobRun.fence.number]);
    while (effect.startsWith('held') && !jobRun.signal.aborted && (await sql.query(gateRead, [effect])).length === 0)
      await sleep(10);
    const ended = (outcome: string): Promise<unknown> => sql.query(endInsert, [effect, process.pid, outcome]);
    if (effect.startsWith('held') && (await sql.query(gateRead, [effect])).length === 0) return ended('left');
    try {
      await transact(async (tx: Tx) => {
        await jobRun.fence.hold(tx);
        // Safe to run twice: what is done stays done.
        const done = await tx.query(defineStatement('effectRead', 'SELECT 1 FROM effects WHERE job_id = $1'), [
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

export type WorldOptions = {
  readonly databaseUrl: string;
  readonly redisUrl: string;
  readonly processors: readonly Processor[];
  readonly env?: Readonly<Record<string, string>>;
  readonly log?: Log;
};

const quiet: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** So short a lock that a frozen or killed worker's job comes back at once; on a busy machine it may be lost by itself. */
export const SHORT_LOCK = { JOB_LOCK_MS: '600' };

/** One worker in this process, not started; quick to check its timetable. */
export const composeWorker = (options: WorldOptions): Composed =>
  compose({
    config: loadConfig({ JOB_SCHEDULE_CHECK_MS: '100', ...options.env }),
    databaseUrl: options.databaseUrl,
    redisUrl: options.redisUrl,
    authSecret: 'x'.repeat(43),
    dataDir: join(tmpdir(), `sallyport-jobs-${process.pid}`),
    marks: { read: async () => null, raise: async (marks) => marks },
    log: options.log ?? quiet,
    processors: options.processors,
  });
