// For tests only: the product on a database of a test file's own, asked over HTTP and held to its OpenAPI document.
import { expect } from 'vitest';
import { type Received, type Sent, send } from '../http-client.ts';
import { createAnswerCheck, type Operation, operationsOf } from '../openapi-check.ts';
import { type Product, startProduct } from '../product.ts';
import { queryRows } from '../rows.ts';
import { createTestDatabase, testRedisUrl } from '../stores.ts';

export type ProductWorld = {
  readonly product: Product;
  readonly databaseUrl: string;
  readonly operations: readonly Operation[];
  /** One request whose answer must be documented. */
  call(method: string, path: string, sent?: Sent): Promise<Received>;
  /** The same with a JSON body. */
  post(path: string, json: unknown, sent?: Sent): Promise<Received>;
  /** What its client sends to be known. */
  readonly byClient: Sent;
  /** Whatever came: the process that was there when the world opened is the process that answers. */
  expectUnharmed(): Promise<void>;
  /** Ends the product and drops its database. */
  close(): Promise<void>;
};

/** @param env settings over what a start without any would do; it has no worker unless they say so */
export async function startProductWorld(env: Readonly<Record<string, string>> = {}): Promise<ProductWorld> {
  const database = await createTestDatabase();
  try {
    const stores = { databaseUrl: database.url, redisUrl: testRedisUrl() };
    const product = await startProduct({ stores, env: { WORKER_COPIES: '0', ...env } });
    const pid = product.apiPid();
    const openApi = (await send(product.api, 'GET', '/openapi.json')).body;
    const check = createAnswerCheck(openApi);
    const call: ProductWorld['call'] = async (method, path, sent = {}) => {
      const answer = await send(product.api, method, path, sent);
      check(method, path, answer);
      return answer;
    };
    return {
      product,
      databaseUrl: database.url,
      operations: operationsOf(openApi),
      call,
      post: (path, json, sent = {}) => call('POST', path, { json, ...sent }),
      byClient: { basic: product.credentials.client },
      expectUnharmed: async () => {
        expect((await send(product.api, 'GET', '/healthz')).status).toBe(200);
        expect(pid).toBeDefined();
        expect(product.apiPid()).toBe(pid);
      },
      close: async () => {
        await product.dispose();
        await database.drop();
      },
    };
  } catch (err) {
    await database.drop();
    throw err;
  }
}

/** Moves the last use of a login and the end that follows it into the past, as time would. */
export const expireFamily = ({ databaseUrl }: ProductWorld, familyId: string): Promise<unknown> =>
  queryRows(
    databaseUrl,
    `UPDATE refresh_families SET idle_expires_at = now() - interval '1 second', rotated_at = now() - interval '1 day' WHERE id = $1`,
    [familyId],
  );
