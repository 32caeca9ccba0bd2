import { createHook } from 'node:async_hooks';
import { createHmac, createSecretKey, generateKeyPairSync, type KeyObject, randomBytes, verify } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { isAppError } from '#services/platform/define/error.ts';
import { createSign } from './sign.ts';

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
    expect(counted.most()).toBe(4);
    expect(tokens.map((token) => inputOf(token).toString())).toEqual(inputs);
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
