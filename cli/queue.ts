import type { Command } from 'commander';
import { queueNames, scheduledJobs } from '../jobs/schedules.ts';
import { withHandoffs } from '../services/domain/operations/handoff-dead-letters.ts';
import { withLogoutTokens } from '../services/domain/operations/logout-dead-letters.ts';
import {
  type DeadLetter,
  drainQueue,
  type QueueAdmin,
  retryDeadLetters,
} from '../services/domain/operations/manage-queues.ts';
import type { Ports } from '../services/domain/ports.ts';
import { createMarkedGuard } from '../services/domain/revocations/database-guard.ts';
import { loadConfig } from '../services/platform/config/load.ts';
import { resolveDataDir } from '../services/platform/local/data-dir.ts';
import { createMarks } from '../services/platform/marks/mark-stores.ts';
import { createPool, createSql, createTransact } from '../services/platform/postgres/pool.ts';
import { createQueueAdmin } from '../services/platform/queue/admin.ts';
import { createProducer } from '../services/platform/queue/producer.ts';
import { readSchedules, type ScheduleRow } from '../services/platform/queue/schedule-rows.ts';
import { isStale } from '../services/platform/queue/timetable.ts';
import { askHealth } from '../services/supervisor/ask-health.ts';
import { readRunRecords } from '../services/supervisor/run-record.ts';
import { wholeNumberOf } from './arguments.ts';
import { asCommandError } from './as-command-error.ts';
import { confirm } from './confirm.ts';
import { openContext } from './context.ts';
import { systemCaller } from './database-ports.ts';
import { CommandError, exitCodes } from './exit-codes.ts';
import { createOutput, type GlobalOptions, type Output } from './output.ts';

const caller = systemCaller('sallyport queue');
const DEAD_MAX = 1_000;
const CONNECT_MS = 3_000;
/** Jobs that are due start within seconds; a longer wait is marked LATE. */
const LATE_MS = 60_000;

type QueuePorts = Pick<Ports, 'transact' | 'sql'> & { readonly queueAdmin: QueueAdmin };
type Options = GlobalOptions & { readonly queue?: string; readonly all?: boolean; readonly dead?: string };

/** `sallyport queue list|retry|drain`, directly on Redis and the database. */
export function registerQueue(program: Command): void {
  const queue = program.command('queue');
  queue
    .command('list')
    .description('list queues, the timetable, and the newest dead letters')
    .option('--queue <name>', 'show dead letters of this queue only')
    .option('--dead <count>', `maximum number of dead letters, up to ${DEAD_MAX}`, '20')
    .action((_own, command: Command) => run(command, list));
  queue
    .command('retry')
    .description('retry dead letters: one by its id, or --all')
    .argument('[job_id]', 'id of the job, as `queue list` shows it')
    .option('--all', 'retry every dead letter')
    .option('--queue <name>', 'with --all: only dead letters of this queue')
    .action((jobId: string | undefined, _own, command: Command) =>
      run(command, (ports, output, options) => retry(ports, output, options, jobId)),
    );
  queue
    .command('drain')
    .description(
      'remove the waiting jobs of a queue; running jobs continue, and the timetable adds scheduled runs again',
    )
    .argument('<queue>')
    .action((name: string, _own, command: Command) =>
      run(command, (ports, output, options) => drain(ports, output, options, name)),
    );
}

async function run(
  command: Command,
  work: (ports: QueuePorts, output: Output, options: Options) => Promise<void>,
): Promise<void> {
  const options = command.optsWithGlobals<Options>();
  if (options.queue !== undefined) requireQueue(options.queue);
  const { databaseUrl, redisUrl, dataDir } = await openContext(['databaseUrl', 'redisUrl']);
  const guard = createMarkedGuard(createMarks(loadConfig(process.env).marks, dataDir));
  const pool = createPool({
    url: databaseUrl,
    connections: 1,
    applicationName: 'sallyport-cli',
    statementTimeoutMs: 10_000,
    lockTimeoutMs: 5_000,
  });
  const producer = createProducer(redisUrl, () => {});
  try {
    await producer.ready(CONNECT_MS);
    const ports = { sql: createSql(pool, guard), transact: createTransact(pool, () => {}, guard) };
    const queueAdmin = withHandoffs(withLogoutTokens(createQueueAdmin(producer, queueNames), ports), ports);
    await work({ ...ports, queueAdmin }, createOutput(options), options);
  } catch (err) {
    throw asCommandError(err);
  } finally {
    await Promise.all([producer.close(), pool.end()]);
  }
}

const iso = (unixMs: number | null): string | null => (unixMs === null ? null : new Date(unixMs).toISOString());

