// About: services/wings/import/run/
// One file, imported by two operators at once, whose processes are ended by kill -9 while they write a chosen row.
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { vkeyOf } from '#services/core/audit/log/note.ts';
import { sealEvents } from '#services/core/audit/seal/seal-events.ts';
import { readLogKeys } from '#services/core/keys/log/log-keys.ts';
import { testFolder } from '#tools/testing/test-folder.ts';
import { eventually } from '../../tools/testing/eventually.ts';
import { type OwnLogHarness, openLogHarness, TEST_ORIGIN } from '../../tools/testing/harness/log.ts';
import { testCaller } from '../../tools/testing/harness/ports.ts';
import { sessionsEnded } from '../../tools/testing/processes/killable.ts';
import { runCli, startCli } from '../../tools/testing/processes/run-cli.ts';

/** The name of the command line's sessions in the database. */
const NAME = 'sallyport-cli';
/** What a process writes in one transaction. */
const BATCH = 1_000;
const SEED = 49;
/** Ids as their source writes them, and the answer to each; they come every 200 records. */
const IDS: readonly (readonly [literal: string, answer: string])[] = [
  ['9007199254740993', 'kept: 9007199254740993'],
  ['9007199254740992', 'kept: 9007199254740992'],
  ['9.007199254740993e15', 'id_not_exact'],
  ['-0', 'id_not_exact'],
  ['"-0"', 'kept: -0'],
  ['0', 'kept: 0'],
  ['1e400', 'id_not_exact'],
  ['null', 'id_missing'],
  ['"null"', 'kept: null'],
  ['12345678901234567890', 'kept: 12345678901234567890'],
  ['12345678901234567891', 'kept: 12345678901234567891'],
  // The first id again, in another batch: one person, and the second record of that person.
  ['"9007199254740993"', 'id_duplicate'],
];
const EVERY = 200;
const RECORDS = (IDS.length - 1) * EVERY + 100;
const REJECTED = IDS.filter(([, answer]) => !answer.startsWith('kept')).length;
const idOf = (at: number): string => (at % EVERY === 0 ? (IDS[at / EVERY]?.[0] as string) : `"f${at}"`);
const TEXT = Array.from(
  { length: RECORDS },
  (_, at) => `{"legacy_id":${idOf(at)},"email":"u${at}@killed.example"}\n`,
).join('');

let harness: OwnLogHarness;
const folder = testFolder();
const path = join(folder, 'users.ndjson');
beforeAll(async () => {
  harness = await openLogHarness();
  await writeFile(path, TEXT);
});
afterAll(() => harness?.end());

const env = (): Record<string, string> => ({
  DATABASE_URL: harness.databaseUrl,
  SALLYPORT_DATA_DIR: harness.dataDir,
  KEY_ENCRYPTION_KEY: Buffer.alloc(32, 7).toString('base64'),
  BETTER_AUTH_SECRET: 'an-auth-secret-of-more-than-thirty-two-characters',
});
const args = () => ['import', 'ndjson', path, '--yes', '--reason', 'we move', '--json'];

/** Numbers of a seed (Lehmer): the same rows at every run. */
function chosen(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 48_271) % 2_147_483_647;
    return state % below;
  };
}

/**
 * Starts two operators, and kills some of them while one writes this record: its address is taken by a transaction that
 * has not ended, and the other operator waits for the first. @returns the exit code of each; null: killed
 */
async function killAt(record: number, victims: readonly number[]): Promise<(number | null)[]> {
  const holder = new pg.Client({ connectionString: harness.databaseUrl });
  await holder.connect();
  await holder.query('BEGIN');
  await holder.query(`INSERT INTO users (id, email) VALUES ('holder', $1)`, [`u${record}@killed.example`]);
  const operators = [0, 1].map(() => startCli(args(), env()));
  const ends = operators.map(async (child) => {
    child.stdout.resume();
    child.stderr.resume();
    const [code] = (await once(child, 'exit')) as [number | null];
    return code;
  });
  const waiting = `SELECT count(*)::int AS n FROM pg_stat_activity
    WHERE application_name = '${NAME}' AND datname = current_database() AND wait_event_type = 'Lock'`;
  await eventually(`both operators at record ${record}`, async () => {
    const [row] = await harness.raw<{ n: number }>(waiting);
    // One that the other has overtaken has ended.
    return row !== undefined && row.n > 0 && row.n + operators.filter(({ exitCode }) => exitCode !== null).length === 2;
  });
  for (const victim of victims) operators[victim]?.kill('SIGKILL');
  await Promise.all(victims.map((victim) => ends[victim]));
  await holder.query('ROLLBACK');
  await holder.end();
  const codes = await Promise.all(ends);
  await sessionsEnded(harness.databaseUrl, NAME);
  return codes;
}

