import { expect, test, vi } from 'vitest';
import { newAssertionMaker } from '#testing/fakes/assertions.ts';
import { CERTIFICATE, derOf } from '#testing/fakes/client-certificates.ts';
import type { GuardedFetch } from '../guarded-fetch.ts';
import { createClientKeySets } from './client-key-sets.ts';

const maker = newAssertionMaker();
const other = newAssertionMaker();
const URI = 'https://app.example/keys';
const remote = (jwksUri = URI, origin: 'admin' | 'registration' = 'admin') => ({
  jwks: null,
  jwks_uri: jwksUri,
  origin,
});
type KeyedClient = Parameters<ReturnType<typeof createClientKeySets>['keysOf']>[0];
const header = (kid: string) => ({ alg: 'ES256', kid });

function harness() {
  let nowMs = 0;
  const served: { keys: unknown; status: number; fails: boolean } = { keys: [maker.jwk], status: 200, fails: false };
  const fetched: string[] = [];
  const rulesSeen: unknown[] = [];
  let gate: Promise<void> = Promise.resolve();
  const fetchGuarded: GuardedFetch = async (rules, url) => {
    fetched.push(url);
    rulesSeen.push(rules);
    await gate;
    if (served.fails) throw new Error('the guard refused it');
    return new Response(JSON.stringify({ keys: served.keys }), { status: served.status });
  };
  const sets = createClientKeySets({ clock: { monotonic: () => nowMs }, allowsPrivate: false }, fetchGuarded);
  const has = async (client: KeyedClient, kid: string) => {
    const keys = await sets.keysOf(client);
    if (keys === null || keys === 'busy') return keys;
    return keys(header(kid)).then(
      () => true,
      () => false,
    );
  };
  return {
    sets,
    served,
    fetched,
    rulesSeen,
    has,
    pass: (seconds: number) => {
      nowMs += seconds * 1_000;
    },
    hold: () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      gate = promise;
      return resolve;
    },
  };
}

test('registered keys are imported once and need no request', async () => {
  const { sets, fetched } = harness();
  const client = { jwks: JSON.stringify({ keys: [maker.jwk] }), jwks_uri: null, origin: 'admin' } as const;
  expect(await sets.keysOf(client)).toBe(await sets.keysOf({ ...client }));
  expect(await sets.newerKeysOf(client)).toBeNull();
  expect(await sets.keysOf({ ...client, jwks: null })).toBeNull();
  expect(fetched).toEqual([]);
});

test('keys at an address are fetched under the guard, once for concurrent requests, and kept for ten minutes', async () => {
  const { sets, fetched, rulesSeen, pass } = harness();
  await Promise.all(Array.from({ length: 20 }, () => sets.keysOf(remote())));
  pass(599);
  await sets.keysOf(remote());
  expect(fetched).toEqual([URI]);
  expect(rulesSeen).toEqual([{ allowsPrivate: false, answerBytesMax: 65_536, deadlineMs: 3_000 }]);
  pass(2);
  await sets.keysOf(remote());
  expect(fetched).toHaveLength(2);
});

test('a new key is fetched at once, then at most every 30 s whatever key ids come', async () => {
  const { sets, fetched, served, has, pass } = harness();
  expect(await has(remote(), maker.jwk.kid)).toBe(true);
  served.keys = [other.jwk];
  expect(await sets.newerKeysOf(remote()), 'within the cool-down').toBeNull();
  pass(30);
  const newer = await sets.newerKeysOf(remote());
  expect(newer).not.toBeNull();
  expect(await has(remote(), other.jwk.kid)).toBe(true);
  expect(await has(remote(), maker.jwk.kid), 'a removed key').toBe(false);
  for (let tries = 0; tries < 5; tries += 1) expect(await sets.newerKeysOf(remote())).toBeNull();
  expect(fetched).toHaveLength(2);
});

test('while its address fails, a set remains in use for an hour, and the address is asked every 30 s', async () => {
  const { sets, fetched, served, has, pass } = harness();
  await sets.keysOf(remote());
  served.fails = true;
  pass(601);
  expect(await has(remote(), maker.jwk.kid)).toBe(true);
  expect(await has(remote(), maker.jwk.kid)).toBe(true);
  expect(fetched).toHaveLength(2);
  pass(3_000);
  expect(await has(remote(), maker.jwk.kid)).toBeNull();
  served.fails = false;
  expect(await has(remote(), maker.jwk.kid), 'within the cool-down').toBeNull();
  pass(30);
  expect(await has(remote(), maker.jwk.kid)).toBe(true);
});

test.each([
  ['an answer that is not 200', { status: 404 }],
  ['a set without usable keys', { keys: [] }],
  ['a set that shows a private key', { keys: [{ ...maker.jwk, d: maker.jwk.x }] }],
  ['a set that is no list', { keys: 7 }],
  ['a request that the guard refuses', { fails: true }],
])('%s gives no keys', async (_name, changes) => {
  const { sets, served } = harness();
  Object.assign(served, changes);
  expect(await sets.keysOf(remote())).toBeNull();
});

