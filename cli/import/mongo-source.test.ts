import { createSocket } from 'node:dgram';
import { promises as dns } from 'node:dns';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { importMap } from '#services/wings/import/import-shapes.ts';
import { testFolder } from '#tools/testing/test-folder.ts';
import { isMongoUrl, mongoSource } from './mongo-source.ts';
import { sourceFile } from './source.ts';

const map = importMap.parse({});
/** What becomes of a URL under which nothing answers: exit code, message and fix. */
async function endOf(url: string, passwordFile?: string): Promise<string> {
  expect(isMongoUrl(url)).toBe(true);
  const err = await mongoSource(url, map, passwordFile === undefined ? {} : { passwordFile }).catch((each) => each);
  const { exitCode, message, fix } = err as {
    readonly exitCode: number;
    readonly message: string;
    readonly fix: string;
  };
  expect(message + fix).not.toContain('hunter2');
  return `${exitCode} ${message}; ${fix}`;
}

test.each(['tlsCAFile', 'tlsCertificateKeyFile', 'tlscrlfile'])(
  'a file of %s that cannot be read is a wrong option, by its name',
  async (option) => {
    const end = await endOf(`mongodb://reader:hunter2@127.0.0.1:1/app?tls=true&${option}=/nowhere/ca.pem`);
    expect(end).toMatch(new RegExp(`^2 the file that ${option} of the URL names cannot be read`));
    expect(end).not.toContain('127.0.0.1');
  },
);

test('a name that DNS does not know is a server that cannot be reached', async () => {
  // A DNS server that knows no name: it answers each question with NXDOMAIN.
  const server = createSocket('udp4', (question, { address, port }) => {
    const answer = Buffer.from(question);
    answer.writeUInt16BE(0x8183, 2);
    server.send(answer, port, address);
  }).bind(0, '127.0.0.1');
  await once(server, 'listening');
  const before = dns.getServers();
  dns.setServers([`127.0.0.1:${server.address().port}`]);
  try {
    expect(await endOf('mongodb+srv://reader:hunter2@nothing.example.com/app')).toMatch(
      /^3 mongodb:\/\/nothing\.example\.com\/app\.users cannot be reached.*\(ENOTFOUND\)/,
    );
  } finally {
    dns.setServers(before);
    server.close();
  }
});

test('a URL with capitals or white space around it is read as it is meant', async () => {
  const end = await endOf(' MONGODB://reader:hunter2@127.0.0.1:1/app?serverSelectionTimeoutMS=100 ');
  expect(end).toMatch(/^3 mongodb:\/\/127\.0\.0\.1:1\/app\.users cannot be reached/);
});

test('a URL that names no database is refused', async () => {
  for (const rest of ['', '/', '/?authSource=admin', '?tls=true'])
    expect(await endOf(`mongodb://reader:hunter2@127.0.0.1:1${rest}`)).toMatch(
      /^2 the URL names no database; .*database/,
    );
});

test('a password without a user, and a mechanism that lacks a parameter, are wrong options', async () => {
  const folder = testFolder(onTestFinished);
  const passwordFile = join(folder, 'password');
  await writeFile(passwordFile, 'hunter2\n');
  expect(await endOf('mongodb://127.0.0.1:1/app', passwordFile)).toMatch(/^2 --password-file .*the URL names none/);
  expect(await endOf('mongodb://reader@127.0.0.1:1/app?authMechanism=MONGODB-OIDC')).toMatch(/^2 .*an option of it/);
});

test.each([
  ' mongodb://reader:hunter2@db.example.com/app',
  'mongodb:/reader:hunter2@db.example.com/app',
  'mongo://reader:hunter2@db.example.com/app',
  'MongoDB+srv:reader:hunter2',
  'reader:hunter2@db.example.com/app',
])('a URL that is mistyped is refused and not repeated: %s', async (path) => {
  const refused = await sourceFile(path).catch((err: unknown) => err);
  expect(refused).toMatchObject({ exitCode: 2, fix: expect.stringContaining('mongodb://user@host:27017/database') });
  const { message, fix, cause } = refused as {
    readonly message: string;
    readonly fix: string;
    readonly cause: unknown;
  };
  expect(message + fix + String(cause)).not.toMatch(/hunter2|db\.example/);
});

test('a file that is not there is named', () =>
  expect(sourceFile('/nowhere/users.csv')).rejects.toMatchObject({
    exitCode: 2,
    message: '/nowhere/users.csv cannot be read',
  }));
