import { beforeAll, beforeEach, expect, test } from 'vitest';
import { defineStatement } from '#services/platform/define/statement.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { openTestPorts } from '#tools/testing/harness/stores.ts';
import { opened } from '#tools/testing/opened.ts';
import { outcomeOfCall } from '#tools/testing/outcome.ts';
import { FIRST_PARTY_CLIENT_ID } from '../authority/callers.ts';
import type { Sql } from '../ports.ts';
import { type AccessDirectory, createAccessDirectory } from './access-directory.ts';
import { clientCaller } from './client-caller.ts';

const BOUND_MS = 2_000;

const ports = opened(() => openTestPorts());
let incarnation: string;
let nowMs = 0;
let isTableLocked = false;
let directory: AccessDirectory;

beforeAll(async () => {
  [{ incarnation }] = (await ports.raw`SELECT incarnation FROM feed_state`) as [{ incarnation: string }];
});
beforeEach(async () => {
  nowMs = 1_000_000;
  isTableLocked = false;
  const clock = { now: () => ports.clock.now(), monotonic: () => nowMs };
  const sql: Sql = {
    query: (statement, values) =>
      isTableLocked && statement.name === 'applicationsRead'
        ? Promise.reject(new Error('canceling statement due to lock timeout'))
        : ports.sql.query(statement, values),
  };
  directory = createAccessDirectory({ sql, clock }, { stalenessBoundMs: BOUND_MS });
  await directory.load();
});

const version = async (): Promise<number> =>
  (await ports.raw<{ v: number }>`SELECT access_version AS v FROM feed_state`)[0]!.v;
const change = () => ports.raw`UPDATE roles SET description = description || '.' WHERE name = 'user'`;
/** What the state poll reports of its answer. */
const poll = async (changes: { incarnation?: string } = {}): Promise<void> =>
  directory.confirm({ incarnation, accessVersion: await version(), sentAtMs: nowMs, ...changes });

test('a directory that was loaded is fresh for the bound without any poll, and not longer', () => {
  nowMs += BOUND_MS;
  expect([directory.isFresh(), directory.ageMs()]).toEqual([true, BOUND_MS]);
  nowMs += 1;
  expect(directory.isFresh()).toBe(false);
});

test('a directory that does not change stays fresh by polls alone', async () => {
  for (let hour = 0; hour < 3; hour += 1) {
    nowMs += 3_600_000;
    await poll();
    expect(directory.isFresh()).toBe(true);
  }
});

test('past the bound every decision throws directory_stale, and what is published does not change', () => {
  const published = directory.publishedScopes();
  nowMs += BOUND_MS + 1;
  const decisions: Record<string, () => unknown> = {
    client: () => directory.client(FIRST_PARTY_CLIENT_ID),
    unknownClient: () => directory.client('unknown'),
    secret: () => clientCaller(directory, 'unknown', 'secret', testCaller.request),
    permissionsOf: () => directory.permissionsOf(['admin']),
    permissions: () => directory.permissions(),
    roles: () => directory.roles(),
    application: () => directory.application('https://notes.example'),
    applications: () => directory.applications(),
  };
  for (const [name, decide] of Object.entries(decisions))
    expect([name, outcomeOfCall(decide)]).toEqual([name, 'directory_stale']);
  expect(published).toContain('openid');
  expect(directory.publishedScopes()).toEqual(published);
});

test('a change that cannot be read ages the directory from the last poll before it, until it is read', async () => {
  nowMs += 500;
  await poll();
  await change();
  isTableLocked = true;
  for (let at = 0; at < 8; at += 1) {
    nowMs += 250;
    await poll();
    await expect(directory.load()).rejects.toThrow('lock timeout');
    expect([at, directory.isFresh()]).toEqual([at, true]);
  }
  nowMs += 250;
  await poll();
  expect(directory.isFresh()).toBe(false);
  isTableLocked = false;
  await directory.load();
  expect([directory.isFresh(), directory.ageMs()]).toEqual([true, 0]);
});

test('a poll of another incarnation of the database confirms nothing, whatever its version', async () => {
  nowMs += 500;
  await poll({ incarnation: '00000000-0000-4000-8000-000000000000' });
  expect(directory.ageMs()).toBe(500);
});

test('what a transaction reads and rolls back confirms nothing: another change may get its version', async () => {
  await ports
    .transact(async (tx) => {
      await tx.query(defineStatement('')`UPDATE roles SET description = 'mine' WHERE name = 'user'`);
      const counted = defineStatement('')`SELECT access_version AS v FROM feed_state`;
      const [state] = await tx.query<{ v: number }>(counted);
      await directory.atLeast(state!.v, tx);
      throw new Error('rolled back');
    })
    .catch(() => {});
  await change();
  nowMs += 500;
  await poll();
  expect(directory.ageMs()).toBe(500);
});
