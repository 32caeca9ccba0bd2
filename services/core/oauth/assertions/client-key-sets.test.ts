import { expect, onTestFinished, test, vi } from 'vitest';
import { newAssertionMaker } from '#tools/testing/fakes/assertions.ts';
import { CERTIFICATE, derOf } from '#tools/testing/fakes/client-certificates.ts';
import type { GuardedFetch } from '../guarded-fetch.ts';
import { type ClientKeySets, createClientKeySets, KeysNotRead } from './client-key-sets.ts';

const maker = newAssertionMaker();
const other = newAssertionMaker();
const URI = 'https://app.example/keys';
const remote = (jwksUri = URI, origin: 'admin' | 'registration' = 'admin') => ({
  jwks: null,
  jwks_uri: jwksUri,
  origin,
});
type KeyedClient = Parameters<ClientKeySets['decideByKeys']>[0];
/** What is decided by; or why nothing is. */
const known = <T>(asked: Promise<T | KeysNotRead>): Promise<T | KeysNotRead['why']> =>
  asked.then((found) => (found instanceof KeysNotRead ? found.why : found));
const keysOf = (sets: ClientKeySets, client: KeyedClient) =>
  known(
    sets.decideByKeys(
      client,
      (keys) => keys,
      () => false,
    ),
  );
const newerKeysOf = (sets: ClientKeySets, client: KeyedClient) =>
  known(
    sets.decideByKeys(
      client,
      (keys) => keys,
      () => true,
    ),
  );
const certificatesOf = (sets: ClientKeySets, client: KeyedClient) =>
  known(
    sets.decideByCertificates(
      client,
      (thumbprints) => thumbprints,
      () => false,
    ),
  );
const newerCertificatesOf = (sets: ClientKeySets, client: KeyedClient) =>
  known(
    sets.decideByCertificates(
      client,
      (thumbprints) => thumbprints,
      () => true,
    ),
  );
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
    const keys = await keysOf(sets, client);
    if (typeof keys === 'string') return keys;
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
  const { sets, fetched, has } = harness();
  const client = { jwks: JSON.stringify({ keys: [maker.jwk] }), jwks_uri: null, origin: 'admin' } as const;
  expect(await keysOf(sets, client)).toBe(await keysOf(sets, { ...client }));
  expect(await newerKeysOf(sets, client)).toBe(await keysOf(sets, client));
  expect(await has({ ...client, jwks: null }, maker.jwk.kid), 'a client without keys').toBe(false);
  expect(fetched).toEqual([]);
});

test('keys at an address are fetched under the guard, once for concurrent requests, and kept for ten minutes', async () => {
  const { sets, fetched, rulesSeen, pass } = harness();
  await Promise.all(Array.from({ length: 20 }, () => keysOf(sets, remote())));
  pass(599);
  await keysOf(sets, remote());
  expect(fetched).toEqual([URI]);
  expect(rulesSeen).toEqual([{ allowsPrivate: false, answerBytesMax: 65_536, deadlineMs: 3_000 }]);
  pass(2);
  await keysOf(sets, remote());
  expect(fetched).toHaveLength(2);
});

test('a new key is fetched at once, then at most every 30 s whatever key ids come', async () => {
  const { sets, fetched, served, has, pass } = harness();
  expect(await has(remote(), maker.jwk.kid)).toBe(true);
  served.keys = [other.jwk];
  expect(await newerKeysOf(sets, remote()), 'within the cool-down').toBe('unread');
  pass(30);
  expect(await newerKeysOf(sets, remote())).toBeTypeOf('function');
  expect(await has(remote(), other.jwk.kid)).toBe(true);
  expect(await has(remote(), maker.jwk.kid), 'a removed key').toBe(false);
  for (let tries = 0; tries < 5; tries += 1) expect(await newerKeysOf(sets, remote())).toBe('unread');
  expect(fetched).toHaveLength(2);
});

