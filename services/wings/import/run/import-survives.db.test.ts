import pg from 'pg';
import { describe, expect, test } from 'vitest';
import { isAppError } from '#services/platform/define/error.ts';
import { createPatientPool, createTestPorts, testCaller } from '#tools/testing/harness/ports.ts';
import { opened } from '#tools/testing/opened.ts';
import { type Held, userHeld, whileItWaits } from '#tools/testing/overtaken.ts';
import { dieOfPool, type KillPoint } from '#tools/testing/processes/kill-points.ts';
import { inPatience, sessionsEnded } from '#tools/testing/processes/killable.ts';
import { findAdapter } from '../adapters/adapters.ts';
import { ndjsonAdapter } from '../adapters/generic.ts';
import { importMap } from '../import-shapes.ts';
import { sha256Of } from './check-user.ts';
import { HASH, type ImportHarness, ndjson, OTHER_HASH, openImportHarness, RP_ID } from './import-harness.ts';
import { type ImportPorts, runImport } from './run-import.ts';
import { startImport } from './start-import.ts';

const harness = opened(openImportHarness);
const pool = opened(() => new pg.Pool({ connectionString: harness.ports.databaseUrl }));

describe('cut off from the database', () => {
  const ROLES = { roles: { boss: 'auditor' } };
  /** Users of every kind, whose ids and addresses begin with `at`: new, changed, joined, linked, the same, and rejected. */
  const earlier = (at: string) => [
    { legacy_id: `${at}-changed`, email: `${at}-changed@example.com`, email_verified: true, password_hash: HASH },
    { legacy_id: `${at}-same`, email: `${at}-same@example.com` },
  ];
  const later = (at: string) => [
    { legacy_id: `${at}-new`, email: `${at}-new@example.com`, password_hash: HASH, roles: ['boss'] },
    { legacy_id: `${at}-new`, email: `${at}-twice@example.com` },
    {
      legacy_id: `${at}-factors`,
      email: `${at}-factors@example.com`,
      totp_secret: 'JBSWY3DPEHPK3PXP',
      recovery_codes: ['aaaa-bbbb'],
      accounts: [{ provider: 'google', subject: at }],
      passkeys: [{ rp_id: RP_ID, credential_id: `${at}-key`, public_key: 'a2V5', counter: 0 }],
      metadata: { plan: 'gold' },
    },
    { ...earlier(at)[0], name: 'Changed', password_hash: OTHER_HASH, metadata: { plan: 'tin' } },
    { ...earlier(at)[1] },
    { legacy_id: `${at}-linked`, email: `${at}-linked@example.com`, email_verified: true },
    { legacy_id: `${at}-bad`, email: 'no address' },
    { legacy_id: `${at}-last`, email: `${at}-last@example.com`, disabled: true },
    // Another row of the user who changed, of a social account.
    {
      legacy_id: `${at}-joined`,
      email: `${at}-changed@example.com`,
      email_verified: true,
      accounts: [{ provider: 'github', subject: `${at}-joined` }],
    },
  ];

  /** Everything that an import of users `at` leaves, with nothing in it that differs from run to run. */
  async function leftBy(at: string): Promise<unknown> {
    const strip = (value: unknown): unknown => JSON.parse(JSON.stringify(value).replaceAll(at, 'AT'));
    const users = await harness.rows`
      SELECT u.id, u.email, u.name, u."emailVerified" IS NOT NULL AS verified, u."disabledAt" IS NOT NULL AS disabled,
        u.roles, u."tokenEpoch", u."twoFactorEnabled", m.metadata, l.legacy_id,
          l.password_set_at IS NOT NULL AS is_set,
        (SELECT json_agg(json_build_array(a."providerId", a."accountId", a.password) ORDER BY a."providerId")
         FROM accounts a WHERE a."userId" = u.id) AS accounts,
        (SELECT json_agg(t."codesLeft") FROM two_factors t WHERE t."userId" = u.id) AS factors,
        (SELECT json_agg(p."credentialID") FROM passkeys p WHERE p."userId" = u.id) AS passkeys
      FROM users u LEFT JOIN legacy_users l ON l.user_id = u.id LEFT JOIN user_metadata m ON m.user_id = u.id
      WHERE u.email LIKE ${`${at}-%`} ORDER BY u.email, l.legacy_id`;
    const [run] = await harness.rows`
      SELECT id, state, position, new_count, changed_count, same_count, linked_count, rejected_count, hash_formats,
      reject_reasons FROM imports WHERE reason = ${at}`;
    const { id, ...counts } = run ?? {};
    const rejects = await harness.rows`SELECT record, line, reason FROM import_rejects WHERE import_id = ${id}`;
    const events = await harness.rows`SELECT type, detail->'position' AS position FROM audit_outbox
      WHERE target_id = ${id} AND type <> 'import.started' ORDER BY type, detail->'position'`;
    return strip({ users, counts, rejects, events });
  }

  async function importLater(at: string, ports: ImportPorts): Promise<void> {
    const map = importMap.parse(ROLES);
    const bytes = Buffer.from(ndjson(later(at)));
    const source = { kind: 'ndjson', map, sourceSha256: sha256Of(at), sourceBytes: bytes.length, reason: at };
    const adapter = findAdapter('ndjson') as NonNullable<ReturnType<typeof findAdapter>>;
    const row = await startImport(ports, source, testCaller);
    async function* stream() {
      yield bytes;
    }
    await runImport(ports, { row, adapter, map, stream: stream(), batchRecords: 3 }, testCaller);
  }

  /** What is there before: users of an earlier import, and an account that has the address of one. */
  async function prepare(all: readonly string[]): Promise<void> {
    await harness.rows`INSERT INTO users (id, email, "emailVerified")
      SELECT at || '-here', at || '-linked@example.com', now() FROM unnest(${all}::text[]) AS at`;
    await harness.importText('ndjson', ndjson(all.flatMap(earlier)), ROLES);
  }

  /** Imports on a pool of its own, which dies at this point; returns its statements if it did not. */
  async function importCutOff(at: string, killPoint: KillPoint | null): Promise<readonly string[] | undefined> {
    const applicationName = `cut-${at}`;
    const mortal = createPatientPool({ url: harness.ports.databaseUrl, connections: 4, applicationName });
    const sent: string[] = [];
    mortal.on('connect', (client) => {
      const query = client.query.bind(client) as (...args: unknown[]) => unknown;
      client.query = ((...args: unknown[]) => {
        sent.push(typeof args[0] === 'string' ? args[0] : '');
        return query(...args);
      }) as typeof client.query;
    });
    const { death } = dieOfPool(mortal, killPoint);
    const own = createTestPorts(harness.ports.databaseUrl, { pool: mortal });
    const done = importLater(at, { ...harness.ports, ...own }).then(() => sent);
    const ended = await inPatience(at, Promise.race([done, death.then(() => undefined)]));
    if (ended) await own.end();
    else await sessionsEnded(harness.ports.databaseUrl, applicationName);
    return ended;
  }

  test('before and after every commit, the next run ends as one that was not cut off', async () => {
    // The run is begun, written in three batches, and ended.
    const points = [0, 1, 2, 3, 4].flatMap((commit) =>
      (['before', 'after'] as const).map((moment) => ({ at: `cut${commit}${moment}`, commit, moment })),
    );
    await prepare(['whole', ...points.map(({ at }) => at)]);
    const statements = await importCutOff('whole', null);
    const expected = await leftBy('whole');
    expect(expected).toMatchObject({
      counts: { state: 'done', position: 9, new_count: 3, changed_count: 3, same_count: 1, linked_count: 2 },
      rejects: [{ reason: 'id_duplicate' }, { reason: 'email_invalid' }],
    });
    const commits = statements?.flatMap((text, at) => (text === 'COMMIT' ? [at + 1] : [])) ?? [];
    expect(commits).toHaveLength(5);
    const left: unknown[] = [];
    for (const { at, commit, moment } of points) {
      expect(await importCutOff(at, { statement: commits[commit] as number, moment })).toBeUndefined();
      const [run] = await harness.rows`SELECT state, position FROM imports WHERE reason = ${at}`;
      left.push(run === undefined ? 'none' : `${run.state} ${run.position}`);
      if (run?.state !== 'done') await importLater(at, harness.ports);
      expect(await leftBy(at), at).toEqual(expected);
    }
    expect(left).toEqual([
      ...['none', 'running 0', 'running 0', 'running 3', 'running 3', 'running 6', 'running 6', 'running 9'],
      ...['running 9', 'done 9'],
    ]);
  });
});