test('two addresses of one host are fetched at once, and 32 in all; a set in use is used meanwhile', async () => {
  const { sets, fetched, hold, pass, has } = harness();
  expect(await has(remote(), maker.jwk.kid)).toBe(true);
  pass(700);
  const release = hold();
  const ofHost = [1, 2].map((at) => sets.keysOf(remote(`https://app.example/${at}`)));
  expect(await sets.keysOf(remote('https://app.example/3'))).toBe('busy');
  expect(await sets.certificatesOf(remote('https://app.example/3'))).toBe('busy');
  expect(await has(remote(), maker.jwk.kid), 'a known set of this host').toBe(true);
  expect(await sets.newerKeysOf(remote())).toBeNull();
  const more = Array.from({ length: 30 }, (_, at) => sets.keysOf(remote(`https://h${at}.example/keys`)));
  expect(await sets.keysOf(remote('https://last.example/keys'))).toBe('busy');
  release();
  for (const read of await Promise.all([...ofHost, ...more])) expect(read).toBeTypeOf('function');
  expect(fetched).toHaveLength(33);
  expect(await sets.keysOf(remote('https://last.example/keys'))).toBeTypeOf('function');
});

test('clients that registered themselves take half of the fetches, and displace no set of another client', async () => {
  const { sets, fetched, hold, has } = harness();
  expect(await has(remote(), maker.jwk.kid)).toBe(true);
  for (let at = 0; at < 1_001; at += 1) await sets.keysOf(remote(`https://r${at}.example/keys`, 'registration'));
  const before = fetched.length;
  expect(await has(remote(), maker.jwk.kid)).toBe(true);
  expect(fetched, 'kept').toHaveLength(before);
  const release = hold();
  const held = Array.from({ length: 16 }, (_, at) =>
    sets.keysOf(remote(`https://s${at}.example/keys`, 'registration')),
  );
  expect(await sets.keysOf(remote('https://last.example/keys', 'registration'))).toBe('busy');
  const vetted = [0, 1].map((at) => sets.keysOf(remote(`https://s${at}.example/keys`)));
  release();
  for (const read of await Promise.all([...held, ...vetted])) expect(read).toBeTypeOf('function');
});

test('ports of one host count as one host', async () => {
  const { sets, hold } = harness();
  const release = hold();
  const held = [1, 2].map((port) => sets.keysOf(remote(`https://app.example:${port}/keys`)));
  expect(await sets.keysOf(remote('https://app.example:3/keys'))).toBe('busy');
  release();
  await Promise.all(held);
});

test('a set at an address may have certificates, keys or both', async () => {
  const certificate = { kty: 'EC', x5c: [derOf(CERTIFICATE)] };
  const { sets, served, pass } = harness();
  served.keys = [certificate];
  expect(await sets.certificatesOf(remote())).toEqual([CERTIFICATE.thumbprint]);
  expect(await sets.keysOf(remote()), 'of the same set').toBeNull();
  expect(await sets.newerCertificatesOf(remote()), 'within the cool-down').toBeNull();
  pass(30);
  served.keys = [certificate, maker.jwk];
  expect(await sets.newerCertificatesOf(remote())).toEqual([CERTIFICATE.thumbprint]);
  expect(await sets.keysOf(remote())).toBeTypeOf('function');
  pass(30);
  served.keys = [maker.jwk];
  expect(await sets.newerCertificatesOf(remote())).toBeNull();
  expect(await sets.certificatesOf(remote())).toBeNull();
  pass(30);
  served.keys = [certificate];
  expect(await sets.newerKeysOf(remote())).toBeNull();
  served.fails = true;
  expect(await sets.certificatesOf(remote('https://other.example/keys'))).toBeNull();
});

test('a fetch that never ends is abandoned', async () => {
  vi.useFakeTimers();
  try {
    const sets = createClientKeySets(
      { clock: { monotonic: () => 0 }, allowsPrivate: false },
      () => new Promise<never>(() => {}),
    );
    const read = sets.keysOf(remote());
    await vi.advanceTimersByTimeAsync(5_000);
    expect(await read).toBeNull();
  } finally {
    vi.useRealTimers();
  }
});

test('keeps at most a thousand sets', async () => {
  const { sets, fetched } = harness();
  for (let at = 0; at < 1_001; at += 1) await sets.keysOf(remote(`https://h${at}.example/keys`));
  await sets.keysOf(remote('https://h1000.example/keys'));
  expect(fetched).toHaveLength(1_001);
  await sets.keysOf(remote('https://h0.example/keys'));
  expect(fetched).toHaveLength(1_002);
});
