// About: services/wings/import/adapters/
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Collection, type Document, Long, MongoClient, ObjectId, UUID } from 'mongodb';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { importMap } from '#services/wings/import/import-shapes.ts';
import { testFolder } from '#tools/testing/test-folder.ts';
import { type MongoServer, startMongoServer } from '../../tools/testing/processes/mongo-server.ts';
import { startCli } from '../../tools/testing/processes/run-cli.ts';
import { type CliHarness, KEK, openCliHarness } from '../cli-harness.ts';
import { mongoSource } from './mongo-source.ts';

/** A machine that has never built the server builds it now. */
const BUILD_MS = 600_000;
const AUTH_SECRET = 'an-auth-secret-of-more-than-thirty-two-characters';
const REASON = ['--yes', '--reason', 'we move'];

let harness: CliHarness;
let server: MongoServer;
let client: MongoClient;
const folder = testFolder();
const passwordFile = join(folder, 'password');
beforeAll(async () => {
  [harness, server] = await Promise.all([openCliHarness({ BETTER_AUTH_SECRET: AUTH_SECRET }), startMongoServer()]);
  await writeFile(passwordFile, `${server.password}\n`);
  const { user, password } = server;
  client = new MongoClient(`mongodb://${server.host}/?authSource=admin`, { auth: { username: user, password } });
  await client.connect();
}, BUILD_MS);
afterAll(async () => {
  await client?.close();
  await harness?.close();
  await server?.close();
});

let database = 0;
let users: Collection<Document>;
/** A database of its own for each test. */
beforeEach(() => {
  database += 1;
  users = client.db(`app${database}`).collection('users');
});
const url = (): string => `mongodb://${server.user}@${server.host}/app${database}?authSource=admin`;
const args = (...more: readonly string[]): string[] => [
  ...['import', 'mongo', url(), '--password-file', passwordFile, ...REASON],
  ...more,
];
const documents = (count: number, from = 0): Document[] =>
  Array.from({ length: count }, (_, at) => ({
    _id: new ObjectId(`${database}${(from + at).toString(16).padStart(23, '0')}`),
    email: `m${database}-${from + at}@live.example`,
  }));

test('a collection is imported over TLS with the types of its members, and again it changes nothing', async () => {
  await users.insertMany([
    { _id: 7, email: 'seven@live.example', name: 'Seven', secret: 'not for us' },
    { _id: 'text', email: 'text@live.example', createdAt: new Date(1_580_702_706_789) },
    { _id: new ObjectId('5f7c0a1b2c3d4e5f6a7b8c9d'), email: 'oid@live.example', emailVerified: true },
    { _id: new UUID('0f0e0d0c-0b0a-4908-8706-050403020100'), email: 'uuid@live.example', visits: Long.fromNumber(9) },
    { _id: 'none', email: 'no address' },
  ] as never[]);
  const secure = `mongodb://${server.user}@${server.tlsHost}/app${database}?authSource=admin&tls=true&tlsCAFile=${encodeURIComponent(server.authorityFile)}`;
  const map = join(folder, 'map.json');
  await writeFile(map, JSON.stringify({ columns: { 'metadata.visits': 'visits' } }));
  const command = ['import', 'mongo', secure, '--password-file', passwordFile, '--map', map, '--reason', 'we move'];
  const tried = await harness.sallyport([...command, '--dry-run', '--json']);
  expect(JSON.parse(tried.out.trim().split('\n').at(-1) ?? '')).toMatchObject({ dry_run: true, new: 4, rejected: 1 });
  const run = await harness.sallyport([...command, '--yes', '--json']);
  expect(run.code, run.err).toBe(1);
  const result = JSON.parse(run.out.trim().split('\n').at(-1) ?? '');
  expect(result).toMatchObject({ new: 4, rejected: 1, rejects: [{ reason: 'email_invalid', value: 'no address' }] });
  const again = await harness.sallyport([...command, '--yes', '--json']);
  expect(JSON.parse(again.out.trim().split('\n').at(-1) ?? '')).toMatchObject({ new: 0, changed: 0, same: 4 });
  const stored = await harness.ports.raw`SELECT u.id, u."createdAt" < '2021-01-01' AS is_old, m.metadata FROM users u
    LEFT JOIN user_metadata m ON m.user_id = u.id WHERE u.email LIKE '%@live.example' ORDER BY u.email`;
  expect(stored).toEqual([
    { id: '5f7c0a1b2c3d4e5f6a7b8c9d', is_old: false, metadata: null },
    { id: '7', is_old: false, metadata: null },
    { id: 'text', is_old: true, metadata: null },
    { id: '0f0e0d0c-0b0a-4908-8706-050403020100', is_old: false, metadata: { visits: 9 } },
  ]);
  // The digest is of what was read, so both runs state the same one; nothing stored has the password.
  const imports = await harness.ports
    .raw`SELECT source_sha256, source_bytes, to_jsonb(i)::text AS text FROM imports i WHERE kind = 'mongo'`;
  expect(new Set(imports.map((each) => each.source_sha256)).size).toBe(1);
  expect(Number(imports[0]?.source_bytes)).toBeGreaterThan(200);
  const untrusted = await harness.sallyport([
    'import',
    ...['mongo', secure.replace(/&tlsCAFile=.*/, ''), '--password-file', passwordFile, ...REASON],
  ]);
  expect([untrusted.code, untrusted.err]).toEqual([3, expect.stringContaining('cannot be reached')]);
  for (const text of [run.out, run.err, untrusted.err, ...imports.map((each) => String(each.text))])
    expect(text).not.toContain(server.password);
});

