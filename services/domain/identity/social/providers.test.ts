import { expect, test } from 'vitest';
import { createSocialProviders } from './providers.ts';

const BASE = 'https://auth.example.test';
const client = { clientId: 'id', clientSecret: 'secret' };

test('a name that nobody knows needs its issuer; the name of the password is nobody’s', () => {
  for (const name of ['nobody', 'constructor', '__proto__', 'credential'])
    expect(() => createSocialProviders(Object.fromEntries([[name, client]]), BASE)).toThrow(name);
  expect(() => createSocialProviders({ credential: { ...client, issuer: BASE } }, BASE)).toThrow('credential');
  expect(createSocialProviders({ nobody: { ...client, issuer: 'https://login.test' } }, BASE).names).toEqual([
    'nobody',
  ]);
});

test('Google and GitHub are asked with state, PKCE and our own address; Google with a nonce, too', async () => {
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
