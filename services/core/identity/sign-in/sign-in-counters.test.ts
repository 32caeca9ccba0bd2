import { expect, test } from 'vitest';
import type { KeyRing } from '#services/core/keys/key-ring.ts';
import type { Sql, Tx } from '#services/core/ports.ts';
import { counterKey, PASSWORD_FAILURES_EVER, refusedSeconds } from './sign-in-counters.ts';
import { forgiveSignIn } from './sign-in-guard.ts';

const ring = (versions: readonly number[]): KeyRing =>
  ({
    secret: () => ({ version: 2, key: Buffer.alloc(32, 2) }),
    secretVersion: (_: string, version: number) => (versions.includes(version) ? Buffer.alloc(32, version) : undefined),
  }) as unknown as KeyRing;

test('a counter is keyed with the first version of its secret, so that a rotation resets nothing, or else with the current version', () => {
  const first = counterKey(ring([1, 2]), 'account', 'a@b.test');
  expect(first).toMatch(/^account:[\w-]{22}$/);
  expect(counterKey(ring([1]), 'account', 'a@b.test')).toBe(first);
  expect(counterKey(ring([]), 'account', 'a@b.test')).toBe(counterKey(ring([]), 'account', 'a@b.test'));
  expect(counterKey(ring([]), 'account', 'a@b.test')).not.toBe(first);
  expect(counterKey(ring([1]), 'device', 'a@b.test').slice(7)).not.toBe(first.slice(8));
});

test('the longest lock applies; a hundred failures disable a password, but not a network', () => {
  const counter = (key: string, failures: number, seconds: number) => ({ key, failures, locked_seconds: seconds });
  expect(refusedSeconds([], [counter('account:a', PASSWORD_FAILURES_EVER, 900)])).toBe(0);
  expect(refusedSeconds(['account:a', 'network:n'], [counter('account:a', 5, 60), counter('network:n', 9, 90)])).toBe(
    90,
  );
  expect(refusedSeconds(['account:a'], [counter('account:a', PASSWORD_FAILURES_EVER, 0)])).toBe(86_400);
  expect(refusedSeconds(['network:n'], [counter('network:n', PASSWORD_FAILURES_EVER, 0)])).toBe(0);
});

test('a correct password is refused if its counter was exhausted in the meantime, with or without a lock', async () => {
  const forgiving = (row: object): Tx => ({ query: async () => [row], afterCommit: () => {} }) as unknown as Tx & Sql;
  const admitted = { isKnownDevice: false, lockingKeys: [], clearedKeys: [], identifier: '', accountKey: '' };
  const row = (locked_seconds: number) => forgiving({ is_refused: true, locked_seconds, tried_names: 0 });
  const of = (seconds: number) => forgiveSignIn(row(seconds), admitted).catch((err) => err.options);
  expect(await of(60)).toMatchObject({ retryAfterSeconds: 60 });
  expect(await of(0)).toMatchObject({ retryAfterSeconds: 86_400 });
});