const usersOf = `SELECT count(*)::int AS users, count(DISTINCT l.legacy_id)::int AS ids, (SELECT max(position)::int FROM imports) AS position
  FROM users u JOIN legacy_users l ON l.user_id = u.id`;
const acceptedBefore = (record: number): number =>
  record - IDS.filter(([, answer], at) => at * EVERY < record && !answer.startsWith('kept')).length;

test('two operators killed at a row leave whole batches, and the next ones end with every person once and a true certificate', async () => {
  const next = chosen(SEED);
  // Never the row of an id that is rejected.
  const rowIn = (batch: number): number => batch * BATCH + 1 + next(EVERY - 1);
  for (const batch of [0, 1]) {
    expect(await killAt(rowIn(batch), [0, 1])).toContain(null);
    const users = acceptedBefore(batch * BATCH);
    expect(await harness.raw(usersOf)).toEqual([{ users, ids: users, position: batch * BATCH }]);
  }
  // One dies, and the other goes on or was overtaken before.
  await killAt(rowIn(2), [next(2)]);

  const sallyport = async (words: readonly string[]) => {
    const { code, out, err } = await runCli(words, env());
    expect([0, 1], err).toContain(code);
    return JSON.parse(out.trim().split('\n').at(-1) ?? '');
  };
  for (const _ of [1, 2]) expect(await sallyport(args())).toMatchObject({ changed: 0, rejected: REJECTED });
  const users = RECORDS - REJECTED;
  expect(await harness.raw(usersOf)).toEqual([{ users, ids: users, position: RECORDS }]);
  const emails = IDS.map((_, at) => `u${at * EVERY}@killed.example`);
  const kept = await harness.raw<{ email: string; legacy_id: string }>`SELECT u.email, l.legacy_id
    FROM users u JOIN legacy_users l ON l.user_id = u.id WHERE u.email = ANY (${emails})`;
  const imports = await harness.raw<{
    id: string;
    users_sha256: string;
    state: string;
    new_count: number;
  }>`SELECT id, state, users_sha256, new_count::int FROM imports ORDER BY created_at`;
  const [first] = imports;
  if (first === undefined) throw new Error('no import');
  const rejects = await harness.raw<{ record: number; reason: string }>`SELECT record::int, reason FROM import_rejects
    WHERE import_id = ${first.id}`;
  const answers = IDS.map((_, at) => {
    const user = kept.find(({ email }) => email === emails[at]);
    const reject = rejects.find(({ record }) => record === at * EVERY + 1);
    return user ? `kept: ${user.legacy_id}` : reject?.reason;
  });
  expect(answers).toEqual(IDS.map(([, answer]) => answer));
  expect(rejects).toHaveLength(REJECTED);
  // The run that was killed again and again is the one that ended; every later one found all people here.
  expect(imports.map(({ state, new_count: created }) => [state, created])).toEqual(
    imports.map((_, at) => ['done', at === 0 ? users : 0]),
  );
  expect(new Set(imports.map(({ users_sha256: digest }) => digest)).size).toBe(1);

  await sealEvents(harness, {}, testCaller);
  const file = join(folder, 'certificate.json');
  await sallyport(['import', 'certificate', first.id, file, '--yes', '--json']);
  const vkeys = (await readLogKeys(harness, TEST_ORIGIN)).map(vkeyOf);
  expect(await sallyport(['import', 'verify', file, '--vkey', ...vkeys, '--json'])).toMatchObject({
    ...{ valid: true, pinned: true, faults: [] },
    statement: {
      import_id: first.id,
      records: RECORDS,
      counts: { new: users, changed: 0, same: 0, linked: 0, rejected: REJECTED, factors_lost: 0 },
      reject_reasons: { id_duplicate: 1, id_missing: 1, id_not_exact: 3 },
      users_sha256: first.users_sha256,
    },
  });
});
