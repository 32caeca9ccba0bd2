import { expect, test } from 'vitest';
import { KEY_NOW, keyRow } from './key-row-harness.ts';
import { type KeyView, keyViewOf } from './key-view.ts';
import { keyTimeline } from './list-keys.ts';

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
