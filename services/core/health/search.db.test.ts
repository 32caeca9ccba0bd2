import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadList } from '#services/modules.ts';
import { createLogHarness, giveKeys } from '#tools/testing/harness/log.ts';
import { testCaller, userCaller } from '#tools/testing/harness/ports.ts';
import { type OwnPorts, openTestPorts } from '#tools/testing/harness/stores.ts';
import { sealEvents } from '../audit/seal/seal-events.ts';
import type { Caller } from '../ports.ts';
import { readRefs, search } from './search.ts';

let ports: OwnPorts;
const KEY = '0199aaaa-bbbb-7ccc-8ddd-eeeeffff0001';
const INCIDENT = '0199aaaa-bbbb-7ccc-8ddd-eeeeffff0002';
const reader = (...permissions: string[]): Caller => userCaller('reader', { permissions: new Set(permissions) });

beforeAll(async () => {
  ports = await openTestPorts();
  const user = (id: string, email: string, name: string | null, day: string) =>
    ports.raw('INSERT INTO users (id, email, name, "createdAt") VALUES ($1, $2, $3, $4)', [id, email, name, day]);
  await user('ada-id-77', 'ada.k@example.test', 'Ada Lovelace', '2020-01-01');
  await user('bob-id', 'bob_100%@example.test', null, '2020-01-02');
  await user('li-id', 'li@example.test', 'Li Ümläut', '2020-01-03');
  // Older than the 1,000 newest, which one part of the statement reads.
  await ports.raw(
    `INSERT INTO users (id, email) SELECT 'many-' || i, 'many-' || i || '@crowd.test' FROM generate_series(1, 1001) i`,
  );
  await ports.raw(
    `INSERT INTO oauth_clients (id, "clientId", name) VALUES ('deployer', 'deployer', 'Deployer of Ada')`,
  );
  await ports.raw(
    `INSERT INTO agents (client_id, owner_id, heartbeat_seconds, expires_at) VALUES ('deployer', 'ada-id-77', 60, now() + interval '1 day')`,
  );
  await ports.raw(
    `INSERT INTO api_keys (id, name, owner_kind, user_id, owner_epoch, permissions, secret_hash, requests_per_minute, lifetime_seconds, expires_at)
     VALUES ($1, 'nightly', 'user', 'ada-id-77', 0, '{}', sha256('x'), 60, 60, now() + interval '1 day')`,
    [KEY],
  );
  await ports.raw(
    `INSERT INTO incidents (id, detection, severity, subject_kind, subject_id, detail) VALUES ($1, 'token_replay', 'high', 'user', 'ada-id-77', '{}')`,
    [INCIDENT],
  );
});
afterAll(() => ports?.end());

const asked = () => ({ sql: ports.sql, finders: () => loadList('finders') });
const hitsOf = async (q: string, caller: Caller = testCaller, limit = 5) =>
  (await search(asked(), { q, limit }, caller)).hits;
const idsOf = async (q: string, caller?: Caller, limit?: number) =>
  (await hitsOf(q, caller, limit)).map(({ kind, id }) => `${kind}:${id}`);
const refsOf = async (ids: string, caller: Caller = testCaller) => (await readRefs(asked(), { ids }, caller)).refs;

