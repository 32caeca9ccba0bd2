import { createServer } from 'node:http';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { listening } from '#tools/testing/listening.ts';
import { opened } from '#tools/testing/opened.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import type { Profile } from './profile.ts';
import { createSocialProviders, type SocialProviders } from './providers.ts';

/** What the fake provider answers, by path: a body, a status, or nothing at all. */
const answers = new Map<string, object | number | 'nothing'>();
const asked: { path: string; text: string }[] = [];
const server = createServer(async (request, response) => {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part);
  const path = request.url ?? '';
  asked.push({ path, text: Buffer.concat(parts).toString() + String(request.headers.authorization) });
  const answer = answers.get(path) ?? 404;
  if (answer === 'nothing') return request.socket.destroy();
  response.writeHead(typeof answer === 'number' ? answer : 200, { 'content-type': 'application/json' });
  response.end(typeof answer === 'number' ? '{}' : JSON.stringify(answer));
});
let issuer: string;
let providers: SocialProviders;

const OWN = 'https://auth.example.test';
const TOKEN = '/oauth/token';
const USER = '/api/v4/user';
const ada = { id: 7, state: 'active', username: 'ada', email: 'ada@people.test', email_verified: true };

const site = opened(() => listening(server));
beforeAll(() => {
  issuer = site.url;
  const client = { clientId: 'us', clientSecret: 'our secret', allowPrivateAddresses: true };
  providers = createSocialProviders(
    { gitlab: { ...client, options: { issuer } }, company: { clientId: 'us', issuer, allowPrivateAddresses: true } },
    OWN,
  );
});
beforeEach(() => {
  asked.length = 0;
  answers.clear();
  answers.set(TOKEN, { access_token: 'access', token_type: 'bearer' }).set(USER, ada);
  answers.set('/.well-known/openid-configuration', {
    issuer,
    authorization_endpoint: `${issuer}/authorize`,
    token_endpoint: issuer + TOKEN,
    userinfo_endpoint: issuer + USER,
    jwks_uri: `${issuer}/keys`,
    id_token_signing_alg_values_supported: ['ES256'],
  });
});

const proof = { codeVerifier: 'v'.repeat(43), nonce: 'n'.repeat(43) };
const redeem = (name: string): Promise<Profile | undefined> =>
  Promise.resolve(providers.provider(name)?.redeem({ ...proof, code: 'a-code' }));

describe('a provider without ID tokens', () => {
  test('is trusted for the answer to the token of this exchange', async () => {
    expect(await redeem('gitlab')).toMatchObject({
      providerId: 'gitlab',
      accountId: '7',
      email: 'ada@people.test',
      isEmailVerified: true,
      name: 'ada',
      tokens: { accessToken: 'access' },
    });
    expect(asked.map(({ path }) => path)).toEqual([TOKEN, USER]);
    expect(asked[0]?.text).toContain(`code_verifier=${proof.codeVerifier}`);
    expect(asked[1]?.text).toContain('Bearer access');
  });

  test.each<[string, object]>([
    ['a user blocked by the provider', { ...ada, state: 'blocked' }],
    ['an account without an id', { ...ada, id: undefined }],
    ['an account whose id is null', { ...ada, id: null }],
    ['an account whose id is empty', { ...ada, id: '' }],
    ['an account whose id is too long', { ...ada, id: 'x'.repeat(256) }],
    ['an account whose id contains NUL', { ...ada, id: 'a\0' }],
    ['an account with a list of addresses', { ...ada, email: ['ada@people.test'] }],
    ['an account with an object for an address', { ...ada, email: { address: 'ada@people.test' } }],
    ['an account with NUL in the address', { ...ada, email: 'ada\0@people.test' }],
    ['an account whose display name is an object', { ...ada, name: { given: 'Ada' } }],
    ['an account whose display name contains NUL', { ...ada, name: 'A\0da' }],
  ])('%s is refused', async (_what, user) => {
    answers.set(USER, user);
    await expect(redeem('gitlab')).rejects.toMatchObject({ code: 'social_sign_in_refused' });
  });

  test('values that it omits stay empty', async () => {
    answers.set(USER, { id: 7, state: 'active' });
    expect(await redeem('gitlab')).toMatchObject({ email: null, isEmailVerified: false, name: '' });
  });

  test('that refuses the code makes the sign-in refused; if it fails or hangs up, it is unavailable', async () => {
    answers.set(TOKEN, 400);
    await expect(redeem('gitlab')).rejects.toMatchObject({ code: 'social_sign_in_refused' });
    for (const fault of [500, 'nothing'] as const) {
      answers.set(TOKEN, fault);
      await expect(redeem('gitlab')).rejects.toMatchObject({ code: 'social_provider_unavailable' });
    }
    answers.set(TOKEN, { access_token: 'access' }).set(USER, 'nothing');
    await expect(redeem('gitlab')).rejects.toMatchObject({ code: 'social_provider_unavailable' });
  });
});

