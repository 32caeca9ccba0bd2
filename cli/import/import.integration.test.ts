import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { hashSync } from '@node-rs/bcrypt';
import { expect, test } from 'vitest';
import { adapters } from '#services/wings/import/adapters/adapters.ts';
import { opened } from '#tools/testing/opened.ts';
import { testFolder } from '#tools/testing/test-folder.ts';
import { childEnv, preloaded } from '../../tools/testing/processes/child-env.ts';
import { startCli } from '../../tools/testing/processes/run-cli.ts';
import { KEK, openCliHarness } from '../cli-harness.ts';

const harness = opened(() => openCliHarness({ BETTER_AUTH_SECRET: AUTH_SECRET }));
const folder = testFolder();
const AUTH_SECRET = 'an-auth-secret-of-more-than-thirty-two-characters';

const HASH = hashSync('correct horse battery staple', 4);
const REASON = ['--reason', 'we move'];
const HEADER =
  'id,first_name,last_name,username,primary_email_address,primary_phone_number,verified_email_addresses,unverified_email_addresses,verified_phone_numbers,unverified_phone_numbers,totp_secret,password_digest,password_hasher';
const row = (id: string, email: string, totp = ''): string =>
  `${id},Ada,Lovelace,,${email},,${email},,,,${totp},${HASH},bcrypt`;
const file = async (name: string, content: string | Uint8Array): Promise<string> => {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
};
/** Settings of a process of its own. */
const ENV = (): Record<string, string> => ({
  DATABASE_URL: harness.ports.databaseUrl,
  SALLYPORT_DATA_DIR: harness.dataDir,
  KEY_ENCRYPTION_KEY: KEK.toString('base64'),
  BETTER_AUTH_SECRET: AUTH_SECRET,
});
const lastLine = (out: string) => JSON.parse(out.trim().split('\n').at(-1) ?? '');

test('a dry run shows what would change, and writes nothing; the import writes it; again it changes nothing', async () => {
  const path = await file(
    'users.csv',
    `${HEADER}\n${row('user_1', 'ada@example.com', 'JBSWY3DPEHPK3PXP')}\n${row('user_2', 'no address')}\n`,
  );
  const rejects = [{ line: 3, reason: 'email_invalid', value: 'no address' }];
  const tried = await harness.sallyport(['import', 'clerk', path, '--dry-run', ...REASON, '--json']);
  expect(tried.code, tried.err).toBe(1);
  expect(lastLine(tried.out)).toMatchObject({
    dry_run: true,
    ...{ new: 1, changed: 0, same: 0, rejected: 1, without_password: 0, factors_lost: 0, notices: [], rejects },
    differences: [{ legacy_id: 'user_1', email: 'ada@example.com', change: 'new' }],
  });
  expect((await harness.json(['import', 'status'])).imports).toEqual([]);

  const asked = await harness.sallyport(['import', 'clerk', path, ...REASON]);
  expect(asked.code).toBe(4);
  const run = await harness.sallyport(['import', 'clerk', path, '--yes', ...REASON, '--json']);
  expect(run.code, run.err).toBe(1);
  expect(lastLine(run.out)).toMatchObject({ new: 1, changed: 0, same: 0, rejected: 1, rejects });
  const again = await harness.sallyport(['import', 'clerk', path, '--yes', ...REASON, '--json']);
  expect(lastLine(again.out)).toMatchObject({ new: 0, changed: 0, same: 1, rejected: 1 });
  expect(again.err).toContain('1 record was rejected');

  const status = await harness.json(['import', 'status']);
  expect(status.imports).toHaveLength(2);
  expect(status.imports[1]).toMatchObject({
    kind: 'clerk',
    status: 'done',
    progress: 100,
    reason: 'we move',
    hash_formats: { bcrypt: 1 },
  });
  expect(status.systems).toEqual([expect.objectContaining({ kind: 'clerk', users: 1, lazy: 0, deleted: 0 })]);
});

