import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { eventually } from '#tools/testing/eventually.ts';
import { newEmail, newPassword, patiently } from '#tools/testing/flows/flows.ts';
import { queryRows, rawSql } from '#tools/testing/harness/ports.ts';
import { startProductHarness, startWorkerBeside } from '#tools/testing/harness/product.ts';
import { send } from '#tools/testing/http-client.ts';
import { opened, partOf } from '#tools/testing/opened.ts';
import { parseCheckpoint, parseNote } from '../core/audit/log/note.ts';

const env = { AUDIT_LOG_ORIGIN: 'auth.test/audit', JOB_LOCK_MS: '1000' };
const harness = opened(() => startProductHarness({ ...env, WORKER_COPIES: '1' }));
const product = partOf(() => harness.product);
const second = opened(() => startWorkerBeside(product, env));

const rows = rawSql((text, values) => queryRows(product.credentials.database_url)(text, values));

test('an event is sealed within seconds, under the trace of its request, with a signed head and a high-water mark outside the database', async () => {
  const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
  const json = { email: newEmail(), password: newPassword() };
  const headers = { traceparent: `00-${traceId}-00f067aa0ba902b7-01` };
  await patiently(() => send(product.api, 'POST', '/api/auth/signup', { json, headers }));
  const [event] = await eventually('the event is sealed', async () => {
    const found =
      await rows`SELECT seq, trace_id FROM audit_events WHERE type = 'user.created' AND trace_id = ${traceId}`;
    return found.length > 0 && found;
  });
  const seq = Number(event?.seq);
  const mark = await eventually('the mark and the file follow', async () => {
    const held = JSON.parse(await readFile(join(product.dataDir, 'audit-mark.json'), 'utf8'));
    const file = join(product.dataDir, 'audit/checkpoints/auth.test%2Faudit/checkpoint');
    const head = parseCheckpoint(parseNote(await readFile(file, 'utf8')).text);
    return held.size > seq && head.size === held.size && head;
  });
  expect(mark.origin).toBe('auth.test/audit');
  const metrics = await eventually('the metrics', async () => {
    const texts = await Promise.all([product, second].map(async ({ metrics: at }) => (await fetch(at)).text()));
    return texts.find((text) => /sallyport_audit_log_size\{process="worker-1"\} [1-9]/.test(text));
  });
  expect(metrics).toMatch(/sallyport_audit_sealing_stopped\{process="worker-1",reason="database_behind"\} 0/);
});

/** Traces that were answered, each with the event that the answer guarantees. */
type Ledger = Map<string, 'user.login' | 'token.issued'>;

/** Sends requests with their own traces until stopped; an unanswered request guarantees nothing. */
async function keepAsking(ledger: Ledger, isOver: () => boolean): Promise<void> {
  for (let n = 0; !isOver(); n += 1) {
    const traceId = randomBytes(16).toString('hex');
    const headers = { traceparent: `00-${traceId}-00f067aa0ba902b7-00` };
    // A refused sign-in costs a hash: one in eight.
    const isLogin = n % 8 === 0;
    const json = { email: newEmail(), password: newPassword() };
    const form = { grant_type: 'client_credentials' };
    const answer = isLogin
      ? await send(product.api, 'POST', '/api/auth/signin', { json, headers })
      : await send(product.api, 'POST', '/oauth2/token', { basic: product.credentials.client, form, headers });
    if (answer.status === (isLogin ? 401 : 200)) ledger.set(traceId, isLogin ? 'user.login' : 'token.issued');
  }
}

test('kill -9 of each worker in turn under load: every answered request has exactly one leaf, without a gap', {
  timeout: 600_000,
}, async () => {
  const ledger: Ledger = new Map();
  let isOver = false;
  const clients = Array.from({ length: 6 }, () => keepAsking(ledger, () => isOver));
  const sealed = async () => Number((await rows`SELECT count(*) AS n FROM audit_events`)[0]?.n);
  try {
    for (let kills = 0; kills < 4 || ledger.size <= 200; kills += 1) {
      const worker = kills % 2 === 0 ? product : second;
      const pid = await eventually('a worker to run', () => worker.workerPid());
      process.kill(pid, 'SIGKILL');
      await eventually('another in its place', () => (worker.workerPid() ?? pid) !== pid);
      // After each kill another worker continues sealing: at once, or when the lock of the killed run has expired.
      const before = await sealed();
      await eventually('more leaves', async () => (await sealed()) > before, 120_000);
    }
  } finally {
    isOver = true;
    await Promise.all(clients);
  }
  expect(new Set(ledger.values())).toEqual(new Set(['user.login', 'token.issued']));
  // All that six clients wrote, sealed by workers that have just started again.
  await eventually(
    'nothing waits',
    async () => {
      const [left] = await rows`SELECT count(*)::int AS waiting FROM audit_outbox WHERE seq IS NULL`;
      return left?.waiting === 0;
    },
    240_000,
  );
  const leaves =
    await rows`SELECT trace_id, type, count(*)::int AS n, count(DISTINCT seq)::int AS places FROM audit_events
      WHERE trace_id = ANY (${[...ledger.keys()]}) AND type = ANY (${[...new Set(ledger.values())]})
        GROUP BY trace_id, type`;
  const found = new Map(leaves.map(({ trace_id, type, n, places }) => [trace_id, { type, n, places }]));
  const wrong = [...ledger].filter(([traceId, type]) => {
    const leaf = found.get(traceId);
    return leaf?.type !== type || leaf.n !== 1 || leaf.places !== 1;
  });
  expect(wrong).toEqual([]);
  const [log] =
    await rows`SELECT count(*)::int AS events, count(DISTINCT event_id)::int AS different, min(seq)::int AS first,
      max(seq)::int + 1 AS next FROM audit_events`;
  expect(log).toEqual({ events: log?.next, different: log?.next, first: 0, next: log?.next });
});
