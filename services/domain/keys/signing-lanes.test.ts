import { createHook } from 'node:async_hooks';
import { createSecretKey, generateKeyPairSync, type KeyObject, randomBytes, verify } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { isAppError } from '../../platform/define/error.ts';
import type { RsaSigner } from '../ports.ts';
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
  test('Node’s pool works on four signatures at most, and all that wait are signed', async () => {
    const lanes = createSigningLanes();
    const counted = countInFlight();
    const inputs = Array.from({ length: 40 }, (_, index) => `header.payload${index}`);
    const tokens = await Promise.all(inputs.map((input) => lanes.sign(input, 'RS256', rsa.privateKey)));
    counted.stop();
    expect(counted.most()).toBe(4);
    expect(tokens.map((token) => inputOf(token).toString())).toEqual(inputs);
    for (const token of tokens) expect(verify('sha256', inputOf(token), rsa.publicKey, signatureOf(token))).toBe(true);
  });

  test('a signature that fails rejects its own caller and lets the next one in', async () => {
    const lanes = createSigningLanes();
    const secret = createSecretKey(randomBytes(32));
    const foreign = generateKeyPairSync('x25519').privateKey;
    const keys = [...Array(6).fill(secret), rsa.privateKey, foreign, secret, rsa.privateKey] as KeyObject[];
    const results = await Promise.allSettled(keys.map((key) => lanes.sign('a.b', 'RS256', key)));
    expect(results.map((result) => result.status)).toEqual(
      keys.map((key) => (key === rsa.privateKey ? 'fulfilled' : 'rejected')),
    );
    await expect(lanes.sign('a.b', 'RS256', rsa.privateKey)).resolves.toMatch(/^a\.b\./);
  });
});

/** A signer whose batches are answered by the test. */
function heldSigner(lanes: number, maxBatch: number) {
  const batches: { inputs: readonly string[]; key: KeyObject; answer: () => void; fail: () => void }[] = [];
  const signer: RsaSigner = {
    lanes,
    maxBatch,
    sign: (inputs, key) =>
      new Promise((resolve, reject) => {
        const answer = (): void => resolve(inputs.map((input) => `signed-${input}`));
        batches.push({ inputs, key, answer, fail: () => reject(new Error('gone')) });
      }),
  };
  return { signer, batches };
}

describe('RS256 in threads of our own', () => {
  const other = generateKeyPairSync('rsa', { modulusLength: 2_048 });

  test('a lone one waits for nothing; with every thread at work a batch grows, of one key, up to its limit', async () => {
    const { signer, batches } = heldSigner(2, 3);
    const lanes = createSigningLanes(signer);
    const keys = [...Array(7).fill(rsa.privateKey), other.privateKey, rsa.privateKey] as KeyObject[];
    const tokens = keys.map((key, index) => lanes.sign(String(index), 'RS256', key));
    expect(batches.map(({ inputs }) => inputs)).toEqual([['0'], ['1']]);
    for (let index = 0; index < 6; index += 1) {
      batches[index]?.answer();
      await nextTurn();
    }
    expect(batches.map(({ inputs }) => inputs)).toEqual([['0'], ['1'], ['2', '3', '4'], ['5', '6'], ['7'], ['8']]);
    expect(batches[4]?.key).toBe(other.privateKey);
    expect(await Promise.all(tokens)).toEqual(keys.map((_, index) => `${index}.signed-${index}`));
  });

  test('between a few answers of a batch everybody else gets a turn', async () => {
    const { signer, batches } = heldSigner(1, 16);
    const lanes = createSigningLanes(signer);
    let answered = 0;
    for (let index = 0; index < 11; index += 1)
      void lanes.sign(String(index), 'RS256', rsa.privateKey).then(() => (answered += 1));
    batches[0]?.answer();
    await nextTurn();
    expect([answered, batches[1]?.inputs.length]).toEqual([1, 10]);
    batches[1]?.answer();
    const inEachTurn: number[] = [];
    while (answered < 11) {
      const before = answered;
      await nextTurn();
      inEachTurn.push(answered - before);
    }
    expect(Math.max(...inEachTurn)).toBeLessThanOrEqual(4);
  });

  test('what the threads fail to sign is signed in Node’s pool', async () => {
    const { signer, batches } = heldSigner(1, 16);
    const lanes = createSigningLanes(signer);
    const tokens = ['a.0', 'a.1', 'a.2'].map((input) => lanes.sign(input, 'RS256', rsa.privateKey));
    for (let index = 0; index < 2; index += 1) {
      batches[index]?.fail();
      await tokens[index];
    }
    for (const token of await Promise.all(tokens))
      expect(verify('sha256', inputOf(token), rsa.publicKey, signatureOf(token))).toBe(true);
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
