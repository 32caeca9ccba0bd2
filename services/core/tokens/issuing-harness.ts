// For tests only: calls the use-cases that issue, refresh, revoke and validate tokens on real stores, without HTTP.
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createFileMarks } from '#services/platform/marks/file-marks.ts';
import { type Copy, openCopy } from '#tools/testing/harness/copy.ts';
import { clientCaller, createTestPorts, type RawSql, testCaller } from '#tools/testing/harness/ports.ts';
import { createTestDatabase, testRedisUrl } from '#tools/testing/harness/stores.ts';
import type { Json } from '#tools/testing/http-client.ts';
import { type CreateClientInput, createClient } from '../access/create-client.ts';
import type { Caller, Clock } from '../ports.ts';

/** The ports that one API copy gives the use-cases of tokens. */
export type IssuingCopy = Pick<Copy, 'ports' | 'stores' | 'poll'>;

export type IssuingHarness = IssuingCopy & {
  readonly databaseUrl: string;
  /** Opens another copy, closed with the harness: with another database connection, or with a clock that the test moves. */
  copyWith(env?: Readonly<Record<string, string>>, databaseUrl?: string, clock?: Clock): Promise<IssuingCopy>;
  /** A new confidential client, known to every copy, as an authenticated caller. */
  newClient(
    credentialScopes?: readonly string[],
    changes?: Partial<CreateClientInput>,
  ): Promise<Caller & { kind: 'client' }>;
  /** Makes every copy reload roles and clients. */
  reload(): Promise<unknown>;
  readonly rows: RawSql<Json>;
  close(): Promise<void>;
};

/** Opens a harness with one copy on a separate database. Open one per test file. */
export async function openIssuingHarness(env: Readonly<Record<string, string>> = {}): Promise<IssuingHarness> {
  const database = await createTestDatabase();
  const owner = createTestPorts(database.url);
  const marksDir = await mkdtemp(join(tmpdir(), 'sallyport-marks-'));
  const shared = {
    authSecret: randomBytes(32).toString('base64url'),
    redisUrl: testRedisUrl(),
    marks: createFileMarks(marksDir),
  };
  const first = await openCopy({ ...shared, databaseUrl: database.url, env });
  const copies = [first];
  const harness: IssuingHarness = {
    ...first,
    databaseUrl: database.url,
    copyWith: async (changes = {}, databaseUrl = database.url, clock?) => {
      const copy = await openCopy({ ...shared, databaseUrl, env: { ...env, ...changes }, ...(clock ? { clock } : {}) });
      copies.push(copy);
      return copy;
    },
    newClient: async (credentialScopes = [], changes = {}) => {
      const { clientId } = await createClient(
        first.ports,
        {
          name: 'test',
          grant_types: ['client_credentials', 'refresh_token'],
          scopes: ['openid', 'profile', 'email', 'offline_access'],
          credential_scopes: credentialScopes,
          audiences: ['*'],
          ...changes,
        },
        testCaller,
      );
      await harness.reload();
      return clientCaller(clientId, credentialScopes);
    },
    reload: () => Promise.all(copies.map(({ ports }) => ports.access.load())),
    rows: owner.raw,
    close: async () => {
      await Promise.all([...copies.map((copy) => copy.close()), owner.end()]);
      await database.drop();
      await rm(marksDir, { recursive: true, force: true });
    },
  };
  return harness;
}