describe('while it is imported', () => {
  const SET_PASSWORD = `UPDATE accounts SET password = 'chosen here' WHERE "userId" = $1 AND "providerId" = 'credential'`;
  const password = async (id: string) =>
    (await harness.rows`SELECT password FROM accounts WHERE "userId" = ${id}`)[0]?.password;
  const user = (id: string, members: object = {}) => ({
    legacy_id: id,
    email: `${id}@example.com`,
    password_hash: HASH,
    ...members,
  });

  /** Imports the user again, with another name and hash, while a transaction holds what `held` did. */
  const importedMeanwhile = (id: string, ...held: readonly Held[]) =>
    whileItWaits(pool, held, () =>
      harness.importText('ndjson', ndjson([user(id, { name: 'Later', password_hash: OTHER_HASH })])),
    );

  test('a user who changes the password keeps the new one, and gets the rest', async () => {
    await harness.importText('ndjson', ndjson([user('changes')]));
    const run = await importedMeanwhile('changes', userHeld('changes'), [SET_PASSWORD, ['changes']]);
    expect(run).toMatchObject({ changed_count: 1, rejects: [] });
    expect(await password('changes')).toBe('chosen here');
    expect(await harness.rows`SELECT name FROM users WHERE id = 'changes'`).toEqual([{ name: 'Later' }]);
  });

  test('a user whose change began first and waited for the batch keeps it, also at the next import', async () => {
    await harness.importText('ndjson', ndjson([user('waits')]));
    const change = await pool.connect();
    await change.query('BEGIN');
    await change.query('SELECT now()');
    await harness.importText('ndjson', ndjson([user('waits', { password_hash: OTHER_HASH })]));
    expect(await password('waits')).toBe(OTHER_HASH);
    await change.query(SET_PASSWORD, ['waits']);
    await change.query('COMMIT');
    change.release();
    await harness.importText('ndjson', ndjson([user('waits', { name: 'Later' })]));
    expect(await password('waits')).toBe('chosen here');
  });

  test('a user who signs in, which upgrades the hash, gets the hash that changed at the source', async () => {
    await harness.importText('ndjson', ndjson([user('upgrades')]));
    await importedMeanwhile('upgrades', userHeld('upgrades'), [
      'SELECT account_password_upgrade($1, $2, $3)',
      ['upgrades', HASH, 'upgraded'],
    ]);
    expect(await password('upgrades')).toBe(OTHER_HASH);
  });

  test('a user who is deleted is not created again, and the record says so', async () => {
    await harness.importText('ndjson', ndjson([user('leaves')]));
    const run = await importedMeanwhile('leaves', userHeld('leaves'), ['DELETE FROM users WHERE id = $1', ['leaves']]);
    expect(run).toMatchObject({ changed_count: 0, rejects: [{ line: 1, reason: 'deleted_here' }] });
    expect(await harness.rows`SELECT id FROM users WHERE id = 'leaves'`).toEqual([]);
  });

  test('a user who signs up with the address keeps the account, and the record is rejected', async () => {
    const run = await importedMeanwhile('signs-up', [
      `INSERT INTO users (id, email) VALUES ('of-its-own', 'signs-up@example.com')`,
    ]);
    expect(run).toMatchObject({ new_count: 0, rejects: [{ line: 1, reason: 'email_conflict' }] });
    expect(await harness.rows`SELECT name FROM users WHERE email = 'signs-up@example.com'`).toEqual([{ name: null }]);
  });
});

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
  const users = await rows`SELECT u.id = l.legacy_id AS kept, u.email, l.legacy_id,
      (SELECT json_agg(json_build_array(a."providerId", nullif(a."accountId", u.id), a.password)
        ORDER BY a."providerId")
       FROM accounts a WHERE a."userId" = u.id) AS accounts
    FROM users u LEFT JOIN legacy_users l ON l.user_id = u.id ORDER BY u.email`;
  const [run] = await rows`
    SELECT id, state, position, new_count, changed_count, same_count, linked_count, rejected_count, hash_formats,
    reject_reasons, users_sha256 FROM imports ORDER BY created_at LIMIT 1`;
  const { id, ...counts } = run ?? {};
  const rejects = await rows`SELECT record, line, reason, value FROM import_rejects WHERE import_id = ${id}`;
  const events = await rows`SELECT type, detail->'position' AS position, count(*) FROM audit_outbox
    WHERE target_id = ${id} AND type <> 'import.started' GROUP BY 1, 2 ORDER BY 1, 2`;
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
