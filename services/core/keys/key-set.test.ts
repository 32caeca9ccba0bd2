import { generateKeyPairSync } from 'node:crypto';
import { expect, test } from 'vitest';
import { KEY_NOW, keyRow, KEY_NOW as NOW } from './key-row-harness.ts';
import { makeKeySet } from './key-set.ts';
import { type KeyView, keyViewOf } from './key-view.ts';
import type { KeyRow } from './keys.store.ts';
import { keyTimeline } from './list-keys.ts';

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

const view = (kid: string, times: Partial<KeyView>): KeyView => ({
  kid,
  alg: 'RS256',
  purpose: 'access',
  state: 'active',
  published_at: '2030-01-01T00:00:00.000Z',
  activates_at: '2030-01-02T00:00:00.000Z',
  signs_until: null,
  leaves_at: null,
  compromised_at: null,
  compromise_reason: null,
  ...times,
});

const lines = (keys: readonly KeyView[]): string[] =>
  keyTimeline(keys).map(({ at, kid, event }) => `${at.slice(0, 10)} ${kid} ${event}`);

test('the timeline lists every event of every key in order, including planned ones', () => {
  const one = view('one', { signs_until: '2030-02-01T00:00:00.000Z', leaves_at: '2030-02-02T00:00:00.000Z' });
  const two = view('two', { published_at: '2030-01-31T00:00:00.000Z', activates_at: '2030-02-01T00:00:00.000Z' });
  expect(lines([one, two])).toEqual([
    '2030-01-01 one published',
    '2030-01-02 one signs',
    '2030-01-31 two published',
    '2030-02-01 one stops signing',
    '2030-02-01 two signs',
    '2030-02-02 one leaves the key set',
  ]);
});

test('a compromise ends a key’s timeline; a key that never signed is not listed as signing', () => {
  const signed = view('signed', { compromised_at: '2030-01-05T00:00:00.000Z', leaves_at: '2030-02-02T00:00:00.000Z' });
  const at = '2030-01-01T12:00:00.000Z';
  const never = view('never', { activates_at: at, compromised_at: at });
  expect(lines([signed])).toEqual([
    '2030-01-01 signed published',
    '2030-01-02 signed signs',
    '2030-01-05 signed compromised',
  ]);
  expect(lines([never])).toEqual(['2030-01-01 never published', '2030-01-01 never compromised']);
});

test('nothing of a compromised key is planned after its compromise', () => {
  const times = { signs_until: KEY_NOW + 1_000, leaves_at: KEY_NOW + 2_000, compromised_at: KEY_NOW + 500 };
  const at = new Date(times.compromised_at).toISOString();
  expect(keyViewOf(keyRow('key', times), KEY_NOW)).toMatchObject({ signs_until: at, leaves_at: at });
  const never = keyViewOf(keyRow('key', { ...times, compromised_at: KEY_NOW - 500 }), KEY_NOW);
  expect(never.activates_at).toBe(never.compromised_at);
});
