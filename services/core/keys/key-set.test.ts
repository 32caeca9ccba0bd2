import { generateKeyPairSync } from 'node:crypto';
import { expect, test } from 'vitest';
import { keyRow, KEY_NOW as NOW } from './key-row-harness.ts';
import { makeKeySet } from './key-set.ts';
import type { KeyRow } from './keys.store.ts';

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const whole = privateKey.export({ format: 'jwk' });

const key = (kid: string, changes: Partial<KeyRow> = {}): KeyRow =>
  keyRow(kid, { alg: 'ES256', public_key: JSON.stringify(whole), ...changes });
const kidsOf = ({ body }: { readonly body: string }): string[] =>
  JSON.parse(body).keys.map(({ kid }: { kid: string }) => kid);

test('only public members are published, even of a row with the private key in clear', () => {
  expect(whole.d).toBeDefined();
  const { kty, crv, x, y } = whole;
  const { body } = makeKeySet([key('a')], NOW);
  expect(JSON.parse(body)).toEqual({ keys: [{ kty, use: 'sig', alg: 'ES256', kid: 'a', crv, x, y }] });
});

test('shared secrets, compromised keys and retired keys are not published', () => {
  const set = makeKeySet(
    [
      key('waiting', { signs_from: NOW + 1 }),
      key('secret', { alg: 'HS256', purpose: 'hs256:partner', public_key: 'sealed' }),
      key('leaked', { compromised_at: NOW - 1 }),
      key('over', { signs_until: NOW - 1_000, leaves_at: NOW }),
      key('last', { signs_until: NOW - 1_000, leaves_at: NOW + 1 }),
    ],
    NOW,
  );
  expect(kidsOf(set)).toEqual(['waiting', 'last']);
});

test('is valid until the first of its keys leaves, forever where none will', () => {
  const leaving = [key('a', { leaves_at: NOW + 2_000 }), key('b', { leaves_at: NOW + 1_000 }), key('c')];
  expect(makeKeySet(leaving, NOW).until).toBe(NOW + 1_000);
  expect(makeKeySet([key('c')], NOW).until).toBe(Number.POSITIVE_INFINITY);
});

test('has one ETag per body', () => {
  const { etag } = makeKeySet([key('a')], NOW);
  expect(etag).toMatch(/^"[\w-]{22}"$/);
  expect(makeKeySet([key('a')], NOW + 1).etag).toBe(etag);
  expect(makeKeySet([key('b')], NOW).etag).not.toBe(etag);
});