describe('an OpenID provider', () => {
  test.each([
    ['a1', 'ok'],
    ['a2', 'social_sign_in_refused'],
    ['', 'social_sign_in_refused'],
    [7, 'social_sign_in_refused'],
  ])('whose user info names %j while its ID token names a1: %s', async (sub, outcome) => {
    const { privateKey, publicKey } = await generateKeyPair('ES256');
    const idToken = await new SignJWT({ iss: issuer, aud: 'us', sub: 'a1', nonce: proof.nonce })
      .setProtectedHeader({ alg: 'ES256' })
      .setIssuedAt()
      .setExpirationTime('10 minutes')
      .sign(privateKey);
    answers
      .set('/keys', { keys: [{ ...(await exportJWK(publicKey)), alg: 'ES256' }] })
      .set(TOKEN, { access_token: 'access', token_type: 'bearer', id_token: idToken })
      .set(USER, { sub, email: 'ada@people.test', email_verified: true });
    const { provider } = createSocialProviders(
      { company: { clientId: 'us', issuer, allowPrivateAddresses: true } },
      OWN,
    );
    const redeemed = provider('company')?.redeem({ ...proof, code: 'a-code' }) ?? Promise.reject(new Error('none'));
    expect(await outcomeOf(redeemed)).toBe(outcome);
  });

  test('that returns no ID token is refused, whatever its user info contains', async () => {
    answers.set(USER, { sub: 'a1', email: 'ada@people.test', email_verified: true });
    await expect(redeem('company')).rejects.toMatchObject({ code: 'social_sign_in_refused' });
    expect(asked.map(({ path }) => path)).not.toContain(USER);
  });

  test.each<[string, object | number | 'nothing', string]>([
    ['hangs up', 'nothing', 'ECONNRESET'],
    ['answers 502', 502, 'answered_502'],
    ['names another issuer', { issuer: 'https://other.test' }, 'issuer_differs'],
    ['names no keys', { jwks_uri: undefined }, 'metadata_unusable'],
    ['answers a list', [], 'metadata_unusable'],
  ])('whose server %s when it is discovered is unavailable, and the log says so', async (_what, answer, code) => {
    const { provider } = createSocialProviders(
      { company: { clientId: 'us', issuer, allowPrivateAddresses: true } },
      OWN,
    );
    const path = '/.well-known/openid-configuration';
    const isChange = typeof answer === 'object' && !Array.isArray(answer);
    answers.set(path, isChange ? { ...(answers.get(path) as object), ...answer } : answer);
    await expect(provider('company')?.authorizationUrl({ ...proof, state: 's' })).rejects.toMatchObject({
      code: 'social_provider_unavailable',
      options: { cause: { code } },
    });
  });

  test('is called as a public client if we have no secret for it', async () => {
    await expect(redeem('company')).rejects.toMatchObject({ code: 'social_sign_in_refused' });
    const exchange = asked.find(({ path }) => path === TOKEN)?.text ?? '';
    expect(exchange).toContain('client_id=us');
    expect(exchange).not.toMatch(/client_secret|Basic/);
  });
});
