import { type ApiCopy, type ApiCopyOptions, newAuthSecret, newClient, startApiCopy } from '../api-copy.ts';
import type { ClientCredentials, Json } from '../http-client.ts';
import { createTestPorts, type TestPorts } from '../ports.ts';
import { createTestDatabase, testRedisUrl } from '../stores.ts';

/** One installation: copies of the API on a database of their own. */
export type ApiWorld = {
  readonly databaseUrl: string;
  readonly redisUrl: string;
  readonly authSecret: string;
  /** One more copy. @param changes other stores than the world's, or settings */
  startCopy(changes?: Partial<ApiCopyOptions>): Promise<ApiCopy>;
  /** A confidential client with these client-credentials scopes; every copy knows it when this resolves. */
  newClient(credentialScopes: readonly string[]): Promise<ClientCredentials>;
  /** Rows of one statement, by the first copy's own connections. */
  /** With the rights that no copy has. */
  readonly owner: TestPorts;
  rows(text: string, values?: readonly unknown[]): Promise<Json[]>;
  /** Stops every copy, then drops the database. */
  close(): Promise<void>;
};

/** Opens a world without copies: one per test file. */
export async function openApiWorld(): Promise<ApiWorld> {
  const database = await createTestDatabase();
  const shared = { databaseUrl: database.url, redisUrl: testRedisUrl(), authSecret: newAuthSecret() };
  const owner = createTestPorts(database.url);
  const copies: ApiCopy[] = [];
  const first = (): ApiCopy => {
    if (copies[0] === undefined) throw new Error('no copy was started');
    return copies[0];
  };
  return {
    ...shared,
    startCopy: async (changes = {}) => {
      const copy = await startApiCopy({ ...shared, ...changes });
      copies.push(copy);
      return copy;
    },
    newClient: async (credentialScopes) => {
      const { clientId, clientSecret } = await newClient(first(), credentialScopes);
      await Promise.all(copies.slice(1).map(({ ports }) => ports.access.load()));
      return { client_id: clientId, client_secret: clientSecret };
    },
    owner,
    rows: owner.raw,
    close: async () => {
      await Promise.all([...copies.map((copy) => copy.stop()), owner.end()]);
      await database.drop();
    },
  };
}
