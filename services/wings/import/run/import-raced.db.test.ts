import { expect, test } from 'vitest';
import { isAppError } from '#services/platform/define/error.ts';
import { createPatientPool, createTestPorts, testCaller } from '#tools/testing/harness/ports.ts';
import { opened } from '#tools/testing/opened.ts';
import { dieOfPool, type KillPoint } from '#tools/testing/processes/kill-points.ts';
import { inPatience, sessionsEnded } from '#tools/testing/processes/killable.ts';
import { ndjsonAdapter } from '../adapters/generic.ts';
import { importMap } from '../import-shapes.ts';
import { sha256Of } from './check-user.ts';
import { HASH, type ImportHarness, openImportHarness } from './import-harness.ts';
import { type ImportPorts, runImport } from './run-import.ts';
import { startImport } from './start-import.ts';

const raced = opened(openImportHarness);
const clean = opened(openImportHarness);

/** Ids as their source writes them; two of them are one number, and no two users may become one. */
const IDS = [
  ...['9007199254740993', '"9007199254740993"', '9007199254740992', '9.007199254740993e15', '-0', '0', '"-0"'],
  ...['1e400', 'null', '"null"', '12345678901234567890', '12345678901234567891'],
];
const TEXT = IDS.map(
  (id, at) =>
    `{"legacy_id":${id},"email":"u${at}@example.com","password_hash":"${HASH}","accounts":[{"provider":"google","subject":"g${at}"}]}\n`,
).join('');
const BATCH_RECORDS = 2;
const SEED = 49;
const ROUNDS = 8;
/** Of a run from its beginning to its end. */
const STATEMENTS_MAX = 60;

async function importAll(ports: ImportPorts): Promise<void> {
  const map = importMap.parse({});
  const bytes = Buffer.from(TEXT);
  const source = { kind: 'ndjson', map, sourceSha256: sha256Of(TEXT), sourceBytes: bytes.length, reason: 'raced' };
  const row = await startImport(ports, source, testCaller);
  async function* stream() {
    yield bytes;
  }
  const input = { row, adapter: ndjsonAdapter, map, stream: stream(), batchRecords: BATCH_RECORDS };
  await runImport(ports, input, testCaller);
}

/** An operator's process, on connections of its own; all of them die at this point. */
async function operator(name: string, point: KillPoint): Promise<string> {
  const url = raced.ports.databaseUrl;
  const pool = createPatientPool({ url, connections: 4, applicationName: name });
  const { death } = dieOfPool(pool, point);
  const own = createTestPorts(url, { pool });
  const done = importAll({ ...raced.ports, ...own }).then(
    () => 'done',
    (err: unknown) => {
      if (isAppError(err)) return err.code;
      throw err;
    },
  );
  const ended = await inPatience(name, Promise.race([done, death.then(() => 'killed')]));
  if (ended === 'killed') await sessionsEnded(url, name);
  else await own.end();
  return ended;
}

/** What the first run of the file left: users with all they have, the run with its rejects, and its events. */
async function leftIn({ rows }: ImportHarness): Promise<object> {
  const users = await rows(
    `SELECT u.id = l.legacy_id AS kept, u.email, l.legacy_id,
       (SELECT json_agg(json_build_array(a."providerId", nullif(a."accountId", u.id), a.password) ORDER BY a."providerId")
        FROM accounts a WHERE a."userId" = u.id) AS accounts
     FROM users u LEFT JOIN legacy_users l ON l.user_id = u.id ORDER BY u.email`,
  );
  const [run] = await rows(
    `SELECT id, state, position, new_count, changed_count, same_count, linked_count, rejected_count, hash_formats,
       reject_reasons, users_sha256 FROM imports ORDER BY created_at LIMIT 1`,
  );
  const { id, ...counts } = run ?? {};
  const rejects = await rows('SELECT record, line, reason, value FROM import_rejects WHERE import_id = $1', [id]);
  const events = await rows(
    `SELECT type, detail->'position' AS position, count(*) FROM audit_outbox
     WHERE target_id = $1 AND type <> 'import.started' GROUP BY 1, 2 ORDER BY 1, 2`,
    [id],
  );
  return { users, counts, rejects, events };
}

/** Numbers of a seed (Lehmer): the same points at every run. */
function chosen(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 48_271) % 2_147_483_647;
    return state % below;
  };
}

test('an import by two operators at once, killed again and again, leaves what one clean import leaves', async () => {
  await importAll(clean.ports);
  const next = chosen(SEED);
  const point = (): KillPoint => ({ statement: 1 + next(STATEMENTS_MAX), moment: next(2) === 0 ? 'before' : 'after' });
  const ends: string[] = [];
  for (let round = 0; round < ROUNDS; round += 1)
    ends.push(...(await Promise.all([operator(`one-${round}`, point()), operator(`two-${round}`, point())])));
  await importAll(raced.ports);
  expect(ends).toContain('killed');
  expect(ends.filter((end) => !['done', 'killed', 'import_overtaken'].includes(end))).toEqual([]);

  const expected = await leftIn(clean);
  expect(await leftIn(raced)).toEqual(expected);
  const later = `SELECT 1 FROM imports WHERE state <> 'done' OR (new_count + changed_count > 0 AND created_at > (SELECT min(created_at) FROM imports))`;
  expect(await raced.rows(later)).toEqual([]);
  expect(expected).toMatchObject({
    users: [
      { email: 'u0@example.com', legacy_id: '9007199254740993' },
      { email: 'u10@example.com', legacy_id: '12345678901234567890' },
      { email: 'u11@example.com', legacy_id: '12345678901234567891' },
      { email: 'u2@example.com', legacy_id: '9007199254740992' },
      { email: 'u5@example.com', legacy_id: '0' },
      { email: 'u6@example.com', legacy_id: '-0' },
      { email: 'u9@example.com', legacy_id: 'null' },
    ],
    counts: { state: 'done', position: IDS.length, new_count: 7, rejected_count: 5 },
    rejects: [
      { record: 2, reason: 'id_duplicate' },
      { record: 4, reason: 'id_not_exact' },
      { record: 5, reason: 'id_not_exact' },
      { record: 8, reason: 'id_not_exact' },
      { record: 9, reason: 'id_missing' },
    ],
  });
});
