import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createFileOutbox, mailFolderOf } from '../services/platform/mail/file-outbox.ts';
import { type CliRun, runCli } from '../services/platform/testing/processes/run-cli.ts';
import { createTestDatabase, type TestDatabase } from '../services/platform/testing/stores.ts';

let database: TestDatabase;
let dataDir: string;
beforeAll(async () => {
  database = await createTestDatabase();
  dataDir = await mkdtemp(join(tmpdir(), 'sallyport-cli-mail-'));
});
afterAll(async () => {
  await database.drop();
  await rm(dataDir, { recursive: true, force: true });
});

const sallyport = (...args: string[]): Promise<CliRun> =>
  runCli(['mail', ...args], {
    DATABASE_URL: database.url,
    SALLYPORT_DATA_DIR: dataDir,
    KEY_ENCRYPTION_KEY: Buffer.alloc(32, 5).toString('base64'),
  });

test('mails that were not sent are listed and shown, the newest without a name', async () => {
  const none = await sallyport('show');
  expect([none.code, none.err]).toEqual([1, expect.stringContaining('no mail')]);
  const outbox = createFileOutbox(mailFolderOf(dataDir), 'no-reply@example.com');
  for (const id of ['1', '2'])
    await outbox.send({ id, to: `p${id}@people.test`, subject: `Mail ${id}`, text: 'Hello.', html: '<p>Hello.</p>' });
  const { code, out, err } = await sallyport('list', '--json');
  expect(code, err).toBe(0);
  const listed = JSON.parse(out);
  expect(listed).toMatchObject({ folder: mailFolderOf(dataDir), waiting: 0, givenUp: 0 });
  expect(listed.mails.map(({ name, to }: { name: string; to: string }) => [name, to])).toEqual([
    ['1.eml', 'p1@people.test'],
    ['2.eml', 'p2@people.test'],
  ]);
  expect((await sallyport('show')).out).toContain('Subject: Mail 2');
  expect((await sallyport('show', '1.eml')).out).toContain('Subject: Mail 1');
});
