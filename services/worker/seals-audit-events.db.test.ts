import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseCheckpoint } from '../domain/audit/log/checkpoint.ts';
import { parseNote } from '../domain/audit/log/note.ts';
import { newEmail, newPassword, patiently } from '../platform/testing/flows.ts';
import { send } from '../platform/testing/http-client.ts';
import { eventually, type Product, queryRows, startProduct } from '../platform/testing/product.ts';

let product: Product;
beforeAll(async () => {
  product = await startProduct({ env: { AUDIT_LOG_ORIGIN: 'auth.test/audit' } });
});
afterAll(() => product?.dispose());

const rows = (text: string, values: unknown[] = []) => queryRows(product.credentials.database_url, text, values);

test('what somebody does is sealed within seconds: under the trace of the request, a signed head and a mark outside', async () => {
  const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
  const json = { email: newEmail(), password: newPassword() };
  const headers = { traceparent: `00-${traceId}-00f067aa0ba902b7-01` };
  await patiently(() => send(product.api, 'POST', '/api/auth/signup', { json, headers }));
  const [event] = await eventually('the event is sealed', async () => {
    const found = await rows(`SELECT seq, trace_id FROM audit_events WHERE type = 'user.created' AND trace_id = $1`, [
      traceId,
    ]);
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
  const metrics = await (await fetch(product.metrics)).text();
  expect(metrics).toMatch(/sallyport_audit_log_size\{process="worker-1"\} [1-9]/);
  expect(metrics).toMatch(/sallyport_audit_sealing_stopped\{process="worker-1",reason="database_behind"\} 0/);
});

test('killed and started again, the worker goes on: every event has its place', async () => {
  const pid = product.ready.pids.worker as number;
  process.kill(pid, 'SIGKILL');
  const json = { email: newEmail(), password: newPassword() };
  await patiently(() => send(product.api, 'POST', '/api/auth/signup', { json }));
  await eventually('nothing waits', async () => {
    const [left] = await rows('SELECT count(*)::int AS waiting FROM audit_outbox WHERE seq IS NULL');
    const [sealed] = await rows(
      `SELECT count(*)::int AS people FROM audit_events WHERE type = 'user.created' AND occurred_at > now() - interval '10 minutes'`,
    );
    return left?.waiting === 0 && Number(sealed?.people) >= 2;
  });
  const [gaps] = await rows('SELECT count(*)::int AS events, max(seq)::int + 1 AS next FROM audit_events');
  expect(gaps?.events).toBe(gaps?.next);
});
