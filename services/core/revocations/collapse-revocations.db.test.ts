import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { defineStatement } from '#services/platform/define/statement.ts';
import { createFileMarks } from '#services/platform/marks/file-marks.ts';
import { quietLog } from '#tools/testing/harness/ports.ts';
import { createTestDatabase, testRedisUrl } from '#tools/testing/harness/stores.ts';
import { openedEach } from '#tools/testing/opened.ts';
import { testFolder } from '#tools/testing/test-folder.ts';
import { type CollapseResult, collapseRevocations } from './collapse-revocations.ts';
import type { RevocableClaims } from './revocation-set.ts';
import { lockCollapse } from './revocations.store.ts';
import { openStateCopy, type StateCopy } from './state-copy-harness.ts';

const BUDGET = 100;
const usersInsert = defineStatement('testCollapseUsers')`
  INSERT INTO users (id, email) SELECT 'u' || n, 'u' || n || '@example.test' FROM generate_series(1, 400) n`;
const clientsInsert = defineStatement('testCollapseClients')`
  INSERT INTO oauth_clients (id, "clientId") VALUES ('c1', 'c1'), ('c2', 'c2')`;
const revoke = defineStatement('testCollapseRevoke')`
  INSERT INTO revocations (kind, value, reason, user_id, client_id, expires_at)
  SELECT k, v, 'test', u, c, clock_timestamp() + make_interval(secs => s)
  FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::int[]) AS r(k, v, u, c, s)`;
const outrun = defineStatement('testCollapseOutrun')`
  UPDATE revocations SET expires_at = clock_timestamp() WHERE value = 'jti-u1-0'`;
const cutRows = defineStatement('testCollapseCuts')`
  SELECT kind, value, token_epoch AS "tokenEpoch", expires_at > now() + interval '1 day' AS "isLong" FROM revocations
  WHERE kind IN ('user', 'client') ORDER BY kind, value`;
const auditRows = defineStatement('testCollapseAudit')`
  SELECT outcome, detail->>'collapsed' AS collapsed FROM audit_outbox WHERE type = 'revocations.collapsed' ORDER BY id`;

type Single = {
  kind: 'jti' | 'sid' | 'family';
  value: string;
  userId: string | null;
  clientId: string | null;
  seconds?: number;
};

const dataDir = testFolder();
let copies: StateCopy[];

const database = openedEach(createTestDatabase);
beforeEach(async () => {
  await rm(join(dataDir, 'marks.json'), { force: true });
  const redisUrl = testRedisUrl();
  const open = () =>
    openStateCopy({
      databaseUrl: database.url,
      redisUrl,
      marks: createFileMarks(dataDir),
      budget: BUDGET,
      stalenessBoundMs: 60_000,
    });
  copies = [open(), open()];
  await Promise.all(copies.map(({ poll }) => poll.ready()));
  await copies[0]!.sql.query(usersInsert);
  await copies[0]!.sql.query(clientsInsert);
});
afterEach(() => Promise.all(copies.map((copy) => copy.close())));

const collapse = ({ transact, revocations, poll }: StateCopy): Promise<CollapseResult | null> =>
  collapseRevocations({ transact, log: quietLog, revocations, announceRevocations: poll.announce }, BUDGET);
const readAll = (): Promise<unknown> => Promise.all(copies.map(({ poll }) => poll.wake()));

async function write(singles: readonly Single[]): Promise<void> {
  const columns = [
    singles.map(({ kind }) => kind),
    singles.map(({ value }) => value),
    singles.map(({ userId }) => userId),
    singles.map(({ clientId }) => clientId),
    singles.map(({ seconds }) => seconds ?? 1_200),
  ];
  await copies[0]!.sql.query(revoke, columns);
  await readAll();
}
const singles = (count: number, of: Omit<Single, 'value'>): Single[] =>
  Array.from({ length: count }, (_, at) => ({ ...of, value: `${of.kind}-${of.userId ?? of.clientId}-${at}` }));

/** The claims of a token that a single revocation names, issued under these epochs. */
const tokenOf = ({ kind, value, userId, clientId }: Single, epoch = 0): RevocableClaims => ({
  jti: kind === 'jti' ? value : 'j',
  sid: kind === 'sid' ? value : undefined,
  fid: kind === 'family' ? value : undefined,
  sub: userId ?? clientId ?? 'unknown',
  client_id: clientId ?? 'sallyport',
  ue: epoch,
  ce: epoch,
});
const allRefused = (of: readonly Single[]): boolean =>
  copies.every(({ revocations }) => of.every((single) => revocations.check(tokenOf(single)) !== null));

test('within the budget nothing is collapsed', async () => {
  await write(singles(BUDGET, { kind: 'jti', userId: 'u1', clientId: null }));
  expect(await collapse(copies[0]!)).toBeNull();
});

test('revocations that expired in the database but not yet in memory cause no collapse', async () => {
  await write(singles(BUDGET + 1, { kind: 'jti', userId: 'u1', clientId: null }));
  await copies[0]!.sql.query(outrun);
  expect(copies.map(({ revocations }) => revocations.state().entries)).toEqual([BUDGET + 1, BUDGET + 1]);
  expect(await collapse(copies[0]!)).toBeNull();
  expect([await copies[0]!.sql.query(cutRows), await copies[0]!.sql.query(auditRows)]).toEqual([[], []]);
});