test('while its address fails, a set remains in use for an hour, and the address is asked every 30 s', async () => {
  const { sets, fetched, served, has, pass } = harness();
  await keysOf(sets, remote());
  served.fails = true;
  pass(601);
  expect(await has(remote(), maker.jwk.kid)).toBe(true);
  expect(await has(remote(), maker.jwk.kid)).toBe(true);
  expect(fetched).toHaveLength(2);
  pass(3_000);
  expect(await has(remote(), maker.jwk.kid)).toBe('unread');
  served.fails = false;
  expect(await has(remote(), maker.jwk.kid), 'within the cool-down').toBe('unread');
  pass(30);
  expect(await has(remote(), maker.jwk.kid)).toBe(true);
});

test('an address whose keys were never read is asked again after 1 s, 2 s … 30 s, and as before once they were read', async () => {
  const { sets, fetched, served, has, pass } = harness();
  served.fails = true;
  const asked: number[] = [];
  const ask = () =>
    sets.decideByKeys(
      remote(),
      () => 'decided',
      () => false,
    );
  for (const seconds of [1, 2, 4, 8, 16, 30, 30]) {
    expect(await ask()).toEqual(new KeysNotRead('unread', seconds));
    pass(seconds - 0.5);
    expect(await ask(), 'within the cool-down').toEqual(new KeysNotRead('unread', 1));
    pass(0.5);
    asked.push(fetched.length);
  }
  expect(asked).toEqual([1, 2, 3, 4, 5, 6, 7]);
  served.fails = false;
  expect(await has(remote(), maker.jwk.kid)).toBe(true);
  expect(await newerKeysOf(sets, remote()), 'read once').toBe('unread');
  pass(29);
  expect(await newerKeysOf(sets, remote())).toBe('unread');
  pass(1);
  expect(await newerKeysOf(sets, remote())).toBeTypeOf('function');
});

test('the wait begins when the fetch failed, however long it took', async () => {
  const { sets, fetched, served, hold, pass } = harness();
  served.fails = true;
  const release = hold();
  const first = keysOf(sets, remote());
  pass(3);
  release();
  await first;
  expect(await keysOf(sets, remote())).toBe('unread');
  expect(fetched).toHaveLength(1);
});

test('the address of a client that registered itself is asked every 30 s even if its keys were never read', async () => {
  const { sets, fetched, served, pass } = harness();
  served.fails = true;
  const unvetted = remote(URI, 'registration');
  expect(await keysOf(sets, unvetted)).toBe('unread');
  pass(29);
  expect(await keysOf(sets, unvetted)).toBe('unread');
  expect(fetched).toHaveLength(1);
  pass(1);
  await keysOf(sets, unvetted);
  expect(fetched).toHaveLength(2);
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
  expect(await keysOf(sets, remote())).toBe('unread');
});

test('two addresses of one host are fetched at once, and 32 in all; a set in use is used meanwhile', async () => {
  const { sets, fetched, hold, pass, has } = harness();
  expect(await has(remote(), maker.jwk.kid)).toBe(true);
  pass(700);
  const release = hold();
  const ofHost = [1, 2].map((at) => keysOf(sets, remote(`https://app.example/${at}`)));
  expect(await keysOf(sets, remote('https://app.example/3'))).toBe('busy');
  expect(await certificatesOf(sets, remote('https://app.example/3'))).toBe('busy');
  expect(await has(remote(), maker.jwk.kid), 'a known set of this host').toBe(true);
  expect(await newerKeysOf(sets, remote())).toBe('busy');
  const more = Array.from({ length: 30 }, (_, at) => keysOf(sets, remote(`https://h${at}.example/keys`)));
  expect(await keysOf(sets, remote('https://last.example/keys'))).toBe('busy');
  release();
  for (const read of await Promise.all([...ofHost, ...more])) expect(read).toBeTypeOf('function');
  expect(fetched).toHaveLength(33);
  expect(await keysOf(sets, remote('https://last.example/keys'))).toBeTypeOf('function');
});

test('clients that registered themselves take half of the fetches, and displace no set of another client', async () => {
  const { sets, fetched, hold, has } = harness();
  expect(await has(remote(), maker.jwk.kid)).toBe(true);
  for (let at = 0; at < 1_001; at += 1) await keysOf(sets, remote(`https://r${at}.example/keys`, 'registration'));
  const before = fetched.length;
  expect(await has(remote(), maker.jwk.kid)).toBe(true);
  expect(fetched, 'kept').toHaveLength(before);
  const release = hold();
  const held = Array.from({ length: 16 }, (_, at) =>
    keysOf(sets, remote(`https://s${at}.example/keys`, 'registration')),
  );
  expect(await keysOf(sets, remote('https://last.example/keys', 'registration'))).toBe('busy');
  const vetted = [0, 1].map((at) => keysOf(sets, remote(`https://s${at}.example/keys`)));
  release();
  for (const read of await Promise.all([...held, ...vetted])) expect(read).toBeTypeOf('function');
});