function scheduleView(row: ScheduleRow) {
  const job = scheduledJobs.find(({ name }) => name === row.job);
  return {
    job: row.job,
    queue: row.queue,
    every_seconds: row.everySeconds,
    next_run_at: iso(row.nextRunAtMs),
    last_started_at: iso(row.lastStartedAtMs),
    last_finished_at: iso(row.lastFinishedAtMs),
    last_succeeded_at: iso(row.lastSucceededAtMs),
    last_outcome: row.lastOutcome,
    stale: job !== undefined && isStale(row, job),
    late: row.nextRunAtMs < Date.now() - LATE_MS,
  };
}

async function list(ports: QueuePorts, output: Output, options: Options): Promise<void> {
  const limit = wholeNumberOf('--dead', options.dead ?? '', 1, DEAD_MAX);
  const state = {
    silent_workers: await silentWorkers(),
    queues: await ports.queueAdmin.queues(),
    schedules: (await readSchedules(ports.sql)).map(scheduleView),
    dead: await ports.queueAdmin.deadLetters(limit, options.queue),
  };
  output.data(state, ({ silent_workers, queues, schedules, dead }) => [
    ...silent_workers.map((name) => `${name}  SILENT: it takes no jobs (npx sallyport status)`),
    ...queues.map(
      (queue) =>
        `${queue.name.padEnd(18)}  waiting ${queue.waiting}  active ${queue.active}  delayed ${queue.delayed}  dead ${queue.dead}  workers ${queue.workers}`,
    ),
    ...schedules.map(
      (row) =>
        `${row.job.padEnd(26)}  every ${row.every_seconds} s  next ${row.next_run_at}  last ${row.last_finished_at ?? 'never'} ${row.last_outcome ?? ''}${row.late ? '  LATE' : ''}${row.stale ? '  STALE' : ''}`,
    ),
    ...dead.map(deadLine),
  ]);
}

/** Workers of this data directory that run but do not answer; Redis counts them as long as their connection is open. */
async function silentWorkers(): Promise<string[]> {
  const records = readRunRecords(resolveDataDir()).filter((record) => record.alive);
  const health = await Promise.all(records.map(askHealth));
  return health.flatMap((each) =>
    Object.entries(each ?? {})
      .filter(([name, status]) => name.startsWith('worker-') && status === 'silent')
      .map(([name]) => name),
  );
}

const deadLine = (letter: DeadLetter): string =>
  `dead  ${letter.queue}  ${letter.job_id}  ${letter.job}  ${letter.code}  after ${letter.attempts}  ${letter.failed_at}`;

async function retry(ports: QueuePorts, output: Output, options: Options, jobId?: string): Promise<void> {
  if ((jobId === undefined) === (options.all !== true))
    throw new CommandError(exitCodes.usage, 'name one dead letter or pass --all', 'sallyport queue list');
  const letters = (await ports.queueAdmin.deadLetters(DEAD_MAX, options.queue)).filter(
    (letter) => jobId === undefined || letter.job_id === jobId,
  );
  if (jobId !== undefined && letters.length === 0)
    throw new CommandError(exitCodes.usage, 'unknown dead letter', 'sallyport queue list');
  if (options.dryRun) {
    output.say(`would retry ${letters.length} dead letters; nothing was done`);
    return output.data({ retried: [], would_retry: letters }, ({ would_retry }) => would_retry.map(deadLine));
  }
  const retried = await retryDeadLetters(ports, letters, caller);
  output.say(`${retried.length} of ${letters.length} dead letters are back in their queues`);
  output.data({ retried }, () => retried.map(({ queue, job_id }) => `${queue}  ${job_id}`));
}

async function drain(ports: QueuePorts, output: Output, options: Options, name: string): Promise<void> {
  requireQueue(name);
  const { waiting = 0, delayed = 0 } = (await ports.queueAdmin.queues()).find((queue) => queue.name === name) ?? {};
  if (options.dryRun) {
    output.say(`would remove ${waiting + delayed} waiting jobs; nothing was done`);
    return output.data({ queue: name, removed: 0, would_remove: waiting + delayed }, () => []);
  }
  if (!options.yes) await confirm(`Remove ${waiting + delayed} waiting jobs of ${name}?`);
  const removed = await drainQueue(ports, name, caller);
  output.say('the next check of the timetable adds the scheduled runs again');
  output.data({ queue: name, removed }, () => [`${name}  removed ${removed}`]);
}

function requireQueue(name: string): void {
  if (!queueNames.includes(name))
    throw new CommandError(exitCodes.usage, `unknown queue ${name}`, 'sallyport queue list');
}
