import { randomUUID } from 'node:crypto';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { insertUser } from '#testing/fixtures/families.ts';
import { patiently } from '#testing/flows/flows.ts';
import { newSignedIn } from '#testing/flows/signed-in.ts';
import type { ApiCopy } from '#testing/harness/api.ts';
import { type ApiHarness, openApiHarness } from '#testing/harness/api.ts';
import type { ClientCredentials } from '#testing/http-client.ts';
import { type Received, send } from '#testing/http-client.ts';

let harness: ApiHarness;
let api: ApiCopy;
let trusted: ClientCredentials;
beforeAll(async () => {
  harness = await openApiHarness();
  api = await harness.startCopy({ hashes: false });
  trusted = await harness.newClient(['tokens:issue']);
});
afterAll(() => harness?.close());

const newUser = () => newSignedIn(api);

describe('idempotency', () => {
  /** As clients do: a 503 is retried with the same key. */
  const issueWith = (key: string, body: object, client = trusted): Promise<Received> => {
    const headers = { 'idempotency-key': key };
    return patiently(() => send(api.url, 'POST', '/v1/tokens', { basic: client, headers, json: body }));
  };
  const familiesOf = async (userId: string): Promise<number> =>
    (await harness.rows('SELECT 1 FROM refresh_families WHERE user_id = $1', [userId])).length;

  test('twenty concurrent requests with one key create one token family and get one pair', async () => {
    const { id: userId } = await newUser();
    const before = await familiesOf(userId);
    const key = randomUUID();
    const answers = await Promise.all(Array.from({ length: 20 }, () => issueWith(key, { user_id: userId })));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201]));
    expect(new Set(answers.map(({ body }) => body.refresh_token)).size).toBe(1);
    expect(new Set(answers.map(({ body }) => decodeJwt(body.access_token).jti)).size).toBe(1);
    expect(await familiesOf(userId)).toBe(before + 1);
    const rows = await harness.rows(
      `SELECT 1 FROM audit_outbox WHERE type = 'token.family_created' AND detail ->> 'user_id' = $1`,
      [userId],
    );
    expect(rows).toHaveLength(before + 1);
  });

  test('the stored row contains neither the tokens nor the key in clear', async () => {
    const { id: userId } = await newUser();
    const key = randomUUID();
    const { body } = await issueWith(key, { user_id: userId });
    const rows = await harness.rows('SELECT * FROM idempotency_keys');
    const dump = rows
      .map((row: object) =>
        Object.values(row)
          .map((value) => (Buffer.isBuffer(value) ? value.toString('latin1') : String(value)))
          .join(),
      )
      .join();
    expect(dump).not.toContain(body.refresh_token.split('.')[3]);
    expect(dump).not.toContain(key);
    expect(dump).not.toContain(decodeJwt(body.access_token).jti);
  });

  test('a failed request stores no key: the retry may succeed', async () => {
    const key = randomUUID();
    const userId = randomUUID();
    expect((await issueWith(key, { user_id: userId })).status).toBe(404);
    await insertUser(api.stores.pools.main, userId);
    expect((await issueWith(key, { user_id: userId })).status).toBe(201);
  });

  test('an expired key is free again', async () => {
    const { id: userId } = await newUser();
    const key = randomUUID();
    const first = await issueWith(key, { user_id: userId });
    await harness.rows(`UPDATE idempotency_keys SET expires_at = now() - interval '1 second'`);
    const second = await issueWith(key, { user_id: userId });
    expect(second.body.refresh_token).not.toBe(first.body.refresh_token);
  });
});
