import { createHook } from 'node:async_hooks';
import { createHmac, createSecretKey, generateKeyPairSync, type KeyObject, randomBytes, verify } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { isAppError } from '#services/platform/define/error.ts';
import { keyRow, KEY_NOW as NOW } from './key-row-harness.ts';
import type { KeyAlgorithm } from './key-timeline.ts';
import type { KeyRow } from './keys.store.ts';
import type { OpenKeys, Signer } from './open-keys.ts';
import { chooseSigner, createSign, type SignerNeeds, signingInput } from './sign.ts';

const rsa = generateKeyPairSync('rsa', { modulusLength: 2_048 });
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const ed = generateKeyPairSync('ed25519');

const signatureOf = (token: string): Buffer => Buffer.from(token.slice(token.lastIndexOf('.') + 1), 'base64url');
const inputOf = (token: string): Buffer => Buffer.from(token.slice(0, token.lastIndexOf('.')));
const inputsOf = (count: number): string[] => Array.from({ length: count }, (_, index) => `header.payload${index}`);

/** Signatures in flight in Node's pool. */
function countInFlight(): { most(): number; stop(): void } {
  const running = new Set<number>();
  let most = 0;
  const hook = createHook({
    init: (id, type) => {
      if (type !== 'SIGNREQUEST') return;
      running.add(id);
      most = Math.max(most, running.size);
    },
    before: (id) => running.delete(id),
  }).enable();
  return { most: () => most, stop: () => hook.disable() };
}

describe('RS256', () => {
  test('at most four signatures are in flight, and all waiting ones are signed', async () => {
    const sign = createSign();
    const counted = countInFlight();
    const inputs = inputsOf(40);
    const tokens = await Promise.all(inputs.map((input) => sign(input, 'RS256', rsa.privateKey)));
    counted.stop();
    expect([counted.most(), tokens.map((token) => inputOf(token).toString())]).toEqual([4, inputs]);
    for (const token of tokens) expect(verify('sha256', inputOf(token), rsa.publicKey, signatureOf(token))).toBe(true);
  });

  test('signatures begin in the order of the calls, also for calls made while others wait', async () => {
    const sign = createSign();
    const begun: string[] = [];
    // The key is first read when its signature begins.
    const keyNamed = (name: string): KeyObject =>
      new Proxy(rsa.privateKey, {
        get: (target, property) => {
          if (begun.at(-1) !== name) begun.push(name);
          return Reflect.get(target, property, target);
        },
      });
    const names = inputsOf(9);
    const first = names.slice(0, 6).map((name) => sign(name, 'RS256', keyNamed(name)));
    await Promise.race(first.map((one) => one.catch(() => {})));
    const rest = names.slice(6).map((name) => sign(name, 'RS256', keyNamed(name)));
    await Promise.allSettled([...first, ...rest]);
    expect(begun).toEqual(names);
  });

  test('a failed signature rejects only its caller, and the next one starts', async () => {
    const sign = createSign();
    const secret = createSecretKey(randomBytes(32));
    const foreign = generateKeyPairSync('x25519').privateKey;
    const keys = [...Array(6).fill(secret), rsa.privateKey, foreign, secret, rsa.privateKey] as KeyObject[];
    const results = await Promise.allSettled(keys.map((key) => sign('a.b', 'RS256', key)));
    expect(results.map((result) => result.status)).toEqual(
      keys.map((key) => (key === rsa.privateKey ? 'fulfilled' : 'rejected')),
    );
    await expect(sign('a.b', 'RS256', rsa.privateKey)).resolves.toMatch(/^a\.b\./);
  });

  test('a full queue answers 503 and does not grow', async () => {
    const sign = createSign();
    // It cannot sign and fails immediately.
    const key = createSecretKey(randomBytes(32));
    const results = await Promise.allSettled(Array.from({ length: 4 + 8_192 + 2 }, () => sign('a.b', 'RS256', key)));
    const refused = results.flatMap((result) =>
      result.status === 'rejected' && isAppError(result.reason) ? [result.reason.definition.status] : [],
    );
    expect(refused).toEqual([503, 503]);
  });
});

describe('in place', () => {
  test('a thousand ES256 signatures verify as RFC 7518 §3.4 writes them: R and S side by side, 64 bytes', async () => {
    const sign = createSign();
    const key = { key: ec.publicKey, dsaEncoding: 'ieee-p1363' } as const;
    for (const input of inputsOf(1_000)) {
      const token = await sign(input, 'ES256', ec.privateKey);
      expect(signatureOf(token)).toHaveLength(64);
      expect(verify('sha256', Buffer.from(input), key, signatureOf(token))).toBe(true);
    }
  });

  test('EdDSA and HS256 sign the same input', async () => {
    const sign = createSign();
    const secret = createSecretKey(randomBytes(32));
    expect(verify(null, Buffer.from('a.b'), ed.publicKey, signatureOf(await sign('a.b', 'EdDSA', ed.privateKey)))).toBe(
      true,
    );
    const mac = createHmac('sha256', secret).update('a.b').digest('base64url');
    expect(await sign('a.b', 'HS256', secret)).toBe(`a.b.${mac}`);
  });

  test('results come in the order of the calls', async () => {
    const sign = createSign();
    const finished: string[] = [];
    const inputs = inputsOf(100);
    await Promise.all(inputs.map((input) => sign(input, 'ES256', ec.privateKey).then(() => finished.push(input))));
    expect(finished).toEqual(inputs);
  });

  test('a key of the wrong type rejects and does not stop the next', async () => {
    const sign = createSign();
    const secret = createSecretKey(randomBytes(32));
    await expect(sign('a.b', 'ES256', secret)).rejects.toThrow();
    await expect(sign('a.b', 'HS256', secret)).resolves.toMatch(/^a\.b\.[\w-]{43}$/);
  });
});

