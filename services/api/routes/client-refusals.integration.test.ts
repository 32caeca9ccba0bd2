import { expect, test, vi } from 'vitest';
import { expectProblem, type Json, send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';
import { openAdminHarness } from './admin-harness.ts';

const harness = opened(openAdminHarness);

const written = () => harness.copy.ports.clientRefusals.write();
const whyOf = async (clientId: string): Promise<Json> => {
  await written();
  return (await harness.byAdmin('GET', `/v1/admin/clients/${clientId}/why`)).body;
};
const ask = (path: string, form: Record<string, string>, basic?: { client_id: string; client_secret: string }) =>
  send(harness.copy.url, 'POST', path, { form, ...(basic ? { basic } : {}) });
const causes = ({ refusals }: Json) =>
  refusals.map(({ code, cause, request }: Json) => `${request.endpoint}: ${code}: ${cause}`).sort();

test('a developer’s mistakes at every endpoint of tokens are explained, without what was sent as a secret', async () => {
  const { body: client } = await harness.register({
    grant_types: ['client_credentials', 'authorization_code'],
    redirect_uris: ['https://reports.example/cb'],
  });
  const { client_id: id, client_secret: secret } = client;
  const wrong = { client_id: id, client_secret: 'wrong-secret-of-the-test' };
  const right = { client_id: id, client_secret: secret };
  const answers = [
    await ask('/oauth2/token', { grant_type: 'client_credentials' }, wrong),
    await ask('/oauth2/token', { grant_type: 'password' }, right),
    await ask('/oauth2/token', { grant_type: 'refresh_token', refresh_token: 'token-of-the-test' }, right),
    await ask('/oauth2/par', { response_type: 'code', redirect_uri: 'https://reports.example/cb/?code=1' }, right),
    await ask('/oauth2/device_authorization', { client_id: id }),
    await ask('/oauth2/introspect', { token: 'token-of-the-test' }, right),
    await ask('/oauth2/revoke', { token: 'token-of-the-test' }, wrong),
    await send(harness.copy.url, 'POST', '/v1/tokens', { basic: right, json: { user_id: 'unknown' } }),
    await send(
      harness.copy.url,
      'GET',
      `/oauth2/authorize?client_id=${id}&response_type=code&redirect_uri=https://other.example/cb`,
    ),
    await send(
      harness.copy.url,
      'GET',
      `/oauth2/authorize?client_id=${id}&response_type=token&redirect_uri=https://reports.example/cb`,
    ),
    // Neither is a refusal of what the client sent.
    await ask('/oauth2/token', { grant_type: 'client_credentials' }, right),
    await send(
      harness.copy.url,
      'GET',
      `/oauth2/authorize?client_id=${id}&response_type=code&prompt=none&code_challenge=${'a'.repeat(43)}&code_challenge_method=S256&redirect_uri=https://reports.example/cb`,
    ),
  ];
  expect(answers.map(({ status }) => status)).toEqual([401, 400, 400, 400, 401, 403, 401, 403, 400, 303, 200, 303]);
  const why = await whyOf(id);
  expect(causes(why)).toMatchInlineSnapshot(`
    [
      "GET /oauth2/authorize: response_type_unsupported: the only supported response_type is code",
      "GET /oauth2/authorize: scope_invalid: The client is registered for no scope that means something here.",
      "POST /oauth2/device_authorization: client_unauthenticated: The client sent no credential; it is registered for client_secret_basic.",
      "POST /oauth2/introspect: permission_missing: This requires the permission tokens:introspect.",
      "POST /oauth2/par: request_invalid: The application requested a redirect to an address that is not registered for it.",
      "POST /oauth2/token: client_unauthenticated: The client secret is wrong.",
      "POST /oauth2/token: grant_not_allowed: The grant type is not registered for the client.",
      "POST /oauth2/token: grant_type_unsupported: The server does not support this grant type. Password and implicit grants do not exist (RFC 9700 §2.1.2, §2.4).",
      "POST /v1/tokens: permission_missing: Requires the permission tokens:issue, or a session cookie for a pair of your own. An agent issues for its owner alone.",
    ]
  `);
  expect(JSON.stringify(why)).not.toMatch(/of-the-test/);
  expect(JSON.stringify(why)).not.toContain(secret);
});

test('a token of a client that is refused is counted for that client', async () => {
  const { body: client } = await harness.register({ credential_scopes: ['tokens:read'] });
  const { access_token: token } = (await harness.tokenBy(client)).body;
  expect((await send(harness.copy.url, 'GET', '/oauth2/userinfo', { bearer: token })).status).toBe(403);
  expect(
    (await send(harness.copy.url, 'GET', '/oauth2/userinfo', { bearer: `${token.slice(0, -4)}AAAA` })).status,
  ).toBe(401);
  expect((await whyOf(client.client_id)).refusals.map(({ code }: Json) => code).sort()).toMatchInlineSnapshot(`
    [
      "permission_missing",
      "unauthenticated",
    ]
  `);
});

test('requests that name no client, or none that exists, are counted together, and the list has them', async () => {
  for (let each = 0; each < 3; each += 1)
    await ask(
      '/oauth2/token',
      { grant_type: 'client_credentials' },
      { client_id: `stranger-${each}`, client_secret: 'x' },
    );
  await send(harness.copy.url, 'POST', '/oauth2/token', { form: { grant_type: 'client_credentials' } });
  await written();
  const { body } = await harness.byAdmin('GET', '/v1/admin/clients/refusals');
  const unknown = body.refusals.filter(({ client_id }: Json) => client_id === null);
  expect(unknown).toMatchObject([
    { requests: 3, cause: 'No client has the client_id that the request names.' },
    { requests: 1 },
  ]);
});

test('a client that does not exist is answered so', async () =>
  expectProblem(await harness.byAdmin('GET', '/v1/admin/clients/unknown/why'), 404, 'client_unknown'));

test('a refusal that cannot be counted is answered all the same', async () => {
  const failing = vi.spyOn(harness.copy.ports.clientRefusals, 'add').mockImplementation(() => {
    throw new Error('no memory');
  });
  const { body: client } = await harness.register({ redirect_uris: ['https://reports.example/cb'] });
  const form = { grant_type: 'client_credentials' };
  const page = `/oauth2/authorize?client_id=${client.client_id}&redirect_uri=https://other.example/cb`;
  const answers = [await ask('/oauth2/token', form), await send(harness.copy.url, 'GET', page)];
  expect([answers.map(({ status }) => status), failing.mock.calls.length]).toEqual([[401, 400], 2]);
  failing.mockRestore();
});
