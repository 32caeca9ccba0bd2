import { type AddressInfo, createServer } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { describeError } from '#observability/log-errors.ts';
import { migrate } from './migrate.ts';
import { MissingRightError, nameMissingRight } from './missing-right.ts';
import { assertPostgresVersion, postgresVersionWarning } from './server-version.ts';
import { transactionSettings } from './transaction-settings.ts';

const message = (type: string, ...parts: readonly (Buffer | string)[]): Buffer => {
  const body = Buffer.concat(parts.map((part) => Buffer.from(part)));
  const length = Buffer.alloc(4);
  length.writeInt32BE(body.length + 4);
  return Buffer.concat([Buffer.from(type), length, body]);
};
const int16 = (value: number): Buffer => Buffer.from([value >> 8, value & 255]);
const int32 = (value: number): Buffer => Buffer.concat([int16(0), int16(value)]);
const ready = message('Z', 'I');

/** A server that tells its version, and ends the connection at the next query. */
async function oldServer(version: string): Promise<{ url: string; asked: string[] }> {
  const asked: string[] = [];
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => {
      socket.write(Buffer.concat([message('R', int32(0)), ready]));
      socket.on('data', (bytes) => {
        if (bytes.toString('latin1', 0, 1) !== 'Q' || asked.length > 0) return socket.destroy();
        asked.push(bytes.toString('utf8', 5, bytes.length - 1));
        const column = Buffer.concat([
          Buffer.from('server_version_num\0'),
          int32(0),
          int16(0),
          int32(25),
          int16(65_535),
          Buffer.alloc(6, 255),
        ]);
        const row = Buffer.concat([int16(1), int32(version.length), Buffer.from(version)]);
        socket.write(Buffer.concat([message('T', int16(1), column), message('D', row), message('C', 'SHOW\0'), ready]));
      });
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  onTestFinished(() => void server.close());
  return { url: `postgresql://u@127.0.0.1:${(server.address() as AddressInfo).port}/d`, asked };
}

test('a server that is too old is refused before anything is written', async () => {
  const { url, asked } = await oldServer('140019');
  await expect(migrate(url)).rejects.toMatchObject({
    code: 'postgres_too_old',
    message: 'PostgreSQL 14 is too old',
    fix: 'use PostgreSQL 18; 15 is the oldest that is accepted',
  });
  expect(asked).toEqual(['SHOW server_version_num']);
});

test('a start on a server that no test runs on says so', async () => {
  const { url } = await oldServer('150006');
  const said: string[] = [];
  await expect(migrate(url, (text) => said.push(text))).rejects.toThrow(/terminated/);
  expect(said).toEqual([
    'PostgreSQL 15 is older than the tested version 18 (fix: use PostgreSQL 18; 15 is the oldest that is accepted)',
  ]);
});

test('the bounds themselves', () => {
  expect(() => assertPostgresVersion(149_999)).toThrow('PostgreSQL 14 is too old');
  expect(() => assertPostgresVersion(150_000)).not.toThrow();
  expect([179_999, 180_000, 190_000].map(postgresVersionWarning)).toEqual([
    'PostgreSQL 17 is older than the tested version 18',
    undefined,
    undefined,
  ]);
});

const refusal = (message: string): Error => Object.assign(new Error(message), { code: '42501' });

test.each([
  ['table audit_events', 'DELETE FROM audit_events WHERE seq = $1', 'DELETE on audit_events'],
  ['table users', 'WITH one AS MATERIALIZED (VALUES (1)) UPDATE users SET name = $1', 'UPDATE on users'],
  ['table signoffs', 'SELECT id FROM signoffs WHERE id = $1 FOR NO KEY UPDATE', 'SELECT, UPDATE on signoffs'],
  ['table "Odd"', 'WITH a AS (DELETE FROM users) INSERT INTO "Odd" SELECT * FROM a', 'INSERT on "Odd"'],
  ['table users', 'UPDATE "public"."users" SET name = $1', 'UPDATE on users'],
  ['table users', 'TRUNCATE TABLE users', 'TRUNCATE on users'],
  ['view open_findings', 'TABLE open_findings', 'SELECT on open_findings'],
  ['sequence users_seq', 'SELECT nextval($1)', 'USAGE on SEQUENCE users_seq'],
  ['schema public', 'SELECT 1 FROM users', 'USAGE on SCHEMA public'],
  ['function audit_outbox_drop', 'SELECT audit_outbox_drop($1)', 'EXECUTE on FUNCTION audit_outbox_drop'],
])('a refusal about %s names role and grant', (object, text, right) => {
  const err = nameMissingRight(refusal(`permission denied for ${object}`), 'sallyport_app', text) as Error;
  expect(err).toBeInstanceOf(MissingRightError);
  expect(err.message).toContain(`refuses sallyport_app the right ${right}:`);
  expect(err.message).toContain(`GRANT ${right.replace(' on ', ' ON ')} TO sallyport_app`);
  // A log line has the message, and the code by which an operator searches.
  expect(describeError(err)).toMatchObject({ code: '42501', message: err.message });
});

test('another error stays as it is, and so does a refusal about no object', () => {
  for (const err of [new Error('x'), refusal('must be owner of table users'), undefined, 'text'])
    expect(nameMissingRight(err, 'sallyport_app', 'SELECT 1')).toBe(err);
});

const row = (startedAt: string, isStandby = false): object => ({
  started_at: startedAt,
  is_standby: isStandby,
  taken: 'sallyport_api',
  login: 'us',
});

test('a pooler that leads to another server than before is noticed with the first transaction there, once', () => {
  let moves = 0;
  const { check } = transactionSettings({ lock_timeout: 1 }, undefined, () => {
    moves += 1;
  });
  check(row('100.5'));
  check(row('100.5'));
  expect(() => check(row('200.5'))).toThrow('the pooler leads to another server than before');
  check(row('200.5'));
  expect(moves).toBe(1);
});

test('a standby is refused, and is no server that was seen', () => {
  const { check } = transactionSettings({}, 'sallyport_api', undefined);
  expect(() => check(row('1', true))).toThrow('the server is a standby');
  check(row('2'));
  expect(() => check(row('3'))).toThrow('another server');
});

test('every setting ends with the transaction', () => {
  const { text } = transactionSettings({ lock_timeout: 1, statement_timeout: 2 }, 'sallyport_api', undefined);
  expect(text.match(/set_config\([^)]*\)/g)).toEqual([
    `set_config('lock_timeout', '1', true)`,
    `set_config('statement_timeout', '2', true)`,
    `set_config('role', rolname, true)`,
  ]);
});
