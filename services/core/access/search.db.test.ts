import { beforeAll, expect, test } from 'vitest';
import { loadList } from '#services/modules.ts';
import { createLogHarness, giveKeys } from '#tools/testing/harness/log.ts';
import { testCaller, userCaller } from '#tools/testing/harness/ports.ts';
import { openTestPorts } from '#tools/testing/harness/stores.ts';
import { opened } from '#tools/testing/opened.ts';
import { sealEvents } from '../audit/seal/seal-events.ts';
import type { Caller } from '../ports.ts';
import { readRefs, search } from './search.ts';
import { searchOperations } from './search-operations.ts';

const ports = opened(() => openTestPorts());
const [KEY, INCIDENT] = ['0199aaaa-bbbb-7ccc-8ddd-eeeeffff0001', '0199aaaa-bbbb-7ccc-8ddd-eeeeffff0002'];
const { line } = searchOperations[0]!.command as unknown as { line(hit: object): string };
const reader = (...permissions: string[]): Caller => userCaller('reader', { permissions: new Set(permissions) });

beforeAll(async () => {
  // More than the 1,000 newest, which one part of the statement reads.
  await ports.raw(
    `INSERT INTO users (id, email, name, "createdAt") VALUES ('ada-id-77', 'ada.k@example.test', 'Ada Lovelace', '2020-01-01'),
       ('bob-id', 'bob_100%@example.test', NULL, '2020-01-02'), ('li-id', 'li@example.test', 'Li Ümläut', '2020-01-03'),
       ('eve-id', 'eve.li@example.test', NULL, '2020-01-04');
     INSERT INTO users (id, email) SELECT 'many-' || i, 'many-' || i || '@crowd.test' FROM generate_series(1, 1001) i;
     INSERT INTO oauth_clients (id, "clientId", name) VALUES ('deployer', 'deployer', 'Deployer of Ada');
     INSERT INTO agents (client_id, owner_id, heartbeat_seconds, expires_at)
     VALUES ('deployer', 'ada-id-77', 60, now() + interval '1 day');
     INSERT INTO api_keys (id, name, owner_kind, user_id, owner_epoch, permissions, secret_hash, requests_per_minute, lifetime_seconds, expires_at)
     VALUES ('${KEY}', 'nightly', 'user', 'ada-id-77', 0, '{}', sha256('x'), 60, 60, now() + interval '1 day');
     INSERT INTO incidents (id, detection, severity, subject_kind, subject_id, detail)
     VALUES ('${INCIDENT}', 'token_replay', 'high', 'user', 'ada-id-77', '{}')`,
  );
});

const asked = () => ({ sql: ports.sql, finders: () => loadList('finders') });
const hitsOf = async (q: string, caller: Caller = testCaller, limit = 5) =>
  (await search(asked(), { q, limit }, caller)).hits;
const idsOf = async (...given: Parameters<typeof hitsOf>) =>
  (await hitsOf(...given)).map(({ kind, id }) => `${kind}:${id}`);
const refsOf = async (ids: string, caller: Caller = testCaller) => (await readRefs(asked(), { ids }, caller)).refs;

const LITERALLY = ['a%e@', 'l_velace', '%%%', '___', '\\\\\\', `'; DROP TABLE users; --`, ' '];

test.each([
  ['  LOVEL ', ['user:ada-id-77']],
  ['a.k@exam', ['user:ada-id-77']],
  ['ada-id-7', ['user:ada-id-77']],
  ['ÜMLÄ', ['user:li-id']],
  ['li@exampl', ['user:li-id', 'user:eve-id']],
  ['Li@example.test', ['user:li-id']],
  ['li', ['user:li-id', 'role:clinician', 'role:compliance']],
  ['token_rep', [`incident:${INCIDENT}`]],
  ['deploy', ['client:deployer', 'agent:deployer']],
  ['nightl', [`api_key:${KEY}`]],
  [`sp_ak_${KEY.replaceAll('-', '')}_thesecret`, [`api_key:${KEY}`]],
  ['0199aaaabbbb', [`api_key:${KEY}`, `incident:${INCIDENT}`]],
  ['compliance', ['role:compliance']],
  ['_100%@', ['user:bob-id']],
  ...LITERALLY.map((q): [string, string[]] => [q, []]),
])('search finds by %s', async (q, found) => expect((await idsOf(q)).sort()).toEqual([...found].sort()));

