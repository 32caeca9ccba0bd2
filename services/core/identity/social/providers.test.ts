import { expect, test } from 'vitest';
import { createSocialProviders, socialProviderProblems } from './providers.ts';

const BASE = 'https://auth.example.test';
const client = { clientId: 'id', clientSecret: 'secret' };

test('an unknown provider name requires an issuer; the name `credential` is reserved', () => {
  for (const name of ['acme', 'constructor', '__proto__', 'credential'])
    expect(() => createSocialProviders(Object.fromEntries([[name, client]]), BASE)).toThrow(name);
  expect(() => createSocialProviders({ credential: { ...client, issuer: BASE } }, BASE)).toThrow('credential');
  expect(createSocialProviders({ acme: { ...client, issuer: 'https://login.test' } }, BASE).names).toEqual(['acme']);
});

test('Google and GitHub get state, PKCE and our redirect URI; Google a nonce, too', async () => {
  const { provider, ownOrigin } = createSocialProviders({ google: client, github: client }, BASE);
  expect(ownOrigin).toBe(BASE);
  expect(provider('gitlab')).toBeUndefined();
  const request = { state: 's'.repeat(43), codeVerifier: 'v'.repeat(43), nonce: 'n'.repeat(43) };
  for (const [name, origin] of [
    ['google', 'https://accounts.google.com'],
    ['github', 'https://github.com'],
  ] as const) {
    const url = new URL((await provider(name)?.authorizationUrl(request)) as string);
    expect(url.origin).toBe(origin);
    expect(Object.fromEntries(url.searchParams)).toMatchObject({
      client_id: 'id',
      response_type: 'code',
      redirect_uri: `${BASE}/api/auth/callback/${name}`,
      state: request.state,
      code_challenge_method: 'S256',
      ...(name === 'google' ? { nonce: request.nonce } : {}),
    });
    expect(url.href).not.toContain(request.codeVerifier);
    expect(url.href).not.toContain('secret');
  }
});

const REQUEST = { state: 's'.repeat(43), codeVerifier: 'v'.repeat(43), nonce: 'n'.repeat(43) };
const cognito = { domain: 'login.example.test', region: 'eu-west-1', userPoolId: 'eu-west-1_ab12' };

test('passes options to the provider: Cognito by its domain, one tenant of Microsoft, TikTok by its key, PayPal live', async () => {
  const { provider } = createSocialProviders(
    {
      cognito: { ...client, options: cognito },
      microsoft: { ...client, options: { tenantId: 'one-tenant' } },
      tiktok: { ...client, options: { clientKey: 'the-key' } },
      paypal: { ...client, options: { environment: 'live' } },
    },
    BASE,
  );
  const urlOf = async (name: string) => new URL((await provider(name)?.authorizationUrl(REQUEST)) as string);
  const pool = await urlOf('cognito');
  expect(pool.origin + pool.pathname).toBe('https://login.example.test/oauth2/authorize');
  expect(pool.searchParams.get('redirect_uri')).toBe(`${BASE}/api/auth/callback/cognito`);
  expect((await urlOf('microsoft')).pathname).toBe('/one-tenant/oauth2/v2.0/authorize');
  expect((await urlOf('tiktok')).searchParams.get('client_key')).toBe('the-key');
  expect((await urlOf('paypal')).host).toBe('www.paypal.com');
});

test('no option overrides the client', async () => {
  const options = { ...cognito, clientId: 'other', clientSecret: 'other' };
  const { provider } = createSocialProviders({ cognito: { ...client, options } }, BASE);
  expect(new URL((await provider('cognito')?.authorizationUrl(REQUEST)) as string).searchParams.get('client_id')).toBe(
    'id',
  );
});

test('missing settings are found before any sign-in, and reported without values', async () => {
  const problems = await socialProviderProblems(
    {
      google: client,
      github: client,
      cognito: { ...client, options: { domain: cognito.domain } },
      paypal: { clientId: 'id' },
      tiktok: client,
      acme: client,
      login: { ...client, issuer: 'https://login.test' },
      company: { ...client, issuer: 'https://login.test', options: { a: 'b' } },
    },
    BASE,
  );
  expect(Object.fromEntries(problems.map(({ name, problem }) => [name, problem]))).toEqual({
    cognito: 'DOMAIN_AND_REGION_REQUIRED',
    paypal: 'CLIENT_ID_AND_SECRET_REQUIRED',
    tiktok: 'has no client_key',
    acme: expect.stringContaining('set its issuer'),
    company: 'takes no options beside an issuer',
  });
  expect(JSON.stringify(problems)).not.toContain(cognito.domain);
  expect(await socialProviderProblems({ cognito: { ...client, options: cognito } }, BASE)).toEqual([]);
});
