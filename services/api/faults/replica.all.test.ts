// About: services/platform/postgres/
// A real standby of PostgreSQL: lists and reports may come from it, seconds late and marked; decisions never do.

import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { registry } from '#observability/metrics/instruments.ts';
import { renderPrometheus } from '#observability/metrics/prometheus.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import { migrate } from '#services/platform/postgres/migrate.ts';
import { openReplica } from '#services/platform/postgres/replica.ts';
import { eventually } from '#tools/testing/eventually.ts';
import { newSignedIn } from '#tools/testing/flows/signed-in.ts';
import { type ApiCopy, newAuthSecret, newClient, startApiCopy } from '#tools/testing/harness/api.ts';
import { asPromised } from '#tools/testing/harness/busy-machine.ts';
import { queryRows, quietLog } from '#tools/testing/harness/ports.ts';
import { testRedisUrl } from '#tools/testing/harness/stores.ts';
import { type Received, type Sent, send } from '#tools/testing/http-client.ts';
import { type OwnStores, startOwnStores } from '#tools/testing/processes/own-stores.ts';
import { runCli } from '#tools/testing/processes/run-cli.ts';
import { copyOfPostgres, type Standby, startStandby } from './older-database-harness.ts';

asPromised();

// A PostgreSQL, a copy of it and an API start one after another.
const REVOKED_BUSY_MS = 6_000;
/** The standby may be this far behind for `patient`, and for `hurried`. */
const MAX_AGE = { patient: '600', hurried: '1' };

let stores: OwnStores;
let folder: string;
let shared: { databaseUrl: string; redisUrl: string; authSecret: string };
let standby: Standby;
let patient: ApiCopy;
let hurried: ApiCopy;
let admin: Sent;

beforeAll(async () => {
  stores = await startOwnStores();
  await migrate(stores.databaseUrl);
  folder = join(stores.dataDir, '..', 'replica');
  await copyOfPostgres(stores, folder);
  standby = await startStandby(folder, stores.databaseUrl);
  shared = { databaseUrl: stores.databaseUrl, redisUrl: testRedisUrl(), authSecret: newAuthSecret() };
  const start = (age: string): Promise<ApiCopy> =>
    startApiCopy({
      ...shared,
      hashes: false,
      env: { DATABASE_REPLICA_URL: standby.url, DATABASE_REPLICA_MAX_AGE_SECONDS: age },
    });
  patient = await start(MAX_AGE.patient);
  hurried = await start(MAX_AGE.hurried);
  const { basic } = await newClient(
    patient,
    `users:read users:manage sessions:read audit:read compliance:read compliance:manage monitoring:read
    tokens:revoke`.split(/\s+/),
  );
  await hurried.ports.access.load();
  admin = { headers: { authorization: basic } };
});
afterAll(async () => {
  await Promise.all([patient?.stop(), hurried?.stop()]);
  await standby?.stop();
  await stores?.dispose();
});

const onStandby = (text: string) => queryRows(standby.url)(text);
const read = (copy: ApiCopy, path: string): Promise<Received> => send(copy.url, 'GET', path, admin);
const post = (copy: ApiCopy, path: string, json: object = {}): Promise<Received> =>
  send(copy.url, 'POST', path, { ...admin, json });
const asOf = (answer: Received): number | null => {
  const text = answer.headers.get('as-of');
  return text === null ? null : Date.parse(text);
};
const lists = async (copy: ApiCopy, userId: string): Promise<boolean> => {
  const { status, text, body } = await read(copy, '/v1/admin/users');
  expect(status, text).toBe(200);
  return body.users.some(({ id }: { readonly id: string }) => id === userId);
};
const replicaState = async (copy: ApiCopy): Promise<[string, string]> => {
  const { body } = await send(copy.url, 'GET', '/readyz');
  return [body.status, body.components.replica];
};
const doctorSays = async () => {
  const { out } = await runCli(['doctor', '--json'], {
    DATABASE_URL: stores.databaseUrl,
    DATABASE_REPLICA_URL: standby.url,
    SALLYPORT_DATA_DIR: stores.dataDir,
  });
  return JSON.parse(out).checks.find(({ name }: { readonly name: string }) => name === 'replica');
};
const verdict = async (copy: ApiCopy, token: string): Promise<string> => {
  const { body } = await send(copy.url, 'POST', '/v1/tokens/validate', { json: { token } });
  return body.active ? 'active' : body.reason;
};

test('lists and reports come from the standby with their time, everything else from the primary', async () => {
  await standby.caughtUp();
  const before = Date.now();
  await eventually('the standby to be seen', async () => asOf(await read(patient, '/v1/admin/users')) !== null);
  for (const path of ['/v1/admin/sessions', '/v1/audit/events', '/v1/compliance/reports', '/v1/admin/dashboard']) {
    const answer = await read(patient, path);
    expect([path, answer.status]).toEqual([path, 200]);
    expect(Math.abs((asOf(answer) as number) - before)).toBeLessThan(30_000);
  }
  for (const path of ['/v1/compliance/controls', '/v1/keys', '/.well-known/jwks.json'])
    expect([path, asOf(await read(patient, path))]).toEqual([path, null]);
  expect(await replicaState(patient)).toEqual(['ready', 'ok']);
  expect(await doctorSays()).toMatchObject({ result: 'pass' });
});

