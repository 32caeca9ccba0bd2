import { expect, test } from 'vitest';
import { registry } from '#observability/metrics/instruments.ts';
import { renderPrometheus } from '#observability/metrics/prometheus.ts';
import type { Fence } from '#services/core/ports.ts';
import { testCaller, userCaller } from '#tools/testing/harness/ports.ts';
import { opened } from '#tools/testing/opened.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { importMap } from '../import-shapes.ts';
import { advanceImports } from './advance-imports.ts';
import { openImportHarness } from './import-harness.ts';
import { readImport, readImportWithRejects, readRejectLines } from './read-imports.ts';
import { rehearseUpload } from './rehearse-upload.ts';
import { requestImport } from './request-import.ts';

const HASH = '$2b$04$5FwdUnNkPe/WI8cG7CpY1OKKIxtWoKxgJLgZPLAajZ3tQI4HYlRcW';
const harness = opened(openImportHarness);

const fence: Fence = { number: 1, hold: async () => {} };
const signal = new AbortController().signal;
const errors: object[] = [];
const advance = (ports: object = {}) =>
  advanceImports(
    {
      ...harness.ports,
      log: { debug: () => {}, info: () => {}, warn: () => {}, error: (fields) => void errors.push(fields) },
      ...ports,
    },
    { fence, signal },
    testCaller,
  );
const people = (count: number, from: string): string =>
  Array.from(
    { length: count },
    (_, at) => `${JSON.stringify({ legacy_id: `${from}${at}`, email: `${from}${at}@example.com` })}\n`,
  ).join('');
const ask = (data: string, map: object = {}, kind = 'ndjson', caller = testCaller) =>
  requestImport(harness.ports, { kind, data, map: importMap.parse(map), reason: 'moving' }, caller);

test('an uploaded file waits encrypted, a worker imports it, and nothing of it stays', async () => {
  const data = `${people(1_200, 'up')}{"legacy_id":"bad","email":"no address"}\n${'\n'.repeat(1_100_000)}`;
  const { import_id: id } = await ask(data, { parameters: { secret: 'of the other side' } });
  expect(await ask(data, { parameters: { secret: 'of the other side' } })).toEqual({ import_id: id });
  expect(await readImport(harness.ports, { import_id: id })).toMatchObject({ status: 'waiting', progress: 0 });
  const chunks = await harness.rows`SELECT sealed FROM import_chunks WHERE import_id = ${id}`;
  expect(chunks).toHaveLength(3);
  expect(JSON.stringify(chunks)).not.toContain('example.com');
  expect(JSON.stringify(await harness.rows`SELECT map FROM imports`)).not.toContain('of the other side');
  expect(await advance()).toBe(1);
  expect(await readImportWithRejects(harness.ports, { import_id: id }, testCaller)).toMatchObject({
    status: 'done',
    progress: 100,
    counts: { new: 1_200, rejected: 1 },
    rejects: [{ line: 1_201, reason: 'email_invalid', value: 'no address' }],
  });
  // Who may not read users learns what was rejected, and not whose record it was.
  const auditor = userCaller('auditor', { permissions: new Set(['imports:read']) });
  const reader = userCaller('operator', { permissions: new Set(['imports:read', 'users:read']) });
  const shown = async (caller: typeof auditor) =>
    (await readImportWithRejects(harness.ports, { import_id: id }, caller)).rejects;
  expect(await shown(auditor)).toEqual([{ record: 1_201, line: 1_201, reason: 'email_invalid', value: '' }]);
  expect(await shown(reader)).toMatchObject([{ value: 'no address' }]);
  expect(await readRejectLines(harness.ports, { import_id: id }, auditor)).not.toContain('no address');
  expect(await readRejectLines(harness.ports, { import_id: id }, reader)).toContain('no address');
  expect(await harness.rows`SELECT 1 AS one FROM import_chunks`).toEqual([]);
  expect(await advance()).toBe(0);
});

test('the metrics show all imports by outcome, those of the command too, and how much of an interrupted one is read', async () => {
  await harness.importText('ndjson', `${people(2, 'shown')}{"legacy_id":"bad","email":"no address"}\n`);
  const interrupted = new AbortController();
  const onProgress = () => interrupted.abort();
  await harness.importText(
    'ndjson',
    people(1_500, 'interrupted'),
    {},
    { signal: interrupted.signal, onProgress, chunkBytes: 1_000 },
  );
  await advance();
  const shown = (metric: string, labels: string) =>
    renderPrometheus(registry.collect())
      .split('\n')
      .find((line) => line.startsWith(`${metric}{${labels}}`))
      ?.split(' ')[1];
  const [totals] = await harness.rows`SELECT sum(new_count)::int AS new, sum(rejected_count)::int AS rejected,
    sum(source_bytes)::int AS bytes FROM imports`;
  expect(Number(shown('sallyport_import_records', 'outcome="new"'))).toBe(totals?.new);
  expect(Number(shown('sallyport_import_records', 'outcome="rejected"'))).toBe(totals?.rejected);
  expect(Number(shown('sallyport_import_bytes', 'state="all"'))).toBe(totals?.bytes);
  const read = Number(shown('sallyport_import_bytes', 'state="read"'));
  expect(read).toBeGreaterThan(0);
  expect(read).toBeLessThan(totals?.bytes as number);
});

