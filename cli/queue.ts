import type { Command } from 'commander';
import { queueNames, scheduledJobs } from '../jobs/schedules.ts';
import { discardDeadLetter, readDeadLetter } from '../services/core/health/manage-dead-letters.ts';
import { drainQueue, type QueueAdmin, retryDeadLetters } from '../services/core/health/manage-queues.ts';
import type { DeadLetter } from '../services/core/health/queues-contract.ts';
import { withRowLetters } from '../services/core/health/row-dead-letters.ts';
import type { Ports } from '../services/core/ports.ts';
import { createMarkedGuard } from '../services/core/revocations/database-guard.ts';
import { loadList } from '../services/modules.ts';
import { resolveDataDir } from '../services/platform/local/data-dir.ts';
import { createMarks } from '../services/platform/marks/mark-stores.ts';
import { createSql, createTransact } from '../services/platform/postgres/pool.ts';
import { createQueueAdmin } from '../services/platform/queue/admin.ts';
import { createProducer } from '../services/platform/queue/producer.ts';
import { readTimetable } from '../services/platform/queue/timetable-view.ts';
import { askHealth } from '../services/supervisor/ask-health.ts';
import { readRunRecords } from '../services/supervisor/run-record.ts';
import { addReason } from './admin.ts';
import { wholeNumberOf } from './arguments.ts';
import { confirm } from './confirm.ts';
import { openContext, poolOf } from './context.ts';
import { systemCaller } from './database-ports.ts';
import { CommandError, exitCodes } from './exit-codes.ts';
import { installationSettings } from './installation.ts';
import { createOutput, type GlobalOptions, type Output } from './output.ts';

const caller = systemCaller('sallyport queue');
const DEAD_MAX = 1_000;
const CONNECT_MS = 3_000;

type QueuePorts = Pick<Ports, 'transact' | 'sql'> & {
  readonly queueAdmin: QueueAdmin;
  readonly countWorkers: () => Promise<ReadonlyMap<string, number>>;
};
type Options = GlobalOptions & {
  readonly queue?: string;
  readonly all?: boolean;
  readonly dead?: string;
  readonly reason?: string;
};

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
    .command('show')
    .description('show a dead letter with what its job was given')
    .argument('<queue>')
    .argument('<job_id>', 'id of the job, as `queue list` shows it')
    .action((name: string, jobId: string, _own, command: Command) =>
      run(command, (ports, output) => show(ports, output, name, jobId)),
    );
  addReason(queue.command('discard'))
    .description('remove a dead letter for good: its work is never done')
    .argument('<queue>')
    .argument('<job_id>', 'id of the job, as `queue list` shows it')
    .action((name: string, jobId: string, _own, command: Command) =>
      run(command, (ports, output, options) => discard(ports, output, options, { queue: name, job_id: jobId })),
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
  const pool = poolOf(databaseUrl);
  const producer = createProducer(redisUrl, () => {});
  try {
    await producer.ready(CONNECT_MS);
    const { marks } = await installationSettings({ sql: createSql(pool) });
    const guard = createMarkedGuard(createMarks(marks, dataDir));
    const ports = { sql: createSql(pool, guard), transact: createTransact(pool, () => {}, guard) };
    const { countWorkers, ...admin } = createQueueAdmin(producer, queueNames);
    const queueAdmin = withRowLetters(admin, ports, await loadList('deadLetters'));
    await work({ ...ports, queueAdmin, countWorkers }, createOutput(options), options);
  } finally {
    await Promise.all([producer.close(), pool.end()]);
  }
}

async function list(ports: QueuePorts, output: Output, options: Options): Promise<void> {
  const limit = wholeNumberOf('--dead', options.dead ?? '', 1, DEAD_MAX);
  const workers = await ports.countWorkers();
  const state = {
    silent_workers: await silentWorkers(),
    queues: (await ports.queueAdmin.queues()).map((queue) => ({ ...queue, workers: workers.get(queue.name) ?? 0 })),
    schedules: await readTimetable(ports.sql, scheduledJobs),
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

type Letter = { readonly queue: string; readonly job_id: string };

async function show(ports: QueuePorts, output: Output, queue: string, jobId: string): Promise<void> {
  requireQueue(queue);
  output.data(await readDeadLetter(ports, { queue, job_id: jobId }), ({ payload, enqueued_at, ...letter }) => [
    deadLine(letter),
    `enqueued  ${enqueued_at}`,
    `payload  ${JSON.stringify(payload)}`,
  ]);
}

async function discard(ports: QueuePorts, output: Output, options: Options, letter: Letter): Promise<void> {
  requireQueue(letter.queue);
  const found = await readDeadLetter(ports, letter);
  if (options.dryRun) {
    output.say(`would discard dead letter ${found.job_id}; nothing was done`);
    return output.data({ discarded: null, would_discard: found }, () => []);
  }
  if (!options.yes) await confirm(`Discard ${found.job} ${found.job_id}? Its work is never done.`);
  const discarded = await discardDeadLetter(ports, { ...letter, reason: options.reason ?? '' }, caller);
  output.data({ discarded }, () => [`${discarded.queue}  ${discarded.job_id}  discarded`]);
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