test('while the standby is behind, decisions are fresh, and its answers say what time they are of', async () => {
  const earlier = await newSignedIn(patient);
  await standby.caughtUp();
  expect(await lists(patient, earlier.id)).toBe(true);
  await onStandby('SELECT pg_wal_replay_pause()');
  await eventually('replay to pause', async () => {
    const [row] = await onStandby('SELECT pg_get_wal_replay_pause_state() AS state');
    return row?.state === 'paused';
  });
  const user = await newSignedIn(patient);
  const changedAt = Date.now();
  const late = await read(patient, '/v1/admin/users');
  expect(asOf(late)).toBeLessThan(changedAt);
  expect(await lists(patient, user.id)).toBe(false);
  expect(asOf(await read(patient, `/v1/admin/sessions?user_id=${user.id}`))).toBeLessThan(changedAt);

  const { access_token: token } = user.tokens;
  expect(await verdict(patient, token)).toBe('active');
  expect((await post(patient, '/v1/tokens/revoke', { token, reason: 'test' })).status).toBe(200);
  for (const copy of [patient, hurried])
    await eventually('it to be refused', async () => (await verdict(copy, token)) !== 'active', REVOKED_BUSY_MS);
  expect((await post(patient, `/v1/admin/users/${user.id}/disable`, { reason: 'test' })).status).toBe(200);
  const session = await send(patient.url, 'GET', '/api/auth/session', { cookie: user.cookie });
  expect(session.status).toBe(401);

  // What the standby does not know yet is asked of the primary.
  const requested = await post(patient, '/v1/compliance/reports');
  expect(requested.status, requested.text).toBe(202);
  const report = await read(patient, `/v1/compliance/reports/${requested.body.report_id}`);
  expect([report.status, asOf(report)]).toEqual([200, null]);
  expect((await read(patient, '/v1/compliance/reports/00000000-0000-4000-8000-000000000000')).status).toBe(404);

  // Beyond the limit nothing comes from the standby.
  await eventually(
    'the limit',
    async () => (await read(hurried, '/v1/admin/users')) && (await replicaState(hurried))[1] === 'stale',
  );
  expect(await replicaState(hurried)).toEqual(['ready', 'stale']);
  expect(await lists(hurried, user.id)).toBe(true);
  expect(asOf(await read(hurried, '/v1/admin/users'))).toBeNull();

  await onStandby('SELECT pg_wal_replay_resume()');
  await eventually('the list of the standby to have the user', () => lists(patient, user.id));
  await eventually('the standby to be used again', async () => asOf(await read(hurried, '/v1/admin/users')) !== null);
});

test('a declared read that writes or locks fails: neither the standby nor the primary runs it', async () => {
  const primary = { query: () => Promise.reject(new Error('the primary was asked')) };
  const replica = openReplica({
    url: standby.url,
    primary,
    maxAgeSeconds: 600,
    incarnation: () => null,
    log: quietLog,
  });
  onTestFinished(() => replica.close());
  const { sql, asOf: time } = await replica.read();
  expect(time).not.toBeNull();
  for (const text of ['UPDATE feed_state SET beat = 1', 'SELECT 1 FROM feed_state FOR UPDATE', `SELECT nextval('x')`])
    await expect(sql.query(defineStatement('planted', text))).rejects.not.toThrow('the primary was asked');
  await expect(sql.query(defineStatement('planted')`SELECT 1 FROM feed_state FOR UPDATE`)).rejects.toThrow(
    'planted writes or locks',
  );
  expect(replica.state()).toBe('ok');
});

test('exports and reports of the audit log come from the standby too, and say so', async () => {
  const env = {
    DATABASE_URL: stores.databaseUrl,
    DATABASE_REPLICA_URL: standby.url,
    SALLYPORT_DATA_DIR: stores.dataDir,
  };
  const period = ['--start', '2026-01-01', '--end', '2099-01-01'];
  const late = await runCli(['audit', 'report', ...period], env);
  expect([late.code, late.err]).toEqual([0, expect.stringContaining('read from the read replica, as of 2')]);
  const { DATABASE_REPLICA_URL: _unset, ...alone } = env;
  const now = await runCli(['audit', 'report', ...period], alone);
  expect([now.code, now.err]).toEqual([0, expect.not.stringContaining('replica')]);
});

test('a standby that is lost, and one that was promoted, are not asked; the primary answers in time', async () => {
  await standby.stop();
  const startedAt = performance.now();
  const answer = await read(patient, '/v1/admin/users');
  expect([answer.status, asOf(answer)]).toEqual([200, null]);
  expect(performance.now() - startedAt).toBeLessThan(3_000);
  expect(await replicaState(patient)).toEqual(['ready', 'away']);
  expect(renderPrometheus(registry.collect())).toMatch(
    /^sallyport_replica_reads_total\{by="primary",state="away"\} [1-9]/m,
  );
  expect(await doctorSays()).toMatchObject({ result: 'warn', evidence: expect.stringContaining('does not answer') });

  // An operator who promotes it leaves two servers that disagree.
  standby = await startStandby(folder, stores.databaseUrl);
  await standby.promote();
  const promoted = await startApiCopy({ ...shared, hashes: false, env: { DATABASE_REPLICA_URL: standby.url } });
  try {
    expect(asOf(await read(promoted, '/v1/admin/users'))).toBeNull();
    expect(await replicaState(promoted)).toEqual(['ready', 'other']);
  } finally {
    await promoted.stop();
  }
  expect(await doctorSays()).toMatchObject({ result: 'fail', evidence: expect.stringContaining('no standby') });
});
