import { randomBytes, randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { untilDeadToAll } from '#services/core/shared/purge-harness.ts';
import { createFamilyCopy, type FamilyCopy, refreshSecrets } from '#tools/testing/fixtures/families.ts';
import { rowsOf } from '#tools/testing/harness/ports.ts';
import { createTestDatabase } from '#tools/testing/harness/stores.ts';
import { opened } from '#tools/testing/opened.ts';
import { refreshFamilyRotateBatch } from './refresh-families.store.ts';
import { mintRefreshToken, nonceHashOf, uuidToBytes } from './refresh-token-format.ts';

const FAMILIES = 100_000;
const incarnation = randomUUID();
const key = randomBytes(32);
const nonce = randomBytes(32);
let hot: pg.PoolClient;
const newCopy = (): FamilyCopy =>
  createFamilyCopy({ url: database.url, secrets: refreshSecrets(new Map([[1, key]]), () => 1), incarnation });

const database = opened(createTestDatabase);
const copy = opened(() => newCopy());
beforeAll(async () => {
  hot = await copy.hotPool.connect();
  // The test itself updates statistics.
  await copy.pool.query('ALTER TABLE refresh_families SET (autovacuum_enabled = false)');
});
afterAll(() => hot.release());

type PlanNode = { readonly 'Node Type': string; readonly 'Relation Name'?: string; readonly Plans?: PlanNode[] };

/** `scan of relation` for every node that reads a table. */
function scansOf(node: PlanNode): string[] {
  const own =
    node['Relation Name'] !== undefined && node['Node Type'].includes('Scan')
      ? [`${node['Node Type']} of ${node['Relation Name']}`]
      : [];
  return [...own, ...(node.Plans ?? []).flatMap(scansOf)];
}

/** The generic plan of the statement under the settings of the hot pool. */
async function scans(): Promise<string[]> {
  const { rows } = await hot.query(`EXPLAIN (GENERIC_PLAN, FORMAT JSON) ${refreshFamilyRotateBatch.text}`);
  return scansOf(rows[0]['QUERY PLAN'][0].Plan);
}
async function expectIndexScans(): Promise<void> {
  const found = await scans();
  for (const scan of found) expect(scan).toMatch(/^(Index Scan|Bitmap Heap Scan) of/);
  const tables = new Set(found.map((scan) => scan.split(' of ')[1]));
  expect(tables).toEqual(new Set(['refresh_families', 'users', 'oauth_clients', 'feed_state']));
}

const idOf = (index: number): string => `00000000-0000-7000-8000-${String(index).padStart(12, '0')}`;
const tokenOf = (index: number): string =>
  mintRefreshToken(key, incarnation, { kv: 1, familyBytes: uuidToBytes(idOf(index)), generation: 0, nonce }, '');

async function statisticsOf(): Promise<{ seq_scan: number; updates: number; hot: number }> {
  const [row] = await rowsOf(copy.pool)<{ seq_scan: number; updates: number; hot: number }>`
    SELECT seq_scan::int, n_tup_upd::int AS updates, n_tup_hot_upd::int AS hot FROM pg_stat_user_tables
    WHERE relname = 'refresh_families'`;
  return row!;
}

/** Runs the work on a separate copy and closes it, because connections report their statistics when they close. */
async function measured(updates: number, work: (copy: FamilyCopy) => Promise<void>) {
  const before = await statisticsOf();
  const own = newCopy();
  await work(own);
  await own.close();
  await expect.poll(async () => (await statisticsOf()).updates - before.updates, { timeout: 60_000 }).toBe(updates);
  const after = await statisticsOf();
  return { seqScans: after.seq_scan - before.seq_scan, hotRatio: (after.hot - before.hot) / updates };
}

async function insertMany(): Promise<void> {
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  await rowsOf(client)`INSERT INTO users (id, email) SELECT 'u' || i, i || '@example.test'
    FROM generate_series(1, 1000) i`;
  await rowsOf(client)`
    INSERT INTO refresh_families (id, idle_expires_at, expires_at, nonce_hash, kv, prev_kv, client_id, client_bound,
      sid, user_id,
      user_epoch, client_epoch, scope, audience, auth_time, device)
    SELECT ('00000000-0000-7000-8000-' || lpad(i::text, 12, '0'))::uuid, now() + interval '7 days',
      now() + interval '30 days',
      ${nonceHashOf(nonce)}, 1, 1, 'sallyport', false, 's' || i, 'u' || (1 + i % 1000), 0, 0,
        'openid profile email offline_access',
      'https://api.example.test', now(), '{"name":"a browser"}' FROM generate_series(1, ${FAMILIES}::int) i`;
  await client.end();
}

test('the rotation statement reads tables only by index: when empty, and at 100,000 families without and with statistics', async () => {
  await expectIndexScans();
  await insertMany();
  await expectIndexScans();
  const { seqScans } = await measured(128, async (own) => {
    await Promise.all(Array.from({ length: 128 }, (_, index) => own.refresh(tokenOf(70_000 + index * 200))));
  });
  expect(seqScans).toBe(0);
  await copy.pool.query('ANALYZE');
  await expectIndexScans();
});

test('at least 95 in 100 rotations across 100,000 families are HOT updates, so indexes do not grow with refreshes', async () => {
  // One family of every fifth page. A page has room for fewer versions than there are rounds. Each round finds the
  // versions of earlier rounds dead to every transaction, so other activity on the server does not keep their space.
  const rows = await rowsOf(copy.pool)<{ id: string }>`
    SELECT min(id::text) AS id FROM refresh_families WHERE generation = 0
    GROUP BY (ctid::text::point)[0] HAVING (ctid::text::point)[0]::int % 5 = 0`;
  const rounds = 6;
  expect(rows.length).toBeGreaterThan(500);
  const { hotRatio } = await measured(rounds * rows.length, async (own) => {
    let tokens = rows.map(({ id }) => tokenOf(Number(id.slice(-12))));
    for (let round = 0; round < rounds; round += 1) {
      await untilDeadToAll(rowsOf(copy.pool));
      tokens = await Promise.all(tokens.map(async (token) => (await own.refresh(token)).refresh_token));
    }
  });
  console.info(`HOT ratio ${hotRatio.toFixed(4)}`);
  expect(hotRatio).toBeGreaterThanOrEqual(0.95);
});
