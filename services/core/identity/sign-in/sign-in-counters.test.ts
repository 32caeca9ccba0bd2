import { describe, expect, test } from 'vitest';
import type { KeyRing } from '#services/core/keys/key-ring.ts';
import type { Sql, Tx } from '#services/core/ports.ts';
import { noCountry } from '#services/platform/geo/country-table.ts';
import type { SignInAnswer } from '../sessions/open-session.ts';
import { DEVICE_COOKIE_SECONDS, deviceSetCookie, knownDevice, withDevice } from './device-cookie.ts';
import { counterKey, PASSWORD_FAILURES_EVER, refusedSeconds } from './sign-in-counters.ts';
import { forgiveSignIn } from './sign-in-guard.ts';
import { isAnotherPlace } from './sign-in-origin.ts';

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

test('another place is another network together with another user agent; a difference in only one is ordinary', () => {
  const own = { ipAddress: '192.0.2.1', userAgent: 'Firefox' };
  const is = (ip: string | null, agent: string | null, at = own) => isAnotherPlace(at, { ip, agent }, noCountry);
  expect([is('203.0.113.1', 'Safari'), is('203.0.113.1', null)]).toEqual([true, true]);
  expect([is('192.0.2.1', 'Safari'), is('203.0.113.1', 'Firefox')]).toEqual([false, false]);
  expect(is(null, 'Safari')).toBe(false);
  expect(isAnotherPlace({ ...own, ipAddress: null }, { ip: '203.0.113.1', agent: 'Safari' }, noCountry)).toBe(false);
  const v6 = { ...own, ipAddress: '2001:db8:0:1::1' };
  expect(is('2001:db8:0:1::9', 'Safari', v6), 'one /64 is one network').toBe(false);
  expect(is('2001:db8:0:2::9', 'Safari', v6)).toBe(true);
});

test('both loopback addresses are one place: a browser and curl on one machine', () => {
  for (const [one, other] of [
    ['127.0.0.1', '::1'],
    ['::1', '127.0.0.1'],
    ['127.0.0.1', '0000:0000:0000:0000:0000:0000:0000:0000'],
  ] as const)
    expect(isAnotherPlace({ ipAddress: one, userAgent: 'curl/8' }, { ip: other, agent: 'Chrome' }, noCountry)).toBe(
      false,
    );
  const outside = { ip: '203.0.113.1', agent: 'Chrome' };
  expect(isAnotherPlace({ ipAddress: '::1', userAgent: 'curl/8' }, outside, noCountry)).toBe(true);
});

test('where both countries are known, their distance is compared instead', () => {
  const countryOf = (ip: string | null) => ({ '192.0.2.1': 'DE', '203.0.113.1': 'DE' })[ip ?? ''] ?? null;
  const own = { ipAddress: '192.0.2.1', userAgent: 'Firefox' };
  expect(isAnotherPlace(own, { ip: '203.0.113.1', agent: 'Safari' }, countryOf)).toBe(false);
  expect(isAnotherPlace(own, { ip: '198.51.100.1', agent: 'Safari' }, countryOf)).toBe(true);
});

const KEY = Buffer.alloc(32, 7);
const START_MS = 1_800_000_000_000;

function browser(startMs = START_MS) {
  let nowMs = startMs;
  let given = 0;
  const ports = {
    clock: { now: () => nowMs, monotonic: () => nowMs },
    random: {
      bytes: (count: number) => {
        given += 1;
        return Buffer.alloc(count, given);
      },
      uuid: () => '',
    },
    keyRing: {
      secret: () => ({ version: 2, key: KEY }),
      secretVersion: (_purpose: string, version: number) => (version === 2 ? KEY : undefined),
    },
  };
  let cookie: string | undefined;
  return {
    ports,
    wait: (seconds: number) => {
      nowMs += seconds * 1_000;
    },
    signIn: (email: string, isSecure = false) => {
      const line = deviceSetCookie(ports, { cookie, isSecure, email });
      cookie = line.split(';', 1)[0];
      return line;
    },
    cookie: () => cookie,
    knows: (email: string, sent = cookie, isSecure = false) => knownDevice(ports, { cookie: sent, isSecure, email }),
  };
}

