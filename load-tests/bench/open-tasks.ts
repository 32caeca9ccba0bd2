import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { Bench, Figure } from '../lib/bench.ts';
import { residentMbOf } from '../lib/cpu-time.ts';
import type { StreamResult } from '../lib/load-loop.ts';
import { totalOf } from '../lib/prometheus-text.ts';
import { median } from '../lib/rounds.ts';
import { CALLS_PER_SECOND, measureCalls, putCalls, startMcp, warmUpCalls } from './mcp-setup.ts';

const TASKS = 10_000;

/** Tasks that wait for approval for an hour, each with its sign-off, as if the client had begun them. */
const insertTasks = `WITH signoff AS (
    INSERT INTO signoffs (id, act, title, arguments, arguments_sha256, requested_by_kind, requested_by, client_id,
      barred_users, required_roles, quorum, no_open_incident, requested_at, expires_at)
    SELECT gen_random_uuid(), 'keys.rotate', 'Rotate the signing keys', '{}', encode(sha256('{}'), 'hex'), 'client', $1, $1,
      '{}', '{tech_lead,security_reviewer}', 2, false, asked, asked + interval '1 day'
    FROM generate_series(1, $2::int), LATERAL (SELECT now() - interval '1 hour' AS asked) times RETURNING id, requested_at)
  INSERT INTO mcp_tasks (id, kind, caller_kind, caller_id, client_id, arguments, state, subject_id, message, created_at,
    next_look_at)
  SELECT substr(md5(id::text), 1, 24), 'rotate_signing_keys', 'client', $1, $1, '{}', 'input_required', id, 'Waits.',
    requested_at, now() FROM signoff RETURNING id`;
const dueTasksCount = `SELECT count(*)::int AS due FROM mcp_tasks
  WHERE state IN ('working', 'input_required') AND next_look_at <= now() + interval '10 seconds'`;
const openTasksCount = `SELECT count(*)::int AS open FROM mcp_tasks WHERE state = 'input_required'`;

const HEAP_EVERY_MS = 200;
const FIRST_CHECKS_MS = 300_000;

type Polled = { readonly polls: StreamResult; readonly residentMb: number; readonly heapMb: number };

/** The smallest heap that the MCP process had meanwhile: what a collection of garbage left. */
async function smallestHeapMb(metrics: string, isOver: () => boolean): Promise<number> {
  let smallest = Number.POSITIVE_INFINITY;
  for (; !isOver(); await sleep(HEAP_EVERY_MS)) {
    const page = await (await fetch(metrics)).text();
    const used = page
      .split('\n')
      .filter((line) => /^nodejs_heap_bytes\{/.test(line) && /process="mcp-1"/.test(line) && /state="used"/.test(line));
    smallest = Math.min(smallest, totalOf(used.join('\n'), 'nodejs_heap_bytes') / 1_048_576);
  }
  return smallest;
}

/** A task is a row: a poll reads it by its id, whatever other tasks are open. */
export const openTasks: Bench = {
  name: 'open-tasks',
  about: `polling tasks over MCP at ${CALLS_PER_SECOND}/s: ${TASKS.toLocaleString('en')} open tasks against one`,
  async run(context) {
    const started = await startMcp(context, ['keys:manage']);
    const database = new pg.Client({ connectionString: started.product.credentials.database_url });
    await database.connect();
    context.onClose(() => database.end());

    const insert = async (count: number): Promise<string[]> => {
      const { rows } = await database.query<{ id: string }>(insertTasks, [started.clientId, count]);
      await database.query('ANALYZE mcp_tasks, signoffs');
      // Tasks that a client begins are not all checked for the first time together, as these are.
      const giveUpAt = Date.now() + FIRST_CHECKS_MS;
      for (;;) {
        const { due } = (await database.query<{ due: number }>(dueTasksCount)).rows[0]!;
        if (due === 0) break;
        if (Date.now() > giveUpAt) throw new Error(`${due} tasks are still due`);
        await sleep(1_000);
      }
      return rows.map(({ id }) => id);
    };
    const poll = async (stock: string, ids: readonly string[]): Promise<Polled[]> => {
      await putCalls(
        context,
        stock,
        ids.map((id) => ({ name: 'read_task', arguments: { task_id: id } })),
      );
      // Compiles, and lets the heap grow to the size that this rate needs.
      await warmUpCalls(context, started, stock);
      const rounds: Polled[] = [];
      while (rounds.length < context.rounds) {
        let isOver = false;
        const heap = smallestHeapMb(started.product.metrics, () => isOver);
        const polls = await measureCalls(context, started, stock).finally(() => {
          isOver = true;
        });
        rounds.push({ polls, residentMb: residentMbOf(started.pid), heapMb: await heap });
      }
      return rounds;
    };
    const before = await poll('one task', await insert(1));
    context.say(`adding ${TASKS} open tasks`);
    const after = await poll('open tasks', await insert(TASKS));
    const { open } = (await database.query<{ open: number }>(openTasksCount)).rows[0]!;
    if (open <= TASKS) throw new Error(`${open} tasks are open at the end`);

    const of = (rounds: readonly Polled[], value: (round: Polled) => number): number => median(rounds.map(value));
    const figure = (
      what: Pick<Figure, 'name' | 'unit' | 'target'>,
      value: (round: Polled) => number,
      shown: (rounds: readonly Polled[]) => string,
    ): Figure => ({
      ...what,
      value: of(after, value) / of(before, value),
      measured: { tasks: TASKS, perSecond: CALLS_PER_SECOND, before, after },
      detail: `${shown(after)} with ${TASKS.toLocaleString('en')} open tasks, ${shown(before)} with one`,
    });
    return [
      figure(
        {
          name: 'memory of the MCP process: 10,000 open tasks ÷ one',
          unit: 'heap in use',
          target: { atMost: 1.1 },
        },
        ({ heapMb }) => heapMb,
        (rounds) =>
          `${of(rounds, ({ heapMb }) => heapMb).toFixed(1)} MB (resident ${of(rounds, ({ residentMb }) => residentMb).toFixed(0)} MB)`,
      ),
      figure(
        { name: 'polling a task: 10,000 open tasks ÷ one', unit: 'p50 ratio', target: { atMost: 1.5 } },
        ({ polls }) => polls.latency.p50Ms,
        (rounds) =>
          `p50 ${of(rounds, ({ polls }) => polls.latency.p50Ms).toFixed(2)}, p99 ${of(rounds, ({ polls }) => polls.latency.p99Ms).toFixed(2)} ms`,
      ),
    ];
  },
};
