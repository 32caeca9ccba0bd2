// About: services/migrate/
// The rehearsal of an upgrade: two copies of this version serve while the schema goes to that of a next release, back, and
// there again, with rows that the next release wrote. Users notice nothing.
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { rollBack } from '#services/migrate/roll-back.ts';
import { migrate } from '#services/platform/postgres/migrate.ts';
import { readMigrations } from '#services/platform/postgres/migration-files.ts';
import { newSignedIn } from '#tools/testing/flows/signed-in.ts';
import { type ApiCopy, type ApiHarness, openApiHarness } from '#tools/testing/harness/api.ts';
import { queryRows, testCaller } from '#tools/testing/harness/ports.ts';
import { send } from '#tools/testing/http-client.ts';

const NEXT = fileURLToPath(new URL('../../../tools/testing/fixtures/next-release', import.meta.url));

let harness: ApiHarness;
let copies: readonly ApiCopy[];
/** The load of a test that failed ends before its copies do. */
let isOver = false;
let loading: Promise<unknown> | undefined;
beforeAll(async () => {
  harness = await openApiHarness();
  copies = await Promise.all([harness.startCopy({ hashes: false }), harness.startCopy({ hashes: false })]);
});
afterAll(async () => {
  isOver = true;
  await loading;
  await harness?.close();
});

type Tally = { tokens: number; refreshes: number; sessions: number; signIns: number; refused: string[] };

/** Clients that use both copies by turns until they are told to stop; one of them signs users in. */
function startLoad(clients: number) {
  const tally: Tally = { tokens: 0, refreshes: 0, sessions: 0, signIns: 0, refused: [] };
  let isStopping = false;
  const refuse = (what: string, { status, body }: { status: number; body: unknown }): void =>
    void tally.refused.push(`${what}: ${status} ${JSON.stringify(body).slice(0, 200)}`);
  async function client(at: number): Promise<void> {
    let user = await newSignedIn(copies[at % 2]!);
    for (let turn = at; !isStopping && !isOver; turn += 1) {
      const { url } = copies[turn % 2]!;
      const validated = await send(url, 'POST', '/v1/tokens/validate', { json: { token: user.tokens.access_token } });
      if (validated.status === 200 && validated.body.active) tally.tokens += 1;
      else refuse('validate', validated);
      const session = await send(url, 'GET', '/api/auth/session', { headers: { cookie: user.cookie } });
      if (session.status === 200) tally.sessions += 1;
      else refuse('session', session);
      const json = { refresh_token: user.tokens.refresh_token };
      const refreshed = await send(url, 'POST', '/v1/tokens/refresh', { json });
      if (refreshed.status === 200) {
        tally.refreshes += 1;
        user = { ...user, tokens: refreshed.body };
      } else refuse('refresh', refreshed);
      if (at === 0) {
        await newSignedIn(copies[turn % 2]!).then(
          () => (tally.signIns += 1),
          (err: Error) => tally.refused.push(`sign-in: ${err.message}`),
        );
      }
      await sleep(10);
    }
  }
  const running = Promise.all(Array.from({ length: clients }, (_, at) => client(at)));
  loading = running;
  return {
    tally,
    /** Waits until this many more refreshes were made. */
    more: async (count: number): Promise<void> => {
      const until = tally.refreshes + tally.refused.length + count;
      while (tally.refreshes + tally.refused.length < until) await sleep(10);
    },
    stop: async (): Promise<Tally> => {
      isStopping = true;
      await running;
      return tally;
    },
  };
}

/** How much of the next release's schema is there. */
const ofNextRelease = async (): Promise<number> =>
  (
    await queryRows(harness.databaseUrl)`
      SELECT 1 FROM information_schema.columns WHERE column_name = 'device_kind' OR table_name = 'devices'
      UNION ALL SELECT 1 FROM pg_class WHERE relname = 'sessions_device'`
  ).length;

/** A process of the next release that was left running writes until its columns are gone. */
async function writeUntilTaken(sessionId: string): Promise<{ written: number; code: unknown }> {
  const db = new pg.Client({ connectionString: harness.databaseUrl });
  await db.connect();
  let written = 0;
  try {
    for (; !isOver; written += 1) {
      await db.query(`UPDATE sessions SET device = 'phone' WHERE id = $1`, [sessionId]);
      await db.query('INSERT INTO devices (session_id) VALUES ($1)', [`next-${written}`]);
    }
    return { written, code: undefined };
  } catch (err) {
    return { written, code: (err as { code?: string }).code };
  } finally {
    await db.end();
  }
}

test('up, down and up again under load: no valid token is refused, no session ends, no request fails', async () => {
  const url = harness.databaseUrl;
  const migrations = await readMigrations([NEXT]);
  const last = (await readMigrations()).at(-1)!.name;
  const before = await newSignedIn(copies[0]!);
  const load = startLoad(4);
  const up = () => migrate(url, () => {}, [NEXT]);
  const writtenByNext = async (): Promise<void> => {
    await queryRows(url)`UPDATE sessions SET device = 'phone'`;
    await queryRows(url)`UPDATE refresh_families SET device_kind = 'phone' WHERE revoked_at IS NULL`;
  };
  await load.more(20);
  expect(await up()).toEqual(['20990101000000_devices', '20990101000100_devices_index']);
  await load.more(20);
  await writtenByNext();
  await load.more(20);
  expect(await ofNextRelease()).toBeGreaterThan(2);
  expect(await queryRows(url)`SELECT 1 FROM devices LIMIT 1`).toHaveLength(1);
  const writing = writeUntilTaken(before.sessionId);
  await load.more(10);
  const rolled = await rollBack(
    {
      databaseUrl: url,
      version: '1.0.0',
      releases: [{ version: '1.0.0', migration: last }],
      migrations,
      command: 'test',
      say: () => {},
    },
    testCaller,
  );
  expect(rolled.reverted).toEqual(['20990101000100_devices_index', '20990101000000_devices']);
  expect(await ofNextRelease()).toBe(0);
  // Undefined column or table: what the next release writes is taken or refused, and never half there.
  const { written, code } = await writing;
  expect(written).toBeGreaterThan(5);
  expect(['42703', '42P01']).toContain(code);
  await load.more(20);
  await up();
  await writtenByNext();
  await load.more(20);
  const tally = await load.stop();
  expect(tally.refused).toEqual([]);
  for (const count of [tally.tokens, tally.refreshes, tally.sessions]) expect(count).toBeGreaterThanOrEqual(100);
  expect(tally.signIns).toBeGreaterThan(5);
  for (const copy of copies) {
    const json = { token: before.tokens.access_token };
    expect((await send(copy.url, 'POST', '/v1/tokens/validate', { json })).body).toMatchObject({ active: true });
  }
  const refreshed = await send(copies[1]!.url, 'POST', '/v1/tokens/refresh', {
    json: { refresh_token: before.tokens.refresh_token },
  });
  expect(refreshed.status).toBe(200);
});

test('the same load notices a migration that renames a column which this version uses', async () => {
  const load = startLoad(2);
  await load.more(4);
  await queryRows(harness.databaseUrl)`ALTER TABLE refresh_families RENAME generation TO turn`;
  await load.more(4);
  await queryRows(harness.databaseUrl)`ALTER TABLE refresh_families RENAME turn TO generation`;
  expect((await load.stop()).refused.join('\n')).toMatch(/refresh: 5\d\d/);
});
