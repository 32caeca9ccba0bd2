import { expect, test } from 'vitest';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { openTestPorts } from '#tools/testing/harness/stores.ts';
import { opened } from '#tools/testing/opened.ts';
import { executeRollback } from './execute-rollback.ts';
import { listReleases, maintainVersionHistory, type NewRelease } from './maintain-version-history.ts';

const ports = opened(openTestPorts);

const deploy = (version: string, build: string | null = null): NewRelease => ({
  kind: 'deploy',
  version,
  build,
  schema_version: '30_notes',
  started_by: 'test',
});
const events = (version: string) =>
  ports.raw`SELECT type, detail FROM audit_outbox
    WHERE target_kind = 'installation' AND target_id = ${version} ORDER BY id`;

test('each deploy has one row and one event, however many copies start at once and however often', async () => {
  const record = () => maintainVersionHistory(ports, deploy('1.0.0', 'abc'), testCaller);
  const added = await Promise.all([record(), record(), record()]);
  expect(added.filter(Boolean)).toHaveLength(1);
  expect(await record()).toBe(false);
  const rows = await listReleases(ports, { limit: 10 });
  expect(rows).toEqual([{ ...deploy('1.0.0', 'abc'), started_at: expect.any(Date) }]);
  const detail = { version: '1.0.0', build: 'abc', schema_version: '30_notes' };
  expect(await events('1.0.0')).toEqual([{ type: 'operations.release_deployed', detail }]);
});

test('another build of the same version is another deploy, and the newest comes first', async () => {
  expect(await maintainVersionHistory(ports, deploy('1.0.0', 'def'), testCaller)).toBe(true);
  const builds = (await listReleases(ports, { limit: 1 })).map(({ build }) => build);
  expect(builds).toEqual(['def']);
});

test('a row refuses a kind of its own and a version without end', async () => {
  const refused = (row: Partial<NewRelease>) =>
    expect(maintainVersionHistory(ports, { ...deploy('x'), ...row }, testCaller)).rejects.toMatchObject({
      code: '23514',
    });
  await refused({ kind: 'other' as 'deploy' });
  await refused({ version: 'x'.repeat(65) });
});

const releases = [
  { version: '2.0.0', migration: '10_users' },
  { version: '2.1.0', migration: '30_notes' },
];
const back = { sql: 'SELECT 1' };
const migrations = [
  { name: '10_users', phase: 'contract', down: { because: 'nothing was before it' } },
  { name: '20_column', phase: 'contract', down: back },
  { name: '30_notes', phase: 'contract', down: back },
] as const;

/** A schema that notes what is taken back, all or nothing, and ends at a migration. */
const schemaOf = (
  held: string[],
  fails: Record<string, Error> = {},
  holds: Record<string, string> = {},
): Parameters<typeof executeRollback>[0]['schema'] => ({
  applied: async () => [...held],
  holds: async (names) => names.flatMap((name) => holds[name] ?? []),
  whole: async (work) => {
    const before = [...held];
    try {
      return await work();
    } catch (err) {
      held.splice(0, held.length, ...before);
      throw err;
    }
  },
  revert: async (name) => {
    if (fails[name]) throw fails[name];
    held.splice(held.indexOf(name), 1);
  },
});
const rollBack = (schema: ReturnType<typeof schemaOf>, version = '2.0.0') =>
  executeRollback({ ...ports, schema }, { version, releases, migrations, started_by: 'test' }, testCaller);

test('a rollback that ended in between took nothing back; the same call then does, as one row and one event', async () => {
  const held = ['10_users', '20_column', '30_notes'];
  await expect(rollBack(schemaOf(held, { '20_column': new Error('killed') }))).rejects.toThrow('killed');
  expect(held).toHaveLength(3);
  expect(await events('2.0.0')).toEqual([]);
  const reverted = ['30_notes', '20_column'];
  expect(await rollBack(schemaOf(held))).toEqual({ version: '2.0.0', reverted, kept: [] });
  expect(await rollBack(schemaOf(held))).toEqual({ version: '2.0.0', reverted: [], kept: [] });
  expect(await events('2.0.0')).toMatchObject([
    { type: 'operations.release_rolled_back', detail: { schema_version: '10_users', reverted, kept: [] } },
  ]);
});

test('a refused rollback changes nothing, and says so with every reason', async () => {
  const held = ['10_users', '20_column', '30_notes'];
  await expect(rollBack(schemaOf(held), '9.9.9')).rejects.toMatchObject({
    code: 'rollback_incompatible',
    options: { detail: expect.stringMatching(/^no version 9\.9\.9 .*; nothing has changed$/) },
  });
  const holds = { '20_column': '2 columns would be lost', '30_notes': '7 notes would be lost' };
  await expect(rollBack(schemaOf(held, {}, holds))).rejects.toMatchObject({
    code: 'rollback_incompatible',
    options: { detail: '7 notes would be lost; 2 columns would be lost; nothing has changed' },
  });
  expect(held).toHaveLength(3);
});