test('the status is the checklist of the move: what is left, what would break on the last day, what to delete there', async () => {
  const path = await file(
    'lazy.csv',
    'legacy_id,email\nlazy-1,lazy-1@example.com\nlazy-2,lazy-2@example.com\nsocial-1,social-1@example.com\n',
  );
  const map = await file('lazy.json', JSON.stringify({ lazy: true }));
  await harness.json(['import', 'csv', path, '--map', map, '--yes', ...REASON]);
  const { raw: rows } = harness.ports;
  await rows`UPDATE legacy_users SET lazy = false WHERE legacy_id = 'social-1'`;
  // One session of the last days, one that was exchanged long ago, and one of long ago that ended now.
  await rows`INSERT INTO legacy_sessions (id, user_id, session_id, created_at, touched_at, ended_at)
    SELECT sha256(at::text::bytea), 'lazy-1', 's-' || at, now() - age, now() - touched, ended
    FROM (VALUES (1, interval '9 days', interval '1 hour', NULL), (2, '9 days', '8 days', NULL), (3, '9 days', '1 day',
      now()))
      AS n (at, age, touched, ended)`;
  const env = {
    LEGACY_ISSUER: 'https://old.example.com',
    LEGACY_JWKS_URI: 'https://old.example.com/jwks',
    LEGACY_AUDIENCE: 'api',
    LEGACY_PROVIDER: 'csv',
    LEGACY_BRIDGE_UNTIL: '2099-01-31T00:00:00Z',
  };
  const status = await harness.json(['import', 'status'], env);
  expect(status.bridge).toEqual({
    issuer: 'https://old.example.com',
    until: '2099-01-31T00:00:00.000Z',
    checks_passwords: false,
    provider: 'csv',
  });
  const [clerk, csv] = status.systems;
  expect(clerk).toMatchObject({ kind: 'clerk', ready: true, last_import: { rejected: 1 }, without_credential: 0 });
  expect(clerk.delete_there[0]).toContain(`sallyport import certificate ${clerk.last_import.import_id} FILE`);
  expect(csv).toMatchObject({
    ...{ kind: 'csv', users: 3, lazy: 2, without_credential: 1, open_imports: 0, ready: false, delete_there: [] },
    bridge: { sessions: 1, last_at: expect.stringMatching(/^20.*Z$/) },
    breaks: [expect.stringContaining('LEGACY_PASSWORD_URL'), expect.stringContaining('after 2099-01-31')],
  });
  const shown = await harness.sallyport(['import', 'status'], env);
  expect(shown.out).toContain('csv: 3 users here, 0 deleted here');
  expect(shown.out).toContain('[ ] 2 users have their password still there');
  expect(shown.out).toContain('[x] no import is open');
  expect(shown.out).toContain('would break: 2 users cannot sign in now');
  expect(shown.out).toContain('delete nothing there yet');
  expect(shown.out).toContain('delete there: the 1 users of clerk');
  expect(shown.out).toContain('until 2099-01-31T00:00:00.000Z');
  expect((await harness.sallyport(['import', 'status'])).out).toContain('no tokens of another issuer are accepted');
  await rows`DELETE FROM users WHERE email LIKE 'lazy-%' OR email LIKE 'social-%'`;
});

test('an export is a new file that only its owner reads, and imports as the same users', async () => {
  const path = join(folder, 'back.ndjson');
  const written = await harness.json(['export', 'ndjson', path, '--ids-of', 'clerk', '--yes']);
  expect(written).toEqual({ file: path, users: 1, without_hash: 0 });
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  const user = JSON.parse(await readFile(path, 'utf8'));
  expect(user).toMatchObject({ legacy_id: 'user_1', email: 'ada@example.com', totp_secret: 'JBSWY3DPEHPK3PXP' });
  const again = await harness.json(['import', 'ndjson', path, '--dry-run', ...REASON]);
  expect(again).toMatchObject({ new: 0, rejected: 0 });
  const twice = await harness.sallyport(['export', 'ndjson', path, '--yes']);
  expect([twice.code, twice.err]).toEqual([2, expect.stringContaining('exists')]);
});

