// About: services/migrate/ prisma/releases.json
// The part of the rehearsal (`npm run rehearse`) that every test run makes: the real code of the release before serves on
// the schema and data of this version, beside it, under load, through a rollback and the upgrade after it. Before the first
// release is recorded, it is this version that serves on the schema of a next one.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, type TestContext, test } from 'vitest';
import { version } from '#observability/version.ts';
import { rollBack } from '#services/migrate/roll-back.ts';
import { randomFreePort } from '#services/platform/local/ports.ts';
import { migrate } from '#services/platform/postgres/migrate.ts';
import { readMigrations, readReleases } from '#services/platform/postgres/migration-files.ts';
import { API_URL, type ApiCopy, type ApiHarness, openApiHarness } from '#tools/testing/harness/api.ts';
import { patient } from '#tools/testing/harness/busy-machine.ts';
import { queryRows, testCaller } from '#tools/testing/harness/ports.ts';
import { type Children, createChildren, eventually, startRole } from '../stack/children.ts';
import { startMcp } from './rehearsal.ts';
import { exchange } from './rehearsal-exchange.ts';
import { createAsking, type LiveCopy, startLoad } from './rehearsal-load.ts';
import { permissionsOf } from './rehearsal-wings.ts';
import { commitIn, isFirstRelease, NoReleaseCode, releaseBefore, releaseCode } from './release-code.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const releases = await readReleases();
const before = isFirstRelease(releases, version) ? undefined : releaseBefore(releases, version);
const OLD = before?.version ?? 'this version';
/** Folders of migrations that the code of the release before does not know, besides those of this version. */
const next = before ? [] : [join(ROOT, 'tools/testing/fixtures/next-release')];

let harness: ApiHarness;
let copy: ApiCopy;
let children: Children;
let dataDir: string;
/** Why the code of the release before cannot be had here; undefined if it can. */
let missing: string | undefined;
let old: LiveCopy;
let now: LiveCopy;

const settings = (): Record<string, string> => ({
  ...{ DATABASE_URL: harness.databaseUrl, REDIS_URL: harness.redisUrl, BETTER_AUTH_SECRET: harness.authSecret },
  ...{ BETTER_AUTH_URL: API_URL, SALLYPORT_DATA_DIR: dataDir, RATE_LIMIT_PROFILE: 'load', LOG_LEVEL: 'warn' },
  ...patient,
});

async function startOld(code: string): Promise<LiveCopy> {
  const [port, metrics] = await Promise.all([randomFreePort(), randomFreePort()]);
  const env = {
    ...{ ...settings(), PORT: String(port), METRICS_PORT: String(metrics), HASHER_CHILDREN: '1', HASH_QUEUE: '16' },
    // Its own cheap hashes, which both verify.
    NODE_OPTIONS: `--import=${pathToFileURL(join(code, 'tools/testing/processes/cheap-bcrypt.ts')).href}`,
  };
  const child = startRole(children, `api ${OLD}`, 'api', env, code);
  const url = `http://127.0.0.1:${port}`;
  await eventually(`${OLD} to be ready`, () => fetch(`${url}/readyz`).then(({ ok }) => ok), child);
  const { mcp } = await startMcp(children, { version: OLD, code }, settings());
  return { version: OLD, url, mcp };
}

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'sallyport-rehearsal-'));
  children = createChildren(() => undefined);
  try {
    const code = before ? await releaseCode(before.commit, () => {}) : ROOT;
    harness = await openApiHarness();
    await migrate(harness.databaseUrl, () => {}, next);
    copy = await harness.startCopy();
    const { mcp } = await startMcp(children, { version, code: ROOT }, settings());
    now = { version, url: copy.url, mcp };
    old = await startOld(code);
  } catch (err) {
    if (!(err instanceof NoReleaseCode)) throw err;
    missing = err.message;
  }
});
afterAll(async () => {
  await children?.stop();
  await harness?.close();
  await rm(dataDir, { recursive: true, force: true });
});

const skipWithoutCode = ({ skip }: TestContext): void => void (missing !== undefined && skip(missing));

test('the release before reads what this version wrote, and this one what it wrote, under load, down and up again: nothing is refused', async (context) => {
  skipWithoutCode(context);
  const asking = createAsking();
  const client = await harness.newClient(['tokens:revoke']);
  const load = startLoad(asking, [old, now], client, 3);
  const url = harness.databaseUrl;
  try {
    await load.more(10);
    const options = { origin: API_URL, admin: await harness.newClient(await permissionsOf(url)) };
    const kept = (await exchange(asking, now, old, options)).kept;
    await exchange(asking, old, now, options);
    await load.more(20);
    const migrations = await readMigrations(next);
    const rolled = await rollBack(
      { databaseUrl: url, version: before?.version ?? version, releases, migrations, command: 'test', say: () => {} },
      testCaller,
    );
    expect(rolled.reverted.length).toBeGreaterThan(0);
    await load.more(20);
    const written = await asking.signUp(old);
    expect(await migrate(url, () => {}, next)).toEqual([...rolled.reverted].reverse());
    await load.more(20);
    for (const at of [old, now])
      for (const person of [kept, written]) {
        await asking.session(at, person);
        await asking.validate(at, person.access);
        await asking.refresh(at, person);
      }
  } finally {
    await load.stop();
  }
  const { seen } = asking;
  expect(seen.failures).toEqual([]);
  expect(seen.refreshes).toBeGreaterThanOrEqual(70);
  expect(seen.signUps).toBeGreaterThan(8);
});

test('the same load notices a migration that renames a column which the release before uses', async (context) => {
  skipWithoutCode(context);
  const asking = createAsking();
  const load = startLoad(asking, [old], await harness.newClient(['tokens:revoke']), 2);
  await load.more(4);
  expect(asking.seen.failures).toEqual([]);
  await queryRows(harness.databaseUrl)`ALTER TABLE refresh_families RENAME generation TO turn`;
  await load.more(1_000_000);
  await queryRows(harness.databaseUrl)`ALTER TABLE refresh_families RENAME turn TO generation`;
  await load.stop();
  expect(asking.seen.failures.join('\n')).toMatch(new RegExp(`^${OLD}: POST /v1/tokens/refresh: 5\\d\\d`, 'm'));
});

test('a clone without the commit is told apart from one without git, and each says what to do', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-no-clone-'));
  const unknown = 'f'.repeat(40);
  try {
    await expect(commitIn(folder, unknown)).rejects.toThrow(`${folder} is no git clone, so commit ${unknown}`);
    await expect(commitIn(ROOT, unknown)).rejects.toThrow(
      /is not in this (shallow clone: git fetch --unshallow|clone: git fetch)/,
    );
    await expect(commitIn(ROOT, unknown)).rejects.toBeInstanceOf(NoReleaseCode);
  } finally {
    await rm(folder, { recursive: true });
  }
});
