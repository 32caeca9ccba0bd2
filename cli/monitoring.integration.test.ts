import { createHash, randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { opened, partOf } from '#tools/testing/opened.ts';
import { accountKeyOf } from '../services/core/identity/sign-in/sign-in-counters.ts';
import { ensureKeys } from '../services/core/keys/ensure-keys.ts';
import { createKeyRing } from '../services/core/keys/key-ring.ts';
import { loadConfig } from '../services/platform/config/load.ts';
import { countEventHours } from '../services/wings/monitoring/count-event-hours.ts';
import { makeSecurityReports } from '../services/wings/monitoring/reports/make-security-reports.ts';
import { testCaller } from '../tools/testing/harness/ports.ts';
import { openCliHarness } from './cli-harness.ts';

const harness = opened(() => openCliHarness());
const ports = partOf(() => harness.ports);

const sallyport = (...args: readonly string[]) => harness.sallyport(args);
const { signal } = new AbortController();
const make = () => makeSecurityReports(ports, { signal }, { ...testCaller, kind: 'system', name: 'worker' });

test('sallyport dashboard shows what was measured, and says what was not', async () => {
  const empty = await sallyport('dashboard');
  expect([empty.code, empty.out]).toEqual([
    0,
    expect.stringMatching(/security {2}no figures yet[\s\S]*not counted yet/),
  ]);
  await countEventHours(ports, { signal });
  await ports.raw`INSERT INTO event_hours (hour, type, outcome, events, active)
    VALUES (date_trunc('hour', now()), 'user.login', 'ok', 3, 0),
      (date_trunc('hour', now()), 'user.login', 'refused', 1, 0)`;
  const gauges = { memory_bytes: 104_857_600, 'queue.mail.waiting': 2 };
  const token_generation = { sum: 0.04, counts: { 0.01: 4 } };
  await ports.raw(`INSERT INTO copy_samples (id, copy_id, kind, seconds, sample) VALUES ($1, $1, 'api', 15, $2)`, [
    randomUUID(),
    JSON.stringify({ counters: { cpu_seconds: 3 }, gauges, histograms: { token_generation } }),
  ]);
  const { out } = await sallyport('dashboard');
  expect(out).toMatch(/security {2}fresh, as of/);
  expect(out).toContain('3 succeeded, 1 failed (75 % succeeded)');
  expect(out).toMatch(/tokens generated {2}4 {2}average 10 ms {2}p95 9.5 ms {2}p99 9.9 ms/);
  expect(out).toMatch(/api {5}fresh {2}0.2 cores {2}100 MiB/);
  expect(out).toContain('queue mail  2 waiting');
  expect((await harness.json(['dashboard'])).security.sign_ins).toEqual({
    succeeded: 3,
    failed: 1,
    success_percent: 75,
  });
});

test('sallyport reports requests a report, waits for it, lists it and writes its files', async () => {
  const requested = await sallyport('reports', 'run', '--days', '2', '--wait', '0');
  expect([requested.code, requested.out]).toEqual([0, expect.stringContaining('queued')]);
  const waited = await sallyport('reports', 'run', '--wait', '1');
  expect([waited.code, waited.err]).toEqual([1, expect.stringContaining('the report is queued')]);
  expect(await make()).toBe(2);
  const { reports } = await harness.json(['reports', 'list']);
  expect(reports).toMatchObject([{ status: 'done' }, { status: 'done', requested_by: 'system:sallyport reports' }]);
  const [{ report_id: id, sha256 }] = reports;
  const [file, csv] = [join(harness.dataDir, 'report.json'), join(harness.dataDir, 'report.csv')];
  expect((await sallyport('reports', 'show', id, '--file', file, '--csv', csv)).out).toContain(sha256);
  expect(
    createHash('sha256')
      .update(await readFile(file))
      .digest('hex'),
  ).toBe(sha256);
  expect(await readFile(csv, 'utf8')).toMatch(/^day,/);
  expect((await sallyport('reports', 'list')).out).toContain(id);
  expect((await sallyport('reports', 'show', 'x')).code).toBe(2);
  expect((await sallyport('reports', 'show', randomUUID())).code).not.toBe(0);
  expect((await sallyport('reports', 'run', '--days', '401')).code).toBe(2);
});

test('sallyport capacity says what is missing, then when a limit is reached and what to change', async () => {
  await ports.raw`DELETE FROM copy_samples`;
  const { out: empty } = await sallyport('capacity');
  expect(empty).toContain('no hour was sampled yet');
  expect(empty).toMatch(/database_bytes .*too little data: 0 of 7 days/);
  expect(empty).toContain('no advice yet');
  await ports.raw`INSERT INTO copy_samples (id, copy_id, kind, seconds, at, sample)
    SELECT gen_random_uuid(), gen_random_uuid(), 'worker', 3600,
      date_trunc('hour', now()) - make_interval(days => day) - interval '1 hour',
      jsonb_build_object('counters', jsonb_build_object('pool_timeouts.main', 2), 'histograms', '{}'::jsonb, 'gauges',
        '{}'::jsonb,
        'measured', jsonb_build_object(
          'database_bytes', jsonb_build_object('value', 1000 - day, 'limit', 1200),
          'users', jsonb_build_object('value', 1000 - day, 'limit', NULL),
          'revocations', jsonb_build_object('value', 5, 'limit', 100),
          'pool_connections', jsonb_build_object('value', 100 - day, 'limit', 10000000)))
    FROM generate_series(0, 12) day`;
  const { out } = await sallyport('capacity');
  expect(out).toMatch(/database_bytes .*reaches 1200 on 20/);
  expect(out).toMatch(/users .*grows, no limit known/);
  expect(out).toMatch(/revocations .*no growth/);
  expect(out).toMatch(/pool_connections .*does not reach its limit within two years/);
  expect(out).toMatch(/DATABASE_POOL {2}Statements were given up.* timeouts 2 \(docs/);
  expect((await harness.json(['capacity'])).advice).toHaveLength(1);
});

const json = (...args: readonly string[]) => harness.json(args);

test('sallyport incidents lists events that detections could not evaluate, retries one, and records the reason in the audit log', async () => {
  await ports.raw`
    INSERT INTO audit_events (seq, event_id, type, outcome, actor_kind, detail, occurred_at, sealed_at, leaf)
    SELECT seq, gen_random_uuid(), 'user.login', 'ok', 'system', '{}', now(), now(), ''
      FROM (VALUES (7), (9)) event (seq)`;
  await ports.raw`INSERT INTO unjudged_events (seq, tries, failure, next_try_at)
    VALUES (7, 10, 'P0001', null), (9, 2, '22P02', now())`;
  const { events, next } = await json('incidents', 'unjudged', '-n', '1');
  expect(events).toMatchObject([{ seq: 7, type: 'user.login', tries: 10, failure: 'P0001', next_try_at: null }]);
  expect((await json('incidents', 'unjudged', '--cursor', next)).events).toMatchObject([{ seq: 9, tries: 2 }]);
  expect((await sallyport('incidents', 'unjudged')).out).toMatch(/7 .*10x P0001 {2}set aside\n.*22P02 {2}next try 2/);
  const retry = (seq: string) => ['incidents', 'retry', seq, '--reason', 'mended', '--yes'];
  expect(await json(...retry('7'))).toEqual({ seq: 7 });
  expect(await ports.raw`SELECT seq FROM unjudged_events WHERE next_try_at IS NULL`).toEqual([]);
  expect(await ports.raw`SELECT detail FROM audit_outbox WHERE type = 'incident.event_retried'`).toEqual([
    { detail: { seq: 7, reason: 'mended' } },
  ]);
  const again = await sallyport(...retry('7'));
  expect([again.code, again.err]).toEqual([2, expect.stringContaining('Event not set aside')]);
  expect((await sallyport(...retry('x'))).code).toBe(2);
});

test('sallyport users unlock clears the failed sign-ins of an account', async () => {
  const config = loadConfig({});
  const authSecret = 'a-secret-of-more-than-thirty-two-characters';
  await ensureKeys(ports, { keys: config.keys, tokens: config.tokens, authSecret, audience: null }, testCaller);
  const keyRing = createKeyRing(ports, config.keys);
  await keyRing.load();
  await ports.raw`INSERT INTO users (id, email) VALUES ('u1', 'ada@people.test')`;
  await ports.raw`INSERT INTO login_failures (key, failures)
    VALUES (${accountKeyOf({ keyRing }, 'ada@people.test')}, 100)`;
  const unlock = (...more: string[]) => ['users', 'unlock', 'u1', '--reason', 'called us', ...more];
  expect(await json(...unlock('--dry-run'))).toEqual({
    dry_run: true,
    would: 'clear the failed sign-ins of ada@people.test',
  });
  expect(await json(...unlock('--yes'))).toEqual({ user_id: 'u1', failed_logins: 100 });
  expect(await ports.raw`SELECT 1 FROM login_failures`).toEqual([]);
  const unknown = await sallyport('users', 'unlock', 'u2', '--reason', 'x', '--yes');
  expect([unknown.code, unknown.err]).toEqual([2, expect.stringContaining('User not found')]);
});