test('a format that is another product’s, and one that is none, end with the command that helps', async () => {
  const refused = async (format: string): Promise<string> => {
    const { code, err } = await harness.sallyport(['export', format, join(folder, 'x'), '--yes']);
    return `${code} ${err}`;
  };
  for (const { kind } of adapters.filter(({ kind }) => kind !== 'csv' && kind !== 'ndjson'))
    expect(await refused(kind)).toMatch(
      new RegExp(`^2 .*sallyport export ndjson users-back.ndjson --ids-of ${kind}`, 's'),
    );
  expect(await refused('xml')).toMatch(/^2 .*name one of csv, ndjson/s);
  expect(await readdir(folder)).not.toContain('x');
});

test('an export that cannot be written says so and leaves no file', async () => {
  const gone = await harness.sallyport(['export', 'csv', join(folder, 'absent', 'x.csv'), '--yes']);
  expect([gone.code, gone.err]).toEqual([1, expect.stringContaining('ENOENT')]);
  expect(await readdir(folder)).not.toContain('x.csv.part');
});

const inNamespace = ['--map-root-user', '--mount', '--fork'];
const canMount = spawnSync('unshare', [...inNamespace, 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt']).status === 0;

test.runIf(canMount)('an export onto a disk that fills up says so, leaves no file, and goes elsewhere', async () => {
  const people = Array.from({ length: 600 }, (_, at) =>
    JSON.stringify({ legacy_id: `d${at}`, email: `d${at}@disk.example`, name: 'x'.repeat(100) }),
  );
  await harness.json(['import', 'ndjson', await file('disk.ndjson', people.join('\n')), '--yes', ...REASON]);
  const disk = join(folder, 'disk');
  await mkdir(disk);
  // A file system of 64 kB that only this shell and its children see.
  const script =
    'mount -t tmpfs -o size=64k tmpfs "$1" && "$2" cli/main.ts export ndjson "$1/users.ndjson" --yes; echo "$? $(ls -A "$1")"';
  const child = spawn('unshare', [...inNamespace, 'sh', '-c', script, 'sh', disk, process.execPath], {
    cwd: join(import.meta.dirname, '../..'),
    env: { ...childEnv(), ...preloaded(), ...ENV() },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
  expect(err).toContain(`${disk}/users.ndjson: the disk is full; no file was left`);
  expect(out).toBe('1 \n');
  const whole = join(folder, 'whole.ndjson');
  expect((await harness.json(['export', 'ndjson', whole, '--yes'])).users).toBeGreaterThanOrEqual(600);
});

test('a mapping that is none, a file that is absent and a factor without the secret are refused with a fix', async () => {
  const path = await file(
    'more.ndjson',
    `${JSON.stringify({ legacy_id: 'm1', email: 'm1@example.com', totp_secret: 'JBSWY3DPEHPK3PXP' })}\n`,
  );
  const refused = async (args: readonly string[], env?: Record<string, string>) => {
    const { code, err } = await harness.sallyport(['import', 'ndjson', ...args, '--yes', ...REASON], env);
    return `${code} ${err}`;
  };
  expect(await refused([join(folder, 'no-such-file')])).toMatch(/^2 .*cannot be read/s);
  expect(await refused([path, '--map', await file('a.json', '{')])).toMatch(/^2 .*not JSON/s);
  expect(await refused([path, '--map', await file('b.json', '{"colour":1}')])).toMatch(/^2 .*no mapping/s);
  expect(await refused([path, '--map', await file('c.json', '{"parameters":{"x":{"file":"absent"}}}')])).toMatch(
    /^2 .*cannot be read/s,
  );
  expect(await refused([path, '--map', await file('d.json', '{"roles":{"a":"no-such-role"}}')])).toMatch(/role/);
  expect(await refused([path], { BETTER_AUTH_SECRET: '' })).toMatch(/^5 .*auth secret/s);
  expect(
    await refused([path, '--map', await file('e.json', '{"parameters":{"x":{"file":"e.json"},"y":"z"}}')]),
  ).toMatch(/^0/);
});

test('killed after each thousandth record, it goes on where it was, and ends as one that was not killed', async () => {
  const count = 6_000;
  const lines = Array.from({ length: count }, (_, at) =>
    JSON.stringify({ legacy_id: `k${at}`, email: `k${at}@killed.example` }),
  );
  const path = await file('killed.ndjson', `${lines.join('\n')}\n`);
  const args = ['import', 'ndjson', path, '--yes', ...REASON, '--json'];
  const env = ENV();
  const stored = async (): Promise<number> => {
    const rows = await harness.ports.raw`SELECT count(*)::int AS users FROM users WHERE email LIKE '%@killed.example'`;
    return (rows[0] as { users: number }).users;
  };
  const positions: number[] = [];
  for (let at = 0; at < count; ) {
    const child = startCli(args, env);
    const exited = once(child, 'exit');
    while ((await stored()) === at && child.exitCode === null) await new Promise((resume) => setTimeout(resume, 5));
    child.kill('SIGKILL');
    await exited;
    at = await stored();
    positions.push(at);
  }
  // The last run may have ended before it was killed; then this one finds that all is the same.
  const last = await harness.json(args.slice(0, -1));
  expect(last.new + last.same).toBe(count);
  const [ended] = await harness.ports
    .raw`SELECT state, rejected_count AS rejected FROM imports WHERE new_count = ${count}`;
  expect(ended).toEqual({ state: 'done', rejected: 0 });
  for (const at of positions) expect(at % 1_000).toBe(0);
  expect(positions.length).toBeGreaterThan(2);
  expect(await stored()).toBe(count);
  expect(await harness.json(args.slice(0, -1))).toMatchObject({ new: 0, same: count });
});

test('users without a password are counted in dry run, result, status and certificate, and the guide says what they do', async () => {
  const path = await file(
    'without.json',
    `[{"id":"w-1","email":"w-1@example.com"},{"id":"w-2","email":"w-2@example.com","password_hash":"${HASH}"},{"id":"w-3","email":"none"},{"id":"w-4","email":"none"}]`,
  );
  const asks = ['import', 'ndjson', path, ...REASON];
  const tried = await harness.sallyport([...asks, '--dry-run', '--json']);
  expect(lastLine(tried.out)).toMatchObject({ new: 2, rejected: 2, without_password: 1 });
  const shown = await harness.sallyport([...asks, '--dry-run']);
  expect(shown.out).toContain('without password 1: the file has no hash of theirs, and they reset the password');
  // Records of one line are told apart.
  expect(shown.out).toContain('line 1, record 3: email_invalid');
  expect(shown.out).toContain('line 1, record 4: email_invalid');
  const run = lastLine((await harness.sallyport([...asks, '--yes', '--json'])).out);
  expect(run).toMatchObject({ new: 2, without_password: 1, counts: { without_password: 1 } });
  const status = await harness.json(['import', 'status']);
  expect(status.imports[0]).toMatchObject({ import_id: run.import_id, hash_formats: { bcrypt: 1, none: 1 } });
  const guide = await readFile('docs/how-to/import-users.md', 'utf8');
  expect(guide).toMatch(/how many have no password/);
  expect(guide).toMatch(/without a password reset it at their first sign-in/);
});

test('a file that is none of its kind ends the import once, and begins none that goes on', async () => {
  const path = await file('excel.csv', Buffer.from('id;email;name\n1;a@example.com;Zo\xeb\n', 'latin1'));
  const before = (await harness.json(['import', 'status'])).imports.length;
  for (const act of ['--dry-run', '--yes']) {
    const run = await harness.sallyport(['import', 'csv', path, act, ...REASON]);
    expect([run.code, run.err.match(/import_file_unreadable/g)?.length], run.err).toEqual([2, 1]);
    expect(run.err).toContain('Windows-1252');
  }
  const { imports } = await harness.json(['import', 'status']);
  expect(imports.length).toBe(before + 1);
  expect(imports[0]).toMatchObject({ status: 'failed', failure: 'import_file_unreadable' });
});
