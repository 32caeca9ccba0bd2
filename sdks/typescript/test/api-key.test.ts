import { expect, test } from 'vitest';
import { type ApiKeyVerifierOptions, createApiKeyVerifier, VerifierError } from '../src/index.ts';
import { createFakeIssuer } from '../src/testing.ts';

const claims = {
  ...{ iss: 'https://auth.test', aud: ['https://notes.test'], sub: 'ada', client_id: 'sallyport', api_key_id: 'k' },
  ...{ exp: 1, scope: 'notes:read', permissions: ['notes:read'] },
};
const asked: { url: string; body: unknown }[] = [];
const answering = (answer: () => Response, options: Partial<ApiKeyVerifierOptions> = {}) =>
  createApiKeyVerifier({
    issuer: 'https://auth.test/',
    fetch: async (url, init) => {
      asked.push({ url: String(url), body: JSON.parse(String(init?.body)) });
      return answer();
    },
    ...options,
  });
const active = () => Response.json({ active: true, claims });
const codeOf = async (work: Promise<unknown>): Promise<unknown> => {
  try {
    return await work;
  } catch (err) {
    return err instanceof VerifierError ? [err.status, err.code] : err;
  }
};

test('an active key gives the claims of its owner; the API is asked each time, with the audience', async () => {
  expect(await answering(active).verify('sp_ak_x')).toEqual(claims);
  const keys = answering(active, { audience: 'https://notes.test', url: 'http://sallyport.internal', allowHttp: true });
  expect(await keys.verify('sp_ak_x', ['notes:read'])).toEqual(claims);
  expect(asked).toEqual([
    { url: 'https://auth.test/v1/api-keys/verify', body: { key: 'sp_ak_x' } },
    { url: 'http://sallyport.internal/v1/api-keys/verify', body: { key: 'sp_ak_x', audience: 'https://notes.test' } },
  ]);
});

test('keys are not sent without TLS, except to loopback or where the service allows it', () => {
  expect(() => answering(active, { url: 'http://auth.test' })).toThrow('url must be https');
  expect(() => answering(active, { url: 'http://127.0.0.1:3000' })).not.toThrow();
});

test('an option that is wrong or misspelt is refused: without its audience, a key would show all permissions', () => {
  expect(() => answering(active, { audiance: 'https://notes.test' } as never)).toThrow('there is no option audiance');
  expect(() => answering(active, { audience: '' })).toThrow('audience must be a text');
  expect(() => answering(active, { timeout: Number.NaN })).toThrow('timeout must be');
});

test('the timeout is in seconds', async () => {
  const silent = answering(() => new Promise(() => {}) as never, { timeout: 0.05 });
  expect(await codeOf(silent.verify('sp_ak_x'))).toEqual([503, 'revocation_state_stale']);
});

test('a key without the permission is 403, one that is not active is 401', async () => {
  expect(await codeOf(answering(active).verify('sp_ak_x', ['notes:write']))).toEqual([403, 'permission_missing']);
  for (const answer of [{ active: false, reason: 'invalid' }, { active: true }, { active: true, claims: {} }])
    expect(await codeOf(answering(() => Response.json(answer)).verify('sp_ak_x'))).toEqual([401, 'unauthenticated']);
  const before = asked.length;
  for (const key of ['', 'x'.repeat(513)])
    expect(await codeOf(answering(active).verify(key))).toEqual([401, 'unauthenticated']);
  expect(asked).toHaveLength(before);
});

test('if the API does not answer, or with something else, the answer is 503 and never a pass', async () => {
  for (const answer of [
    () => new Response('', { status: 503 }),
    () => new Response('<html>'),
    () => new Response('null'),
    () => new Response('{"active":true,"active":false}'),
    () => Promise.reject(new Error('down')) as never,
  ])
    expect(await codeOf(answering(answer).verify('sp_ak_x'))).toEqual([503, 'revocation_state_stale']);
});

test('the fake issuer answers for its keys, until they expire or are revoked', async () => {
  const issuer = await createFakeIssuer();
  const verifierOf = (audience?: string) =>
    createApiKeyVerifier({ issuer: 'https://auth.test', fetch: issuer.fetch, ...(audience ? { audience } : {}) });
  const [keys, key] = [
    verifierOf('https://api.test'),
    issuer.createApiKey({ sub: 'ada', permissions: ['notes:read'] }),
  ];
  expect(await keys.verify(key, ['notes:read'])).toMatchObject({ sub: 'ada', iss: 'https://auth.test' });
  expect(await codeOf(verifierOf('https://other.test').verify(key))).toEqual([401, 'unauthenticated']);
  const other = issuer.createApiKey();
  issuer.revokeApiKey(key);
  expect(await codeOf(keys.verify(key))).toEqual([401, 'unauthenticated']);
  expect((await verifierOf().verify(other)).permissions).toEqual([]);
  issuer.goStale();
  expect(await codeOf(keys.verify(other))).toEqual([503, 'revocation_state_stale']);
  issuer.recover();
  issuer.advance(901);
  expect(await codeOf(keys.verify(other))).toEqual([401, 'unauthenticated']);
});
