import type { FastifyRequest } from 'fastify';
import { expect, onTestFinished, test } from 'vitest';
import { createCallerResolver } from '#services/api/requests/caller.ts';
import { readRevocationsEndpoint } from '#services/core/revocations/contract.ts';
import { newPerson } from '#tools/testing/flows/people.ts';
import { openApiHarness } from '#tools/testing/harness/api.ts';
import { basicHeader, expectOAuthError, expectProblem, send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { hasWings } from '#tools/testing/processes/child-env.ts';
import { startTcpProxy } from '#tools/testing/processes/tcp-proxy.ts';

const REGISTRATIONS = 100;
const UNKNOWN_IDS = 10_000;

const harness = opened(openApiHarness);
const link = opened(() => startTcpProxy(harness.databaseUrl));
const near = opened(() => harness.startCopy({ hashes: false }));
/** Reaches PostgreSQL through the link, and polls so rarely that a new client is never known without a look. */
const far = opened(() => {
  const env = { REVOCATION_POLL_MS: '10000', REVOCATION_STALENESS_MS: '60000' };
  return harness.startCopy({ hashes: false, env, databaseUrl: link.url });
});
const admin = opened(() => newPerson(near, ['admin']));

const tokenAtFar = (basic: { client_id: string; client_secret: string }) =>
  send(far.url, 'POST', '/oauth2/token', { basic, form: { grant_type: 'client_credentials' } });

test.runIf(hasWings)(
  'an agent registered at one copy gets its first token at another, at once, a hundred times',
  async () => {
    const json = {
      name: 'Agent',
      owner_id: (await newPerson(near, ['developer'])).id,
      reason: 'test',
      dpop_bound_access_tokens: false,
    };
    for (let at = 0; at < REGISTRATIONS; at += 1) {
      const made = await send(near.url, 'POST', '/v1/admin/agents', { bearer: admin.bearer, json });
      const basic = { client_id: made.body.agent_id, client_secret: made.body.client_secret };
      expect([at, (await tokenAtFar(basic)).status]).toEqual([at, 200]);
    }
  },
);

test('an API key made at one copy is accepted and verified by another at once', async () => {
  for (const use of ['bearer', 'verify'] as const) {
    const json = { name: use, permissions: ['keys:read'] };
    const made = await send(near.url, 'POST', '/v1/api-keys', { bearer: admin.bearer, json });
    expect(made.status).toBe(201);
    const key = made.body.secret;
    if (use === 'bearer') expect((await send(far.url, 'GET', '/v1/keys', { bearer: key })).status).toBe(200);
    else
      expect((await send(far.url, 'POST', '/v1/api-keys/verify', { json: { key } })).body).toMatchObject({
        active: true,
      });
  }
});

test('a secret rotated at one copy is accepted by another at once, and the wrong one still refused', async () => {
  const client = await harness.newClient(['tokens:read']);
  const path = `/v1/admin/clients/${client.client_id}/rotate-secret`;
  const rotated = await send(near.url, 'POST', path, { bearer: admin.bearer, json: { reason: 'test' } });
  expect(rotated.status).toBe(200);
  expect((await tokenAtFar({ ...client, client_secret: rotated.body.client_secret })).status).toBe(200);
  const refused = await tokenAtFar({ ...client, client_secret: 'wrong' });
  expectOAuthError(refused, 401, 'invalid_client', 'client_unauthenticated');
});

test('ten thousand unknown ids, and wrong secrets of a known one, ask the database five times a second', async () => {
  const { client_id: known } = await harness.newClient(['tokens:read']);
  const resolve = createCallerResolver(far.authenticators).forEndpoint(readRevocationsEndpoint);
  const ask = (id: string): Promise<string> => {
    const headers = { authorization: basicHeader({ client_id: id, client_secret: 'wrong' }) };
    return outcomeOf(Promise.resolve(resolve({ headers, method: 'GET', url: '/' } as unknown as FastifyRequest)));
  };
  const before = link.messages();
  const startedAt = performance.now();
  const answers = new Set<string>();
  for (let wave = 0; wave < 10; wave += 1) {
    const ids = Array.from({ length: UNKNOWN_IDS / 10 }, (_, at) => (at % 10 === 0 ? known : `unknown-${wave}-${at}`));
    for (const answer of await Promise.all(ids.map(ask))) answers.add(answer);
  }
  const looks = (performance.now() - startedAt) / 200 + 1;
  expect([...answers]).toEqual(['client_unauthenticated']);
  // The regular polls and what else a quiet copy asks are among them.
  expect(link.messages() - before).toBeLessThan(10 * looks);
});

test('while the database does not answer, an unknown id is 503 and not refused', async () => {
  link.freeze();
  onTestFinished(() => link.thaw());
  const basic = { client_id: 'unknown', client_secret: 'x' };
  expectProblem(await send(far.url, 'GET', '/v1/revocations', { basic }), 503, 'directory_stale');
});
