import { generateKeyPairSync } from 'node:crypto';
import { expect, test } from 'vitest';
import { insertUser } from '#tools/testing/fixtures/families.ts';
import { openApiHarness } from '#tools/testing/harness/api.ts';
import { startProduct } from '#tools/testing/harness/product.ts';
import { expectProblem, type Received, send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';

const harness = opened(() => openApiHarness());
const copy = opened(() => harness.startCopy({ hashes: false, env: { KEY_RING_BOUND_SECONDS: '2' } }));

const readyz = (): Promise<Received> => send(copy.url, 'GET', '/readyz');

test('with an RSA key below 2048 bits in the ring, a running copy is not ready and signs nothing, and a start fails', async () => {
  const client = await harness.newClient(['tokens:issue']);
  const issue = async (): Promise<Received> =>
    send(copy.url, 'POST', '/v1/tokens', {
      basic: client,
      json: { user_id: await insertUser(copy.stores.pools.main) },
    });
  const { access_token } = (await issue()).body;
  expect((await readyz()).body.components.keys).toBe('ok');

  const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 1_024 });
  await harness.rows`
    INSERT INTO jwks (id, purpose, alg, "publicKey", "privateKey", "expiresAt", signs, longest_token_seconds)
    VALUES ('weak', 'access', 'RS256', ${JSON.stringify(publicKey.export({ format: 'jwk' }))}, '',
      now() + interval '1 day',
      tstzrange(now() - interval '2 days', now() - interval '1 day'), 900)`;

  await expect.poll(async () => (await readyz()).body.components.keys).toBe('stale');
  const answer = await readyz();
  expect([answer.status, answer.body.status]).toEqual([503, 'not_ready']);
  expect(answer.body.components).toMatchObject({ postgres: 'ok', revocations: 'ok' });
  expectProblem(await issue(), 503, 'signing_unavailable');
  // Tokens signed before are still validated.
  const { body } = await send(copy.url, 'POST', '/v1/tokens/validate', { json: { token: access_token } });
  expect(body.active).toBe(true);

  const env = { BETTER_AUTH_SECRET: harness.authSecret };
  const stores = { databaseUrl: harness.databaseUrl, redisUrl: harness.redisUrl };
  await expect(startProduct({ stores, env })).rejects.toThrow(/the start ended \([1-9]\d*\)[\s\S]*too weak/);

  await harness.rows`DELETE FROM jwks WHERE id = 'weak'`;
  await expect.poll(async () => (await readyz()).status).toBe(200);
  expect((await issue()).status).toBe(201);
});
