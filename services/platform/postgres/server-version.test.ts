import { type AddressInfo, createServer } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { migrate } from './migrate.ts';
import { assertPostgresVersion, postgresVersionWarning } from './server-version.ts';

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