test('a file is checked as it would be imported, without a trace; one at a time', async () => {
  await harness.importText('ndjson', people(1, 'checked'));
  const bad = { legacy_id: 'bad', email: 'no address' };
  const lost = { legacy_id: 'lost', email: 'lost@example.com', factors_lost: ['phone'] };
  const hashed = { legacy_id: 'hashed', email: 'hashed@example.com', password_hash: HASH };
  const data = [people(1, 'checked').trim(), ...[bad, lost, hashed].map((each) => JSON.stringify(each))].join('\n');
  const upload = { kind: 'ndjson', data, map: importMap.parse({}) };
  const ports = { ...harness.ports, publicUrl: 'https://auth.example.com' };
  const everything = () => harness.rows`SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM imports), 1 AS one`;
  const before = await everything();
  const first = rehearseUpload(ports, upload, testCaller);
  expect(await outcomeOf(rehearseUpload(ports, upload, testCaller))).toBe('imports_busy');
  expect(await first).toEqual({
    counts: { new: 2, changed: 0, same: 1, linked: 0, rejected: 1, factors_lost: 1 },
    without_password: 1,
    hash_formats: { bcrypt: 1, none: 1 },
    reject_reasons: { email_invalid: 1 },
    notices: { 'factor_lost.phone': 1 },
    rejects: [{ record: 2, line: 2, reason: 'email_invalid', value: 'no address' }],
    noticed: [{ record: 3, line: 3, notice: 'factor_lost', member: 'phone', value: 'lost@example.com' }],
    differences: [
      { legacy_id: 'lost', email: 'lost@example.com', change: 'new' },
      { legacy_id: 'hashed', email: 'hashed@example.com', change: 'new' },
    ],
  });
  expect(await everything()).toEqual(before);
  expect(await outcomeOf(rehearseUpload(ports, { ...upload, data: 'PK\x03\x04' }, testCaller))).toBe(
    'import_file_unreadable',
  );
  // What failed holds up no other.
  expect((await rehearseUpload(ports, { ...upload, data: people(250, 'many') }, testCaller)).counts.new).toBe(250);
});

test('a kind that no adapter reads, and a role that the caller may not grant, are refused', async () => {
  expect(await outcomeOf(ask('x', {}, 'no-such-kind'))).toBe('import_kind_unknown');
  const helper = userCaller('helper', { permissions: new Set(['imports:write']) });
  expect(await outcomeOf(ask(people(1, 'role'), { roles: { boss: 'admin' } }, 'ndjson', helper as never))).toBe(
    'rights_exceeded',
  );
});

test('a run that cannot be advanced does not hold up the next, and fails after a day', async () => {
  const { import_id: broken } = await ask(people(1, 'broken'));
  await harness.rows`UPDATE import_chunks SET sealed = 'of another key' WHERE import_id = ${broken}`;
  const { import_id: whole } = await ask(people(1, 'whole'));
  expect(await advance()).toBe(1);
  expect(errors).toEqual([expect.objectContaining({ import_id: broken })]);
  expect(await readImport(harness.ports, { import_id: whole })).toMatchObject({ status: 'done' });
  expect(await readImport(harness.ports, { import_id: broken })).toMatchObject({ status: 'waiting' });
  const { clock } = harness.ports;
  expect(await advance({ clock: { ...clock, now: () => clock.now() + 25 * 3_600_000 } })).toBe(1);
  expect(await readImport(harness.ports, { import_id: broken })).toMatchObject({
    status: 'failed',
    failure: 'not_finished_in_time',
  });
});

test('a worker that stops leaves its run to the next', async () => {
  const { import_id: id } = await ask(people(1, 'stopped'));
  const stopped = new AbortController();
  stopped.abort();
  const ports = { ...harness.ports, log: console as never };
  expect(await advanceImports(ports, { fence, signal: stopped.signal }, testCaller)).toBe(0);
  expect(await readImport(harness.ports, { import_id: id })).toMatchObject({ status: 'waiting' });
  expect(await advance()).toBe(1);
});

test('at most ten uploads wait', async () => {
  for (let at = 0; at < 10; at += 1) await ask(people(1, `wait${at}-`));
  expect(await outcomeOf(ask(people(1, 'eleventh')))).toBe('imports_busy');
  expect(await advance()).toBe(10);
});
