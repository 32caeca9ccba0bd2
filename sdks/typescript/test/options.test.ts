import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { requireAuthorization } from '../src/claims.ts';
import { CODES, createVerifier, DEFAULTS, VerifierError, type VerifierOptions } from '../src/index.ts';
import { createFakeIssuer } from '../src/testing.ts';

const base: VerifierOptions = { issuer: 'https://auth.test', feed: 'off' };
const SECRET = 'x'.repeat(32);

describe('options', () => {
  test.each<[Partial<VerifierOptions>, RegExp]>([
    [{ issuer: '' }, /issuer is required/],
    [{ issuer: 'auth' }, /issuer is not a URL/],
    [{ url: 'ftp://auth.test' }, /must be https/],
    [{ url: 'http://auth.test' }, /allowHttp/],
    [{ url: 'http://127.0.0.1.attacker.example' }, /allowHttp/],
    [{ url: 'https://a:b@auth.test' }, /credentials/],
    [{ url: 'https://auth.test/?a=1' }, /query/],
    [{ allowHttp: 'false' as never }, /allowHttp/],
    [{ audience: '' }, /audience must be/],
    [{ requiredScopes: 'tasks' as never }, /requiredScopes/],
    [{ requiredScope: ['tasks'] } as never, /there is no option requiredScope/],
    [{ algorithms: 'RS256' as never }, /algorithms/],
    [{ algorithms: [] }, /algorithms/],
    [{ algorithms: ['none' as never] }, /algorithms/],
    [{ algorithms: ['HS256'] }, /HS256 needs secret/],
    [{ secret: SECRET }, /name 'HS256' in algorithms/],
    [{ algorithms: ['HS256'], secret: 'short' }, /at least 32 bytes/],
    [{ algorithms: ['HS256'], secret: [SECRET, 'short'] }, /at least 32 bytes/],
    [{ clockSkew: 61 }, /clockSkew must be/],
    [{ maxStale: Number.NaN }, /maxStale must be/],
    [{ timeout: 0 }, /timeout must be/],
    [{ cacheSize: '1' as never }, /cacheSize must be/],
    [{ feed: 'push' as never }, /feed must be/],
    [{ onStale: 'x' as never }, /onStale must be/],
    [{ feed: 'poll' }, /needs clientId and clientSecret/],
    [{ feed: 'sse', clientId: 'a' }, /needs clientId and clientSecret/],
    [{ feed: undefined }, /needs clientId and clientSecret/],
    [{ feed: 'file' }, /needs feedFile/],
    [{ onStale: 'introspect' }, /needs clientId and clientSecret/],
  ])('%o are refused', (changes, message) => expect(() => createVerifier({ ...base, ...changes })).toThrow(message));

  test.each<Partial<VerifierOptions>>([
    {},
    { url: 'http://localhost:3000' },
    { url: 'http://127.0.0.1:3000/' },
    { url: 'http://[::1]:3000' },
    { url: 'http://auth:3000', allowHttp: true },
    { algorithms: ['HS256'], secret: SECRET },
    { algorithms: ['RS256', 'HS256'], secret: [SECRET, SECRET] },
    { clockSkew: 0, cacheSize: 0, maxStale: 0, jwksCooldown: 0 },
  ])('%o are accepted', (changes) => expect(() => createVerifier({ ...base, ...changes })).not.toThrow());

  test('the API is asked with the client, encoded as RFC 6749 says', async () => {
    const sent: unknown[] = [];
    const verifier = createVerifier({
      ...base,
      feed: 'poll',
      clientId: 'a:b',
      clientSecret: 'c d+é',
      url: 'https://auth.test/base/',
      fetch: async (input, init) => {
        sent.push([String(input), new Headers(init?.headers).get('authorization'), init?.redirect]);
        const jwk = { kty: 'OKP', crv: 'Ed25519', x: `${'A'.repeat(42)}E`, kid: 'a', alg: 'EdDSA' };
        return Response.json({ keys: [jwk] });
      },
    });
    await verifier.refresh();
    verifier.close();
    expect(sent).toEqual([
      ['https://auth.test/base/.well-known/jwks.json', null, 'manual'],
      ['https://auth.test/base/v1/revocations?since=0', `Basic ${btoa('a%3Ab:c+d%2B%C3%A9')}`, 'manual'],
    ]);
  });
});

describe('HS256', () => {
  test('verifies with the secret named, with each of several, and without a request', async () => {
    const issuer = await createFakeIssuer({ algorithm: 'HS256', secret: SECRET });
    const own = { ...issuer.options, feed: 'off' as const };
    const token = await issuer.mint();
    const codeWith = async (changes: Partial<VerifierOptions>): Promise<string> =>
      (await createVerifier({ ...own, ...changes }).verify(token)).code;
    expect(await codeWith({})).toBe('active');
    expect(await codeWith({ secret: ['y'.repeat(32), SECRET] })).toBe('active');
    expect(await codeWith({ secret: 'y'.repeat(32) })).toBe('bad_signature');
    expect(issuer.requests.size).toBe(0);
    expect(await codeWith({ algorithms: ['ES256'], secret: undefined })).toBe('unknown_key');
  });
});

