import { createRemoteJWKSet, decodeProtectedHeader, jwtVerify } from 'jose';
import { describe, expect, test } from 'vitest';
import { eventually } from '#tools/testing/eventually.ts';
import { newAssertionMaker } from '#tools/testing/fakes/assertions.ts';
import { type ApiCopy, openApiHarness } from '#tools/testing/harness/api.ts';
import { type ClientCredentials, type Received, send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';

const harness = opened(() => openApiHarness());
const env = { JWT_ADDITIONAL_ALGORITHMS: 'ES256' };
const api = opened(() => harness.startCopy({ hashes: false, env }));
const other = opened(() => harness.startCopy({ hashes: false, env }));
const operator = opened(() => harness.newClient(['keys:read', 'keys:manage', 'clients:manage']));

const reason = 'test';
const by = (method: 'POST' | 'PATCH', path: string, json: object): Promise<Received> =>
  send(api.url, method, path, { json, basic: operator });
const newClient = async (algorithms: object = {}): Promise<Received['body']> => {
  const made = await by('POST', '/v1/admin/clients', {
    name: 'App',
    grant_types: ['client_credentials'],
    reason,
    ...algorithms,
  });
  expect(made.status, made.text).toBe(201);
  return made.body;
};
const tokenOf = async ({ client_id, client_secret }: ClientCredentials, copy: ApiCopy = api): Promise<string> => {
  const ask = () =>
    send(copy.url, 'POST', '/oauth2/token', {
      basic: { client_id, client_secret },
      form: { grant_type: 'client_credentials' },
    });
  const answer = await eventually('the copy to know the client', async () => {
    const received = await ask();
    return received.status === 200 && received;
  });
  return answer.body.access_token;
};
const algOf = (token: string): string => decodeProtectedHeader(token).alg ?? '';
/** What the copy says once it can: a busy one may not have the newest keys or revocations, and answers 503 then. */
const verdictOf = async (token: string, copy: ApiCopy): Promise<string> => {
  const { body } = await eventually('a verdict of the copy', async () => {
    const answer = await send(copy.url, 'POST', '/v1/tokens/validate', { json: { token } });
    return answer.status !== 503 && answer;
  });
  return body.active ? 'active' : body.reason;
};

describe('algorithms of clients', () => {
  test('are set and read over the admin API, and each copy signs with them; one key set verifies all tokens', async () => {
    const modern = await newClient({
      access_token_signed_response_alg: 'ES256',
      id_token_signed_response_alg: 'ES256',
    });
    expect(modern).toMatchObject({ access_token_signed_response_alg: 'ES256', id_token_signed_response_alg: 'ES256' });
    const plain = await newClient();
    expect(plain).toMatchObject({ access_token_signed_response_alg: null, id_token_signed_response_alg: null });
    const keySet = createRemoteJWKSet(new URL('/.well-known/jwks.json', other.url));
    for (const copy of [api, other])
      for (const [client, alg] of [
        [modern, 'ES256'],
        [plain, 'RS256'],
      ] as const) {
        const token = await tokenOf(client, copy);
        expect(algOf(token)).toBe(alg);
        await jwtVerify(token, keySet, { typ: 'at+jwt' });
        for (const at of [api, other]) expect(await verdictOf(token, at)).toBe('active');
      }
  });

  test('that change leave earlier tokens valid at every copy', async () => {
    const client = await newClient();
    const before = await tokenOf(client);
    const path = `/v1/admin/clients/${client.client_id}`;
    await by('PATCH', path, { access_token_signed_response_alg: 'ES256', reason });
    const after = await tokenOf(client);
    expect(algOf(after)).toBe('ES256');
    expect((await by('PATCH', path, { access_token_signed_response_alg: null, reason })).body).toMatchObject({
      access_token_signed_response_alg: null,
    });
    expect(algOf(await tokenOf(client))).toBe('RS256');
    for (const token of [before, after])
      for (const copy of [api, other]) expect(await verdictOf(token, copy)).toBe('active');
  });

  test('of the profile fapi2 are not RS256, though that is the default', async () => {
    const keys = { jwks: { keys: [newAssertionMaker().jwk] } };
    const made = await newClient({ profile: 'fapi2', ...keys });
    const es256 = { access_token_signed_response_alg: 'ES256', id_token_signed_response_alg: 'ES256' };
    expect(made).toMatchObject(es256);
    const moved = await newClient({ ...keys, auth_method: 'private_key_jwt', id_token_signed_response_alg: 'RS256' });
    const path = `/v1/admin/clients/${moved.client_id}`;
    expect((await by('PATCH', path, { profile: 'fapi2', reason })).body).toMatchObject({ profile: 'fapi2', ...es256 });
    const refused = await by('PATCH', path, { access_token_signed_response_alg: 'RS256', reason });
    expect([refused.status, refused.body.code]).toEqual([400, 'client_settings_conflict']);
    // The default of the installation is RS256.
    const unset = { access_token_signed_response_alg: null, id_token_signed_response_alg: null, reason };
    expect((await by('PATCH', path, unset)).body).toMatchObject({ profile: 'fapi2', ...es256 });
  });

  test('that are not signed here are refused with those that are', async () => {
    const refused = await by('POST', '/v1/admin/clients', {
      name: 'App',
      grant_types: [],
      id_token_signed_response_alg: 'EdDSA',
      reason,
    });
    expect([refused.status, refused.body]).toMatchObject([
      400,
      {
        code: 'signing_algorithm_refused',
        detail: 'id_token_signed_response_alg EdDSA is not signed here. Clients can be registered for: RS256, ES256.',
      },
    ]);
    const unknown = { name: 'App', grant_types: [], id_token_signed_response_alg: 'HS256', reason };
    expect((await by('POST', '/v1/admin/clients', unknown)).body.code).toBe('request_invalid');
  });
});

test('discovery lists the algorithms of ID tokens', async () => {
  const { body } = await send(api.url, 'GET', '/.well-known/openid-configuration');
  expect(body.id_token_signing_alg_values_supported).toEqual(['ES256', 'RS256']);
});

test('the keys of each algorithm rotate by themselves, and a compromise of one leaves the tokens of the other valid', async () => {
  const modern = await newClient({ access_token_signed_response_alg: 'ES256' });
  const [es, rs] = [await tokenOf(modern), await tokenOf(await newClient())];
  const rotated = await by('POST', '/v1/keys/rotate', { algorithm: 'ES256' });
  expect([rotated.status, rotated.body]).toMatchObject([
    202,
    { alg: 'ES256', state: 'pending', purpose: 'access:ES256' },
  ]);
  const refused = await by('POST', '/v1/keys/rotate', { algorithm: 'EdDSA' });
  expect([refused.status, refused.body.code]).toEqual([400, 'signing_algorithm_refused']);
  const { body: listed } = await send(api.url, 'GET', '/v1/keys', { basic: operator });
  expect(listed.keys.filter(({ alg }: { alg: string }) => alg === 'RS256')).toHaveLength(1);

  const { kid } = decodeProtectedHeader(es);
  const { body } = await by('POST', `/v1/keys/${kid}/compromise`, { reason });
  expect(body).toMatchObject({ state: 'compromised', signer: { alg: 'ES256', state: 'active' } });
  // Validation asks no store: a copy knows a replacement, which signs at once, when it knows of the compromise.
  for (const copy of [api, other])
    await eventually('a refusal by the copy', async () => (await verdictOf(es, copy)) === 'key_compromised');
  for (const copy of [api, other]) {
    expect(await verdictOf(rs, copy)).toBe('active');
    const next = await tokenOf(modern, copy);
    expect(algOf(next)).toBe('ES256');
    expect(await verdictOf(next, other)).toBe('active');
  }
});

test('a copy that starts without an algorithm that clients are registered for issues and accepts their tokens', async () => {
  const client = await newClient({ access_token_signed_response_alg: 'ES256' });
  const older = await harness.startCopy({ hashes: false });
  for (const copy of [older, api]) {
    await copy.ports.keyRing.load();
    const token = await tokenOf(client, copy);
    expect([algOf(token), await verdictOf(token, other)]).toEqual(['ES256', 'active']);
  }
});
