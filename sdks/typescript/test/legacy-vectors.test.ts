import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { LegacyVector } from '../../../conformance/cases/legacy.ts';
import { createVerifier, type LegacyIssuer, type Verifier, type VerifierOptions } from '../src/index.ts';

const file = JSON.parse(readFileSync(new URL('../../../conformance/legacy-vectors.json', import.meta.url), 'utf8')) as {
  readonly issuer: string;
  readonly audience: string;
  readonly legacy: LegacyIssuer;
  readonly keySets: Readonly<Record<string, unknown>>;
  readonly feed: { readonly jws: string };
  readonly vectors: readonly LegacyVector[];
};

type World = { readonly verifier: Verifier; readonly reads: () => number; setNow(seconds: number): void };

function worldOf({ keys, feed, now }: Pick<LegacyVector, 'keys' | 'feed' | 'now'>, more = {}): World {
  let [nowSeconds, reads] = [now, 0];
  const options: VerifierOptions = {
    issuer: file.issuer,
    audience: file.audience,
    legacy: file.legacy,
    now: () => nowSeconds * 1_000,
    log: () => {},
    fetch: async (input) => {
      const url = String(input);
      if (url === `${file.issuer}/.well-known/jwks.json`) return new Response(JSON.stringify(file.keySets.ours));
      if (url.startsWith(`${file.issuer}/v1/revocations`)) return new Response(file.feed.jws);
      expect(url).toBe(file.legacy.jwksUri);
      reads += 1;
      return keys === 'unreachable'
        ? new Response(null, { status: 503 })
        : new Response(JSON.stringify(file.keySets[keys]));
    },
    ...(feed ? { clientId: 'reader', clientSecret: 'x' } : { feed: 'off' }),
    ...more,
  };
  return {
    verifier: createVerifier(options),
    reads: () => reads,
    setNow: (seconds) => {
      nowSeconds = seconds;
    },
  };
}

test('answers the code of every vector of the old provider, at first and from its cache, marked', async () => {
  const wrong: string[] = [];
  for (const vector of file.vectors) {
    const { verifier } = worldOf(vector);
    const { scopes, permissions } = vector;
    for (const use of ['first', 'second']) {
      const result = await verifier.verify(vector.token, { scopes, permissions });
      const kind = result.ok ? (result.issuerKind ?? null) : null;
      if (result.code !== vector.code || kind !== vector.issuerKind)
        wrong.push(`${vector.name} (${use}): ${result.code} ${kind}, not ${vector.code} ${vector.issuerKind}`);
    }
    verifier.close();
  }
  expect(wrong).toEqual([]);
  expect(file.vectors.length).toBeGreaterThan(45);
});

const active = file.vectors[0] as LegacyVector;

describe('the keys of the old provider', () => {
  test('are read once for many tokens, and its unknown kids read them again only after the cooldown', async () => {
    const { verifier, reads, setNow } = worldOf(active);
    const unknown = file.vectors.find(({ name }) => name === 'a key that it does not publish') as LegacyVector;
    await Promise.all(Array.from({ length: 50 }, () => verifier.verify(active.token)));
    expect(reads()).toBe(1);
    for (let times = 0; times < 20; times += 1) await verifier.verify(unknown.token);
    expect(reads()).toBe(2);
    setNow(active.now + 11);
    await verifier.verify(unknown.token);
    expect(reads()).toBe(3);
  });

  test('that cannot be read are not asked for by every request', async () => {
    const { verifier, reads } = worldOf({ ...active, keys: 'unreachable' });
    for (let times = 0; times < 20; times += 1)
      expect(await verifier.verify(active.token)).toMatchObject({ code: 'key_ring_behind', status: 503 });
    expect(reads()).toBe(1);
  });

  test('are kept for as many tokens as the cache holds', async () => {
    const { verifier } = worldOf(active, { cacheSize: 0 });
    for (let times = 0; times < 3; times += 1) expect((await verifier.verify(active.token)).ok).toBe(true);
  });
});

test.each([
  [{ issuer: '' }, /legacy.issuer is required/],
  [{ issuer: file.issuer }, /another issuer/],
  [{ until: '2027-01-31' }, /legacy.until/],
  [{ until: '2027-13-31T00:00:00Z' }, /legacy.until/],
  [{ jwksUri: 'http://old.example/jwks' }, /legacy.jwksUri/],
  [{ jwksUri: 'https://a:b@old.example/jwks' }, /legacy.jwksUri/],
  [{ jwksUri: 'jwks' }, /legacy.jwksUri/],
  [{ end: 'x' }, /no option legacy.end/],
])('%o is refused as an option', (changes, message) => {
  expect(() => createVerifier({ issuer: file.issuer, feed: 'off', legacy: { ...file.legacy, ...changes } })).toThrow(
    message,
  );
});