test('ports of one host count as one host', async () => {
  const { sets, hold } = harness();
  const release = hold();
  const held = [1, 2].map((port) => keysOf(sets, remote(`https://app.example:${port}/keys`)));
  expect(await keysOf(sets, remote('https://app.example:3/keys'))).toBe('busy');
  release();
  await Promise.all(held);
});

test('a key that is not known yet is wrong only by a set that was read after the question', async () => {
  const { sets, fetched, served, hold, pass } = harness();
  const ask = (kid: string) =>
    sets.decideByKeys(
      remote(),
      (keys) =>
        keys(header(kid)).then(
          () => 'ok',
          () => 'unknown',
        ),
      (found) => found === 'unknown',
    );
  expect(await ask('of a stranger'), 'the first read is after the question').toBe('unknown');
  pass(10);
  served.keys = [maker.jwk, other.jwk];
  // Strangers neither make the new key a wrong one nor cause another fetch.
  for (const kid of ['of a stranger', other.jwk.kid]) expect(await ask(kid)).toEqual(new KeysNotRead('unread', 20));
  expect(await ask(maker.jwk.kid)).toBe('ok');
  expect(fetched).toHaveLength(1);
  pass(20);
  const release = hold();
  const first = ask('of a stranger');
  await vi.waitFor(() => expect(fetched).toHaveLength(2));
  pass(1);
  const during = ask('published while the set is read');
  release();
  expect(await first).toBe('unknown');
  expect(await during).toEqual(new KeysNotRead('unread', 29));
  expect(await ask(other.jwk.kid)).toBe('ok');
  expect(fetched).toHaveLength(2);
});

test('a set at an address may have certificates, keys or both', async () => {
  const certificate = { kty: 'EC', x5c: [derOf(CERTIFICATE)] };
  const { sets, served, pass, has } = harness();
  served.keys = [certificate];
  expect(await certificatesOf(sets, remote())).toEqual([CERTIFICATE.thumbprint]);
  expect(await has(remote(), maker.jwk.kid), 'of the same set').toBe(false);
  expect(await newerCertificatesOf(sets, remote()), 'within the cool-down').toBe('unread');
  pass(30);
  served.keys = [certificate, maker.jwk];
  expect(await newerCertificatesOf(sets, remote())).toEqual([CERTIFICATE.thumbprint]);
  expect(await keysOf(sets, remote())).toBeTypeOf('function');
  pass(30);
  served.keys = [maker.jwk];
  expect(await newerCertificatesOf(sets, remote())).toEqual([]);
  expect(await certificatesOf(sets, remote())).toEqual([]);
  pass(30);
  served.keys = [certificate];
  expect(await newerKeysOf(sets, remote())).toBeTypeOf('function');
  expect(await has(remote(), maker.jwk.kid)).toBe(false);
  served.fails = true;
  expect(await certificatesOf(sets, remote('https://other.example/keys'))).toBe('unread');
});

test('a fetch that never ends is abandoned', async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const sets = createClientKeySets(
    { clock: { monotonic: () => 0 }, allowsPrivate: false },
    () => new Promise<never>(() => {}),
  );
  const read = keysOf(sets, remote());
  await vi.advanceTimersByTimeAsync(5_000);
  expect(await read).toBe('unread');
});

test('keeps at most a thousand sets', async () => {
  const { sets, fetched } = harness();
  for (let at = 0; at < 1_001; at += 1) await keysOf(sets, remote(`https://h${at}.example/keys`));
  await keysOf(sets, remote('https://h1000.example/keys'));
  expect(fetched).toHaveLength(1_001);
  await keysOf(sets, remote('https://h0.example/keys'));
  expect(fetched).toHaveLength(1_002);
});