describe('the cookie of a known device', () => {
  test('identifies a browser that has signed in, for that address only', () => {
    const { signIn, knows } = browser();
    signIn('ada@people.test');
    expect(knows('ada@people.test')?.id).toMatch(/^[\w-]{22}$/);
    expect(knows('eve@people.test')).toBeNull();
    expect(knows('ada@people.test', undefined)).not.toBeNull();
    expect(knows('ada@people.test', 'other=1')).toBeNull();
  });

  test('is hidden from scripts, and outside of development bound to its host', () => {
    const { signIn, knows, cookie } = browser();
    expect(signIn('ada@people.test')).toMatch(
      /^sallyport\.device=2\.\d+\.[\w-]{22}\.[\w-]{43}; Path=\/; Max-Age=15552000; HttpOnly; SameSite=Lax$/,
    );
    expect(signIn('ada@people.test', true)).toMatch(/^__Host-sallyport\.device=.*; SameSite=Lax; Secure$/);
    expect(knows('ada@people.test', cookie(), true)).not.toBeNull();
    expect(knows('ada@people.test', cookie(), false)).toBeNull();
  });

  test('is rejected if a byte is changed, its key is deleted or its format differs', () => {
    const { signIn, knows, cookie } = browser();
    signIn('ada@people.test');
    const sent = cookie() as string;
    const last = sent.at(-2);
    for (const forged of [
      `${sent.slice(0, -2)}${last === 'A' ? 'B' : 'A'}${sent.at(-1)}`,
      sent.replace('=2.', '=1.'),
      sent.replace('=2.', '=2.9'),
      sent.slice(0, -1),
      'sallyport.device=',
      `sallyport.device=${'~'.repeat(5_000)}`,
    ])
      expect(knows('ada@people.test', forged), forged.slice(0, 80)).toBeNull();
  });

  test('expires 180 days after the last sign-in, by our clock', () => {
    const { signIn, knows, wait } = browser();
    signIn('ada@people.test');
    const first = knows('ada@people.test');
    wait(DEVICE_COOKIE_SECONDS - 1);
    expect(knows('ada@people.test')).toEqual(first);
    signIn('ada@people.test');
    wait(DEVICE_COOKIE_SECONDS - 1);
    expect(knows('ada@people.test'), 'keeps the device id after another sign-in').toEqual(first);
    wait(1);
    expect(knows('ada@people.test')).toBeNull();
  });

  test('is rejected if issued before the password changed, however many cookies the browser kept', () => {
    const { ports, signIn, knows, cookie, wait } = browser();
    signIn('ada@people.test');
    const since = (ms: number) =>
      knownDevice(ports, {
        cookie: cookie(),
        isSecure: false,
        email: 'ada@people.test',
        since: new Date(START_MS + ms),
      });
    expect(since(999)).toEqual(knows('ada@people.test'));
    expect(since(1_000)).toBeNull();
    wait(1);
    signIn('ada@people.test');
    expect(since(1_000)).not.toBeNull();
  });

  test('a browser remembers four users; a fifth replaces the first', () => {
    const { signIn, knows } = browser();
    const people = ['a', 'b', 'c', 'd', 'e'].map((name) => `${name}@people.test`);
    for (const email of people) signIn(email);
    expect(people.map((email) => knows(email) !== null)).toEqual([false, true, true, true, true]);
  });

  test('a response keeps its other cookies', () => {
    const { ports } = browser();
    const answer = { body: {}, setCookie: ['session=1'] } as unknown as SignInAnswer;
    const auth = { browser: { secureCookies: true } } as never;
    const { setCookie } = withDevice({ ...ports, auth }, answer, { email: 'ada@people.test', cookie: undefined });
    expect(setCookie).toEqual(['session=1', expect.stringMatching(/^__Host-sallyport\.device=/)]);
  });
});