test('search finds no more than the limit', async () => {
  expect(await idsOf('crowd.test', testCaller, 7)).toHaveLength(7);
  expect(new Set(await idsOf('many-1', testCaller, 20)).size).toBe(20);
});

test('search finds events by their number and requests by their trace once they are sealed', async () => {
  const [traceId, auditor] = ['ab'.repeat(16), reader('audit:read')];
  for (const q of ['0', traceId]) expect(await idsOf(q, auditor)).toEqual([]);
  const log = await createLogHarness(ports.databaseUrl);
  await giveKeys(log);
  await log.emit(1, { type: 'user.created', traceparent: `00-${traceId}-${'c'.repeat(16)}-01` });
  await sealEvents(log, {}, testCaller);
  await log.end();
  const [{ seq }] = (await ports.raw<{ seq: string }>`SELECT seq FROM audit_events
    WHERE type = 'user.created' AND trace_id IS NOT NULL`) as [{ seq: string }];
  const found = { label: 'user.created', detail: expect.stringMatching(/Z$/), owner: null };
  expect(await hitsOf(String(seq), auditor)).toEqual([{ kind: 'event', id: String(seq), ...found }]);
  expect(await hitsOf(traceId.toUpperCase(), auditor)).toEqual([{ kind: 'trace', id: traceId, ...found }]);
  expect(await hitsOf('9'.repeat(15), auditor)).toEqual([]);
});

const KINDS = [
  ['user', 'users:read', 'lovelace', 'ada-id-77', 'Ada Lovelace'],
  ['client', 'clients:read', 'deployer', 'deployer', 'Deployer of Ada'],
  ['agent', 'agents:read', 'deployer', 'deployer', 'Deployer of Ada'],
  ['role', 'roles:read', 'compliance', 'compliance', 'compliance'],
  ['api_key', 'api_keys:read', 'nightly', KEY, 'nightly'],
  ['incident', 'incidents:read', INCIDENT, INCIDENT, 'token_replay'],
] as const;
const ALL = KINDS.map(([kind, , , id]) => `${kind}:${id}`).join(',');

test.each(KINDS)('a caller finds and names %s by %s alone', async (kind, permission, q, id, label) => {
  const owner = ['agent', 'api_key'].includes(kind) ? { kind: 'user', id: 'ada-id-77' } : null;
  const found = expect.objectContaining({ kind, id, label, owner });
  expect(await hitsOf(q, reader(permission))).toEqual([found]);
  expect(await refsOf(ALL, reader(permission))).toEqual([found]);
  expect([await hitsOf(q, reader()), await refsOf(ALL, reader())]).toEqual([[], []]);
  const [bare, end] = [`${kind.padEnd(8)}  ${id}  ${label}`, owner === null ? '' : '  owned by user ada-id-77'];
  const lines = [null, label, 'new'].map((detail) => line({ kind, id, label, detail, owner }));
  expect(lines).toEqual([bare + end, bare + end, `${bare}  new${end}`]);
});

test('names come once for each id; ids may have commas, and those of another form are unknown', async () => {
  const [comma, long] = ['client:https://x.test/a,b', `api_key:${'9'.repeat(40)}`];
  const given = ['client:deployer', 'user:ada-id-77', 'client:deployer', comma, 'session:1', 'incident:no-uuid', long];
  expect((await refsOf(given.join(','))).map(({ kind, id, exists }) => [`${kind}:${id}`, exists]).sort()).toEqual([
    [long, false],
    ['client:deployer', true],
    [comma, false],
    ['incident:no-uuid', false],
    ['user:ada-id-77', true],
  ]);
});

test('names of more than 100 ids are refused', async () => {
  const ids = Array.from({ length: 101 }, (_, at) => `user:${at}`);
  await expect(refsOf(ids.join(','))).rejects.toMatchObject({ code: 'request_invalid' });
  expect(await refsOf(ids.slice(1).join(','))).toHaveLength(100);
});