test('documents come in the order of _id, with the members that the mapping names and no other', async () => {
  await users.insertMany([
    { _id: 3, email: 'three@order.example', secret: 'not for us' },
    { _id: 1, mail: 'one@order.example', password: 'x', contact: { city: 'Graz' } },
    { _id: 2, email: 'no address', tags: ['not', 'for', 'us'] },
  ] as never[]);
  const map = importMap.parse({ columns: { 'metadata.city': 'contact.city' } });
  const source = await mongoSource(url(), map, { passwordFile });
  let text = '';
  for await (const chunk of source.open()) text += Buffer.from(chunk).toString();
  await source.close?.();
  expect(text).toBe(
    [
      '{"_id":{"$numberInt":"1"},"password":"x","contact":{"city":"Graz"}}\n',
      '{"_id":{"$numberInt":"2"},"email":"no address"}\n',
      '{"_id":{"$numberInt":"3"},"email":"three@order.example"}\n',
    ].join(''),
  );
  expect(source.read?.()).toEqual({ sha256: createHash('sha256').update(text).digest('hex'), bytes: text.length });
  const run = await harness.sallyport(args());
  expect([run.code, run.out]).toEqual([
    1,
    expect.stringMatching(/document 1: \w+ {2}.*\n.*document 2: email_invalid {2}no address/),
  ]);
  expect(run.err).toContain('correct these documents');
});

test('killed while it imports a live collection, it goes on where it was, and ends as one that was not killed', async () => {
  const count = 6_000;
  await users.insertMany(documents(count));
  const env = {
    DATABASE_URL: harness.ports.databaseUrl,
    SALLYPORT_DATA_DIR: harness.dataDir,
    KEY_ENCRYPTION_KEY: KEK.toString('base64'),
    BETTER_AUTH_SECRET: AUTH_SECRET,
  };
  const position = async (): Promise<number> => {
    const [row] = await harness.ports.raw`SELECT position FROM imports WHERE kind = 'mongo' AND state = 'running'`;
    return Number(row?.position ?? 0);
  };
  const child = startCli(args('--json'), env);
  const exited = once(child, 'exit');
  while ((await position()) === 0 && child.exitCode === null) await new Promise((resume) => setTimeout(resume, 10));
  child.kill('SIGKILL');
  await exited;
  const stopped = await position();
  expect([stopped > 0, stopped < count, stopped % 1_000]).toEqual([true, true, 0]);
  // Who signs up meanwhile comes behind the place of the run.
  await users.insertMany(documents(10, count));
  expect(await harness.json(args())).toMatchObject({ new: count + 10, same: 0, rejected: 0 });
});

test('a collection that changed before the place of a killed run is imported from its beginning', async () => {
  await users.insertMany(documents(3_000));
  // A run that wrote a batch of other users and was killed.
  await harness.json(args());
  await harness.ports.raw(
    `UPDATE imports SET state = 'running', finished_at = NULL, position = 2000, source_sha256 = $1, users_sha256 = repeat('0', 64)
     WHERE kind = 'mongo' AND finished_at = (SELECT max(finished_at) FROM imports)`.replace(
      '$1',
      `(SELECT encode(sha256(convert_to('mongodb', 'UTF8') || '\\x00'::bytea || convert_to('${server.host}', 'UTF8') || '\\x00'::bytea
        || convert_to('app${database}', 'UTF8') || '\\x00'::bytea || convert_to('users', 'UTF8')), 'hex'))`,
    ),
  );
  const ended = await harness.sallyport(args());
  expect([ended.code, ended.out + ended.err]).toEqual([0, expect.stringContaining('the source changed')]);
  const imports = await harness.ports
    .raw`SELECT state, failure, same_count FROM imports WHERE kind = 'mongo' ORDER BY created_at DESC LIMIT 2`;
  expect(imports).toEqual([
    { state: 'done', failure: null, same_count: 3_000 },
    { state: 'failed', failure: 'import_source_changed', same_count: 0 },
  ]);
});

test('each reason why a collection cannot be read has its exit code, and no message shows the URL', async () => {
  const end = async (given: string, ...more: readonly string[]) => {
    const { code, out, err } = await harness.sallyport(['import', 'mongo', given, ...more, ...REASON]);
    expect(out + err).not.toContain('hunter2');
    return `${code} ${err}`;
  };
  await users.insertMany(documents(1));
  const withPassword = (host: string, more = '') =>
    `mongodb://${server.user}:hunter2@${host}/app${database}?authSource=admin${more}`;
  expect(await end(withPassword(server.host))).toMatch(/^5 .*refused the user or the password/s);
  expect(await end(withPassword('127.0.0.1:1', '&serverSelectionTimeoutMS=300'))).toMatch(/^3 .*cannot be reached/s);
  expect(await end(withPassword(server.host, '&nonsense=1'))).toMatch(/^2 .*no connection string/s);
  // No second try would end otherwise.
  const kerberos = `mongodb://${server.user}:hunter2@${server.host}/app?authMechanism=GSSAPI`;
  for (const given of [kerberos, withPassword(server.host, '&loadBalanced=true')])
    expect(await end(given), given).toMatch(/^2 .*with these options of the URL/s);
  const spaced = url().replace(/app\d+/, 'my%20app');
  expect(await end(spaced, '--password-file', passwordFile)).toMatch(/^2 .*no name of a database and a collection/s);
  const known = ['--password-file', passwordFile];
  expect(await end(url(), ...known, '--collection', 'absent')).toMatch(/^2 .*absent: there is no such collection/s);
  expect(await end(url(), '--password-file', join(folder, 'absent'))).toMatch(/^2 .*cannot be read/s);
  const other = await harness.sallyport(['import', 'csv', withPassword(server.host), ...REASON]);
  expect([other.code, other.err]).toEqual([2, expect.not.stringContaining('hunter2')]);
});