const AUDIENCE = 'https://api.example.test';

const signer = (kid: string, changes: Partial<KeyRow> = {}): Signer => {
  const row = keyRow(kid, changes);
  const key = createSecretKey(Buffer.alloc(32, 1));
  return { row, key, until: row.signs_until ?? Number.POSITIVE_INFINITY, headers: new Map() };
};

const old = signer('old', { signs_until: NOW + 1_000 });
const next = signer('next', { signs_from: NOW + 1_000 });
const shared = signer('shared', { alg: 'HS256', purpose: `hs256:${AUDIENCE}`, signs_until: NOW + 2_000 });
const keys: OpenKeys = {
  verifiers: new Map(),
  signers: new Map([
    ['access', [old, next]],
    [`hs256:${AUDIENCE}`, [shared]],
  ]),
};
const chosen = (
  of: OpenKeys,
  mode: KeyAlgorithm,
  { nowMs = NOW, ...needs }: Partial<SignerNeeds> & { nowMs?: number } = {},
): string | undefined =>
  chooseSigner(of, mode, { typ: 'at+jwt', audience: AUDIENCE, algorithm: undefined, ...needs }, nowMs)?.row.kid;
const none: OpenKeys = { verifiers: new Map(), signers: new Map() };

describe('the key that signs', () => {
  test('changes at one instant: never two, never none', () => {
    const kidAt = (nowMs: number) => chosen(keys, 'RS256', { nowMs });
    expect([kidAt(NOW - 1), kidAt(NOW), kidAt(NOW + 999)]).toEqual([undefined, 'old', 'old']);
    expect([kidAt(NOW + 1_000), kidAt(NOW + 1e12)]).toEqual(['next', 'next']);
    expect(chosen(none, 'RS256')).toBeUndefined();
  });

  test.each([
    ['an access token of its audience, in HS256 mode', 'HS256', 'at+jwt', AUDIENCE, NOW, 'shared'],
    ['the same, after the secret’s range', 'HS256', 'at+jwt', AUDIENCE, NOW + 2_000, 'next'],
    ['another typ', 'HS256', 'JWT', AUDIENCE, NOW, 'old'],
    ['another audience', 'HS256', 'at+jwt', 'https://other.example.test', NOW, 'old'],
    ['an audience that is a list', 'HS256', 'at+jwt', [AUDIENCE], NOW, 'old'],
    ['no audience', 'HS256', 'at+jwt', undefined, NOW, 'old'],
    ['any other mode', 'RS256', 'at+jwt', AUDIENCE, NOW, 'old'],
  ] as const)('a shared secret signs only access tokens of its audience: %s', (_, mode, typ, aud, at, kid) => {
    expect(chosen(keys, mode, { typ, audience: aud, nowMs: at })).toBe(kid);
  });
});

describe('the key of a client registered for an algorithm', () => {
  const es = signer('es', { alg: 'ES256', purpose: 'access:ES256', signs_until: NOW + 1_000 });
  const both: OpenKeys = { ...keys, signers: new Map([...keys.signers, ['access:ES256', [es]]]) };

  test.each([
    ['an additional algorithm has keys of its own', { algorithm: 'ES256' }, 'RS256', 'es'],
    [
      'no key of another algorithm replaces them after their range',
      { algorithm: 'ES256', nowMs: NOW + 1_000 },
      'RS256',
      undefined,
    ],
    ['nor for an algorithm without keys', { algorithm: 'EdDSA' }, 'RS256', undefined],
    ['the default algorithm has the default keys', { algorithm: 'RS256' }, 'RS256', 'old'],
    ['no shared secret signs for it', { algorithm: 'RS256' }, 'HS256', 'old'],
    ['a client registered for none gets the default', {}, 'RS256', 'old'],
  ] as const)('%s', (_, needs, mode, kid) => expect(chosen(both, mode, needs)).toBe(kid));

  test('is the default key from the instant at which that changes to the algorithm', () => {
    const changing: OpenKeys = {
      ...both,
      signers: new Map([
        ['access', [old, signer('next', { alg: 'ES256', signs_from: NOW + 1_000 })]],
        ['access:ES256', [es]],
      ]),
    };
    expect(chosen(changing, 'ES256', { algorithm: 'ES256', nowMs: NOW + 999 })).toBe('es');
    expect(chosen(changing, 'ES256', { algorithm: 'ES256', nowMs: NOW + 1_000 })).toBe('next');
  });
});

describe('what is signed', () => {
  const decoded = (input: string): unknown[] =>
    input.split('.').map((part) => JSON.parse(Buffer.from(part, 'base64url').toString()));

  test('names algorithm, key and typ, even when there are more typs than are cached', () => {
    const one = signer('one');
    for (const round of [1, 2])
      for (let n = 0; n < 20; n += 1)
        expect(decoded(signingInput(one, `type-${n}`, { sub: 'u', round }, NOW))).toEqual([
          { alg: 'RS256', kid: 'one', typ: `type-${n}` },
          { sub: 'u', round },
        ]);
    expect(one.headers.size).toBe(16);
  });

  test('expires before its key leaves the key set: one second more is rounding, two are a defect', () => {
    const exp = (seconds: unknown) => signingInput(old, 'at+jwt', { exp: seconds }, NOW);
    expect(() => exp(NOW / 1_000 + 901)).not.toThrow();
    expect(() => exp(NOW / 1_000 + 902)).toThrow("a token of 902 s outlives its key's 900 s");
    expect(() => exp(undefined)).not.toThrow();
  });
});