test('two processes never collapse at the same time', async () => {
  await write(singles(BUDGET + 20, { kind: 'jti', userId: 'u1', clientId: null }));
  const meanwhile = await copies[1]!.transact(async (tx) => {
    expect(await lockCollapse(tx)).toBe(true);
    return collapse(copies[0]!);
  });
  expect(meanwhile).toBeNull();
  expect(await collapse(copies[0]!)).toMatchObject({ into: 'user', collapsed: BUDGET + 20 });
});

test('beyond the budget, epochs replace the single revocations of the users with the most of them: their tokens stay rejected, memory is freed, other users keep their tokens', async () => {
  const crowd = [
    ...singles(60, { kind: 'jti', userId: 'u1', clientId: 'c1' }),
    ...singles(30, { kind: 'family', userId: 'u2', clientId: 'c1' }),
    ...singles(2, { kind: 'sid', userId: 'u2', clientId: null, seconds: 7 * 86_400 }),
    ...singles(10, { kind: 'jti', userId: 'u3', clientId: null }),
  ];
  await write(crowd);
  const results = await Promise.all(copies.map((copy) => collapse(copy)));
  expect(results.filter(Boolean)).toEqual([{ into: 'user', raised: 1, collapsed: 60 }]);
  await readAll();
  for (const { revocations } of copies) {
    expect(revocations.state().entries).toBe(crowd.length - 60 + 1);
    // Issued after the epoch was raised.
    expect(revocations.check(tokenOf({ kind: 'jti', value: 'new', userId: 'u1', clientId: 'c1' }, 1))).toBeNull();
    expect(revocations.check(tokenOf({ kind: 'jti', value: 'other', userId: 'u4', clientId: 'c1' }))).toBeNull();
  }
  expect(allRefused(crowd)).toBe(true);
  expect(await copies[0]!.sql.query(auditRows)).toEqual([{ outcome: 'user', collapsed: '60' }]);

  // A copy that starts now has never read the single revocations.
  const late = openStateCopy({
    databaseUrl: database.url,
    redisUrl: testRedisUrl(),
    marks: createFileMarks(dataDir),
    budget: BUDGET,
    stalenessBoundMs: 60_000,
  });
  copies.push(late);
  await late.poll.ready();
  expect(allRefused(crowd)).toBe(true);
});

test('an epoch that replaces the revocation of a session is kept for as long as the session could have lived', async () => {
  const sessions = singles(101, { kind: 'sid', userId: 'u1', clientId: null, seconds: 7 * 86_400 });
  await write(sessions);
  expect(await collapse(copies[1]!)).toMatchObject({ into: 'user', collapsed: 101 });
  await readAll();
  expect(await copies[0]!.sql.query(cutRows)).toEqual([{ kind: 'user', value: 'u1', tokenEpoch: 1, isLong: true }]);
  expect(copies.map(({ revocations }) => revocations.userEpoch('u1'))).toEqual([1, 1]);
  expect(allRefused(sessions)).toBe(true);
});

test('single revocations of client-credentials tokens are replaced by an epoch of their client', async () => {
  const own = singles(120, { kind: 'jti', userId: null, clientId: 'c1' });
  await write(own);
  expect(await collapse(copies[0]!)).toEqual({ into: 'client', raised: 1, collapsed: 120 });
  await readAll();
  expect(allRefused(own)).toBe(true);
  for (const { revocations } of copies) {
    expect(revocations.state().entries).toBe(1);
    expect(revocations.check(tokenOf({ kind: 'jti', value: 'x', userId: null, clientId: 'c2' }))).toBeNull();
  }
});

test('many users with one revocation each keep them beyond the budget; only beyond twice the budget the epoch of every client is raised', async () => {
  const spread = Array.from(
    { length: 150 },
    (_, at): Single => ({ kind: 'jti', value: `j${at}`, userId: `u${at + 1}`, clientId: 'c1' }),
  );
  await write(spread);
  expect(await collapse(copies[0]!)).toBeNull();
  expect(allRefused(spread)).toBe(true);
  const more = Array.from(
    { length: 100 },
    (_, at): Single => ({ kind: 'family', value: `f${at}`, userId: `u${at + 200}`, clientId: 'c1' }),
  );
  await write(more);
  const result = await collapse(copies[0]!);
  expect(result).toMatchObject({ into: 'global', collapsed: 250 });
  await readAll();
  expect(allRefused([...spread, ...more])).toBe(true);
  expect(copies[0]!.revocations.check(tokenOf({ kind: 'jti', value: 'any', userId: 'u399', clientId: 'c2' }))).toBe(
    'revoked',
  );
  expect(copies[0]!.revocations.state().entries).toBe(result!.raised);
});

test('one ended session each of many users never raises the epoch of every client, which would free no memory', async () => {
  const ended = Array.from(
    { length: 250 },
    (_, at): Single => ({ kind: 'sid', value: `s${at}`, userId: `u${at + 1}`, clientId: null }),
  );
  await write(ended);
  expect(await collapse(copies[0]!)).toBeNull();
  expect(allRefused(ended)).toBe(true);
});

test('a token issued under the new epoch and then revoked keeps its own revocation', async () => {
  const crowd = singles(120, { kind: 'jti', userId: 'u1', clientId: null });
  await write(crowd);
  await collapse(copies[0]!);
  const later: Single = { kind: 'jti', value: 'born-after', userId: 'u1', clientId: null };
  await write([later]);
  for (const { revocations } of copies) expect(revocations.check(tokenOf(later, 1))).toBe('revoked');
});