describe('search', () => {
  test.each([
    ['lovelace', ['user:ada-id-77']],
    ['LOVEL', ['user:ada-id-77']],
    ['a.k@exam', ['user:ada-id-77']],
    ['ada-id-7', ['user:ada-id-77']],
    ['ÜMLÄ', ['user:li-id']],
    ['li', ['user:li-id', 'role:clinician', 'role:compliance']],
    ['token_rep', [`incident:${INCIDENT}`]],
    ['  lovelace ', ['user:ada-id-77']],
    ['deploy', ['client:deployer', 'agent:deployer']],
    ['nightl', [`api_key:${KEY}`]],
    [KEY, [`api_key:${KEY}`]],
    [`sp_ak_${KEY.replaceAll('-', '')}_thesecret`, [`api_key:${KEY}`]],
    ['0199aaaabbbb', [`api_key:${KEY}`, `incident:${INCIDENT}`]],
    ['compliance', ['role:compliance']],
    ['nothing of that kind', []],
    [' ', []],
  ])('finds by %s', async (q, found) => {
    expect((await idsOf(q)).sort()).toEqual([...found].sort());
  });

  test('takes wildcards of SQL for what they are', async () => {
    expect(await idsOf('_100%@')).toEqual(['user:bob-id']);
    for (const wild of ['a%e@', 'l_velace', '%%%', '___', '\\\\\\', `'; DROP TABLE users; --`])
      expect(await idsOf(wild), wild).toEqual([]);
  });

  test('finds old accounts among many new ones, and no more than the limit', async () => {
    expect(await idsOf('lovelace')).toEqual(['user:ada-id-77']);
    expect(await idsOf('crowd.test', testCaller, 7)).toHaveLength(7);
    expect(new Set(await idsOf('many-1', testCaller, 20)).size).toBe(20);
  });

  test('shows to whom a thing belongs', async () => {
    const [agent] = (await hitsOf('deploy')).filter(({ kind }) => kind === 'agent');
    expect(agent).toEqual({
      kind: 'agent',
      id: 'deployer',
      label: 'Deployer of Ada',
      detail: null,
      owner: { kind: 'user', id: 'ada-id-77', label: 'Ada Lovelace' },
    });
  });

  test('finds events by their number and requests by their trace once they are sealed', async () => {
    const traceId = 'ab'.repeat(16);
    const auditor = reader('audit:read');
    for (const q of ['0', traceId]) expect(await idsOf(q, auditor)).toEqual([]);
    const log = await createLogHarness(ports.databaseUrl);
    try {
      await giveKeys(log);
      await log.emit(1, { type: 'user.created', traceparent: `00-${traceId}-${'c'.repeat(16)}-01` });
      await sealEvents(log, {}, testCaller);
      const at = expect.stringMatching(/Z$/);
      const [{ seq }] = (await ports.raw<{ seq: string }>(
        `SELECT seq FROM audit_events WHERE type = 'user.created' AND trace_id IS NOT NULL`,
      )) as [{ seq: string }];
      const found = { label: 'user.created', detail: at, owner: null };
      expect(await hitsOf(String(seq), auditor)).toEqual([{ kind: 'event', id: String(seq), ...found }]);
      expect(await hitsOf(traceId.toUpperCase(), auditor)).toEqual([{ kind: 'trace', id: traceId, ...found }]);
      expect(await hitsOf('9'.repeat(15), auditor)).toEqual([]);
    } finally {
      await log.end();
    }
  });

  test('finds nobody who was erased', async () => {
    const email = `${randomUUID()}@erased.test`;
    await ports.raw('INSERT INTO users (id, email) VALUES ($1, $1)', [email]);
    expect(await idsOf('erased.test')).toEqual([`user:${email}`]);
    await ports.raw('DELETE FROM users WHERE id = $1', [email]);
    expect(await idsOf('erased.test')).toEqual([]);
    expect(await refsOf(`user:${email}`)).toEqual([
      { kind: 'user', id: email, label: email, detail: null, owner: null, exists: false },
    ]);
  });
});

describe('a caller finds and names only what its permissions let it read', () => {
  const KINDS = [
    ['user', 'users:read', 'lovelace', 'ada-id-77'],
    ['client', 'clients:read', 'deployer', 'deployer'],
    ['agent', 'agents:read', 'deployer', 'deployer'],
    ['role', 'roles:read', 'compliance', 'compliance'],
    ['api_key', 'api_keys:read', 'nightly', KEY],
    ['incident', 'incidents:read', INCIDENT, INCIDENT],
  ] as const;
  const all = KINDS.map(([kind, , , id]) => `${kind}:${id}`).join(',');

  test.each(KINDS)('%s with %s', async (kind, permission, q, id) => {
    const { hits, kinds } = await search(asked(), { q, limit: 5 }, reader(permission));
    expect([kinds, hits.map((hit) => [hit.kind, hit.id])]).toEqual([[kind], [[kind, id]]]);
    expect((await refsOf(all, reader(permission))).map((ref) => [ref.kind, ref.id, ref.exists])).toEqual([
      [kind, id, true],
    ]);
  });

  test('events and traces with audit:read', async () => {
    expect((await search(asked(), { q: 'x', limit: 5 }, reader('audit:read'))).kinds).toEqual(['event', 'trace']);
  });

  test('nothing without a permission, and no name of an owner', async () => {
    expect(await search(asked(), { q: 'lovelace', limit: 5 }, reader())).toEqual({ hits: [], kinds: [] });
    expect(await refsOf(all, reader())).toEqual([]);
    const [key] = await hitsOf('nightly', reader('api_keys:read'));
    expect(key?.owner).toEqual({ kind: 'user', id: 'ada-id-77', label: null });
  });
});

describe('names of ids', () => {
  test('come once for each id, in the order asked; ids may have commas', async () => {
    const refs = await refsOf('client:deployer,user:ada-id-77,client:deployer,client:https://x.test/a,b,session:1');
    expect(refs.map(({ kind, id, label, exists }) => [kind, id, label, exists])).toEqual([
      ['client', 'deployer', 'Deployer of Ada', true],
      ['user', 'ada-id-77', 'Ada Lovelace', true],
      ['client', 'https://x.test/a,b', 'https://x.test/a,b', false],
    ]);
  });

  test('are refused for more than 100 ids; an id of another form is unknown', async () => {
    const ids = Array.from({ length: 101 }, (_, at) => `user:${at}`);
    await expect(refsOf(ids.join(','))).rejects.toMatchObject({ code: 'request_invalid' });
    expect(await refsOf(ids.slice(1).join(','))).toHaveLength(100);
    expect((await refsOf(`incident:no-uuid,api_key:${'9'.repeat(40)}`)).map(({ exists }) => exists)).toEqual([
      false,
      false,
    ]);
  });
});
