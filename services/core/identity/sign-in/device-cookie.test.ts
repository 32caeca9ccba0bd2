import { describe, expect, test } from 'vitest';
import type { SignInAnswer } from '../sessions/open-session.ts';
import { DEVICE_COOKIE_SECONDS, deviceSetCookie, knownDevice, withDevice } from './device-cookie.ts';

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
