// For tests only: an API copy with the routes of identity on a database of its own.
import type { Json } from '../http-client.ts';
import { queryRows } from '../rows.ts';
import { createTestDatabase, testRedisUrl } from '../stores.ts';
import { type IdentityWorld, startIdentityWorld } from './identity-world.ts';

export type FactorWorld = IdentityWorld & {
  rows(text: string, values?: unknown[]): Promise<Json[]>;
};

/** No revocation is too old to be believed here: what is tested takes as long as the machine needs. */
export async function openFactorWorld(env: Readonly<Record<string, string>> = {}): Promise<FactorWorld> {
  const database = await createTestDatabase();
  const world = await startIdentityWorld({
    databaseUrl: database.url,
    redisUrl: testRedisUrl(),
    env: { REVOCATION_STALENESS_MS: '60000', ...env },
  });
  return {
    ...world,
    rows: (text, values = []) => queryRows<Json>(database.url, text, values),
    close: async () => {
      await world.close();
      await database.drop();
    },
  };
}
