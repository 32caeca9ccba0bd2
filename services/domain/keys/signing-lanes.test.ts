import { createHook } from 'node:async_hooks';
import { createSecretKey, generateKeyPairSync, type KeyObject, randomBytes, verify } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { isAppError } from '../../platform/define/error.ts';
import { createSigningLanes } from './signing-lanes.ts';

const rsa = generateKeyPairSync('rsa', { modulusLength: 2_048 });
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });

const signatureOf = (token: string): Buffer => Buffer.from(token.slice(token.lastIndexOf('.') + 1), 'base64url');
const inputOf = (token: string): Buffer => Buffer.from(token.slice(0, token.lastIndexOf('.')));

/** Signatures running in threads: begun and not yet called back. */
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
  test('at most eight signatures are in flight, and all that wait are signed', async () => {
    const lanes = createSigningLanes();
    const counted = countInFlight();
    const inputs = Array.from({ length: 40 }, (_, index) => `header.payload${index}`);
    const tokens = await Promise.all(inputs.map((input) => lanes.sign(input, 'RS256', rsa.privateKey)));
    counted.stop();
    expect(counted.most()).toBe(8);
    expect(tokens.map((token) => inputOf(token).toString())).toEqual(inputs);
    for (const token of tokens) expect(verify('sha256', inputOf(token), rsa.publicKey, signatureOf(token))).toBe(true);
  });

  test('a signature that fails rejects its own caller and lets the next one in', async () => {
    const lanes = createSigningLanes();
    const secret = createSecretKey(randomBytes(32));
    const keys = [...Array(6).fill(secret), rsa.privateKey, secret, rsa.privateKey] as KeyObject[];
    const results = await Promise.allSettled(keys.map((key) => lanes.sign('a.b', 'RS256', key)));
    expect(results.map((result) => result.status)).toEqual(
      keys.map((key) => (key === secret ? 'rejected' : 'fulfilled')),
    );
    await expect(lanes.sign('a.b', 'RS256', rsa.privateKey)).resolves.toMatch(/^a\.b\./);
  });
});

describe('in place', () => {
  test('at most 32 signatures in one turn of the event loop, first in, first out', async () => {
    const lanes = createSigningLanes();
    let turn = 0;
    let isDone = false;
    const tick = (): void => {
      turn += 1;
      if (!isDone) setImmediate(tick);
    };
    setImmediate(tick);
    const finished: { index: number; turn: number }[] = [];
    await Promise.all(
      Array.from({ length: 100 }, (_, index) =>
        lanes.sign(`a.${index}`, 'ES256', ec.privateKey).then(() => finished.push({ index, turn })),
      ),
    );
    isDone = true;
    expect(finished.map(({ index }) => index)).toEqual(Array.from({ length: 100 }, (_, index) => index));
    const perTurn = Object.values(Object.groupBy(finished, (one) => one.turn)).map((group) => group?.length ?? 0);
    expect(Math.max(...perTurn)).toBe(32);
  });

  test('ES256 signatures are R and S side by side, 64 bytes (RFC 7518 §3.4)', async () => {
    const token = await createSigningLanes().sign('a.b', 'ES256', ec.privateKey);
    expect(signatureOf(token)).toHaveLength(64);
    const key = { key: ec.publicKey, dsaEncoding: 'ieee-p1363' } as const;
    expect(verify('sha256', Buffer.from('a.b'), key, signatureOf(token))).toBe(true);
  });

  test('a key of the wrong kind rejects and does not stop the lane', async () => {
    const lanes = createSigningLanes();
    const secret = createSecretKey(randomBytes(32)) as KeyObject;
    await expect(lanes.sign('a.b', 'ES256', secret)).rejects.toThrow();
    await expect(lanes.sign('a.b', 'HS256', secret)).resolves.toMatch(/^a\.b\.[\w-]{43}$/);
  });

  test('a queue longer than any patience is refused with 503, not grown', async () => {
    const lanes = createSigningLanes();
    const results = await Promise.allSettled(
      Array.from({ length: 32 + 8_192 + 2 }, () => lanes.sign('a.b', 'HS256', createSecretKey(randomBytes(32)))),
    );
    const refused = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
    expect(refused).toHaveLength(2);
    expect(isAppError(refused[0]) && refused[0].definition.status).toBe(503);
  });
});