test('the constants are those of the contract that all languages share', () => {
  const contract = JSON.parse(readFileSync(new URL('../../../conformance/contract.json', import.meta.url), 'utf8')) as {
    options: Record<string, { default?: unknown }>;
    codes: Record<string, unknown>;
  };
  const defaults = Object.entries(contract.options).filter(([, option]) => 'default' in option);
  expect(DEFAULTS).toEqual(Object.fromEntries(defaults.map(([name, option]) => [name, option.default])));
  expect(CODES).toEqual(contract.codes);
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  for (const name of Object.keys(contract.options)) expect(readme).toContain(`| \`${name}\` `);
  for (const code of Object.keys(contract.codes)) expect(readme).toContain(`\`${code}\``);
});

test('verifyOrThrow throws an error with the code, the status and no part of the token', async () => {
  const issuer = await createFakeIssuer();
  const verifier = createVerifier({ ...issuer.options, feed: 'off' });
  const token = await issuer.mint({ aud: 'https://other.test' });
  const err = await verifier.verifyOrThrow(token).catch((thrown: unknown) => thrown);
  expect(err).toBeInstanceOf(VerifierError);
  expect(err).toMatchObject({ code: 'wrong_audience', status: 401, retryable: false });
  expect(String((err as Error).stack)).not.toContain(token.slice(-20));
  expect(await verifier.verifyOrThrow(await issuer.mint({ sub: 'ada' }))).toMatchObject({ claims: { sub: 'ada' } });
});

test('ready tells that the API gives no keys or no revocations', async () => {
  const issuer = await createFakeIssuer();
  issuer.goStale();
  await expect(createVerifier({ ...issuer.options, feedInterval: 60 }).ready()).rejects.toMatchObject({
    code: 'key_ring_behind',
  });
  issuer.recover();
  const wrongClient = createVerifier({ ...issuer.options, clientSecret: 'wrong', feedInterval: 60 });
  await expect(wrongClient.ready()).rejects.toMatchObject({ code: 'client_refused', status: 503 });
  wrongClient.close();
});

test('an error that onEvent throws stops nothing', async () => {
  const issuer = await createFakeIssuer();
  let events = 0;
  const verifier = createVerifier({
    ...issuer.options,
    feedInterval: 0.05,
    onEvent: () => {
      events += 1;
      throw new Error('the log is full');
    },
  });
  const token = await issuer.mint();
  expect((await verifier.verify(token)).code).toBe('active');
  await issuer.revoke(token);
  await expect.poll(async () => (await verifier.verify(token)).code).toBe('revoked');
  verifier.close();
  expect(events).toBeGreaterThan(1);
});

test('anything that is not a text is a malformed token', async () => {
  const issuer = await createFakeIssuer();
  const verifier = createVerifier({ ...issuer.options, feed: 'off' });
  for (const token of [undefined, null, 1, {}, ['a']])
    expect((await verifier.verify(token as never)).code).toBe('malformed');
});

test('the cache keeps at most as many tokens as it may', async () => {
  const issuer = await createFakeIssuer();
  const verifier = createVerifier({ ...issuer.options, feed: 'off', cacheSize: 10 });
  const tokens = await Promise.all(Array.from({ length: 50 }, () => issuer.mint()));
  for (const token of [...tokens, ...tokens]) {
    expect((await verifier.verify(token)).code).toBe('active');
    expect(verifier.state().cachedTokens).toBeLessThanOrEqual(10);
  }
  const none = createVerifier({ ...issuer.options, feed: 'off', cacheSize: 0 });
  await none.verify(tokens[0] as string);
  expect(none.state().cachedTokens).toBe(0);
});

test('a detail that is not granted with these exact members is refused as authorization_missing', () => {
  const payment = { type: 'payment', amount: { currency: 'EUR', value: 5 }, to: ['Ann'] };
  const find = (fits: Parameters<typeof requireAuthorization>[2]) =>
    requireAuthorization({ authorization_details: [{ type: 'order', to: ['Ann'] }, payment] }, 'payment', fits);
  expect(find({ to: ['Ann'], amount: { value: 5, currency: 'EUR' } })).toBe(payment);
  expect(find(({ to }) => Array.isArray(to))).toBe(payment);
  for (const members of [{ to: ['Ann', 'Eve'] }, { to: 'Ann' }, { amount: { value: 5 } }, { iban: undefined }])
    expect(() => find(members)).toThrow(expect.objectContaining({ code: 'authorization_missing', status: 403 }));
});
