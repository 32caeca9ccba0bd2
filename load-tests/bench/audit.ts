/**
 * How fast events are sealed when many wait, how long each waits at a steady rate, and how large a proof is. Starts a
 * Postgres of its own; seals in this process as a worker does.
 *
 *   node load-tests/bench/audit.ts [backlog = 60000] [events a second = 500] [seconds = 20]
 *
 * Lag is from the answer to the event's COMMIT to the answer to the COMMIT of its leaf, by one clock.
 */
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import '#services/modules.ts';
import { proveEvent } from '#services/core/audit/read/prove-event.ts';
import { sealEvents } from '#services/core/audit/seal/seal-events.ts';
import { startPostgres } from '#services/platform/local/postgres.ts';
import { migrate } from '#services/platform/postgres/migrate.ts';
import { createLogHarness, giveKeys, type LogHarness } from '#tools/testing/harness/log.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { cpuSecondsOf } from '../lib/cpu-time.ts';

const BACKLOG_TARGET_PER_SECOND = 5_000;
const LAG_TARGET_SECONDS = 5;
const PROOF_TARGET_BYTES = 2_048;
const SEAL_EVERY_MS = 1_000;

const say = (text: string): void => void process.stderr.write(`${text}\n`);
const number = (at: number, fallback: number): number => Number(process.argv[at] ?? fallback);
const TRACEPARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00';

/** Rows like those of refreshed tokens: ids of ours, and the keyed hashes of address and agent. */
const insertRefreshes = `INSERT INTO audit_outbox
    (type, outcome, actor_kind, actor_id, target_kind, target_id, client_id, ip_hash, agent_hash, detail, traceparent)
  SELECT 'token.refreshed', 'rotated', 'user', id, 'family', gen_random_uuid(), 'sallyport', '1.ip' || n, '1.agent',
    jsonb_build_object('generation', n, 'held', n, 'user_id', id, 'session_id', gen_random_uuid()), $2
  FROM (SELECT n, gen_random_uuid() AS id FROM generate_series(1, $1::int) n) people`;

const seal = (harness: LogHarness) => sealEvents(harness, {}, testCaller);

async function drainBacklog(harness: LogHarness, count: number) {
  for (let left = count; left > 0; left -= 10_000)
    await harness.raw(insertRefreshes, [Math.min(left, 10_000), TRACEPARENT]);
  const postmaster = await postmasterOf(harness);
  const cpu = (): number => cpuSecondsOf(process.pid) + cpuSecondsOf(postmaster);
  const cpuBefore = cpu();
  const startedAt = performance.now();
  const { sealed } = await seal(harness);
  const seconds = (performance.now() - startedAt) / 1_000;
  return { sealed, seconds, perSecond: sealed / seconds, perCpuSecond: sealed / (cpu() - cpuBefore) };
}

/** Parent of the process that serves us: all of Postgres. */
async function postmasterOf(harness: LogHarness): Promise<number> {
  const [row] = await harness.raw<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  const stat = readFileSync(`/proc/${row?.pid}/stat`, 'utf8');
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
}

/** Single events as requests write them, each in its own transaction, while sealing runs every second. */
async function steadyLag(harness: LogHarness, perSecond: number, seconds: number): Promise<number[]> {
  const committedAt = new Map<string, number>();
  const lags: number[] = [];
  const total = perSecond * seconds;
  let written = 0;
  const write = async (): Promise<void> => {
    const [id] = await harness.emit(1, { traceparent: TRACEPARENT });
    committedAt.set(id as string, performance.now());
    written += 1;
  };
  const writing = (async () => {
    const startedAt = performance.now();
    const open = new Set<Promise<void>>();
    for (let sent = 0; sent < total; ) {
      const due = Math.min(total, Math.floor(((performance.now() - startedAt) / 1_000) * perSecond));
      for (; sent < due; sent += 1) {
        const one = write().finally(() => open.delete(one));
        open.add(one);
      }
      await sleep(2);
    }
    await Promise.all(open);
  })();
  let from = (await harness.head()).size;
  while (lags.length < total) {
    const begunAt = performance.now();
    await seal(harness);
    const now = performance.now();
    const rows = await harness.raw<{ event_id: string; seq: number }>(
      'SELECT event_id, seq FROM audit_events WHERE seq >= $1 ORDER BY seq',
      [from],
    );
    for (const { event_id, seq } of rows) {
      const at = committedAt.get(event_id);
      // Sealed before our own clock has seen its commit.
      lags.push(at === undefined ? 0 : (now - at) / 1_000);
      from = seq + 1;
    }
    await sleep(Math.max(0, SEAL_EVERY_MS - (performance.now() - begunAt)));
  }
  await writing;
  if (written !== total) throw new Error(`${written} of ${total} events written`);
  return lags.sort((a, b) => a - b);
}

async function proofBytes(harness: LogHarness): Promise<{ proof: number; checkpoint: number }> {
  const { size, note } = await harness.head();
  const sizes = await Promise.all(
    [0, Math.floor(size / 3), size - 1].map(async (seq) => Buffer.byteLength(await proveEvent(harness, seq))),
  );
  return { proof: Math.max(...sizes) - Buffer.byteLength(note), checkpoint: Buffer.byteLength(note) };
}

const dataDir = await mkdtemp(join(tmpdir(), 'sallyport-bench-audit-'));
const postgres = await startPostgres({ dataDir, say });
let isMet = true;
try {
  await migrate(postgres.url);
  const harness = await createLogHarness(postgres.url, { dataDir });
  await giveKeys(harness);
  await seal(harness);
  say(`${availableParallelism()} cores; backlog of ${number(2, 60_000)}`);
  const drained = await drainBacklog(harness, number(2, 60_000));
  say(
    `sealed ${drained.sealed} in ${drained.seconds.toFixed(2)} s: ${drained.perSecond.toFixed(0)} events/s; ${drained.perCpuSecond.toFixed(0)} a CPU-second of sealer and Postgres together`,
  );
  const lags = await steadyLag(harness, number(3, 500), number(4, 20));
  const at = (share: number): number => lags[Math.min(lags.length - 1, Math.floor(lags.length * share))] ?? Number.NaN;
  say(
    `${number(3, 500)} events/s for ${number(4, 20)} s: lag p50 ${at(0.5).toFixed(3)} s, p99 ${at(0.99).toFixed(3)} s, most ${at(1).toFixed(3)} s`,
  );
  const { proof, checkpoint } = await proofBytes(harness);
  const { size } = await harness.head();
  say(`proof at ${size} leaves: ${proof} bytes and a checkpoint of ${checkpoint}`);
  isMet =
    drained.perSecond >= BACKLOG_TARGET_PER_SECOND && at(0.99) <= LAG_TARGET_SECONDS && proof <= PROOF_TARGET_BYTES;
  await harness.end();
} finally {
  await postgres.stop();
  await rm(dataDir, { recursive: true, force: true });
}
process.exitCode = isMet ? 0 : 1;
