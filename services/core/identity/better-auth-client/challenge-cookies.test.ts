import { describe, expect, test } from 'vitest';
import type { HasAuth } from '../sessions/auth.ts';
import type { LiveSession } from '../sessions/live-session.ts';
import {
  challengeCookie,
  hasSecondFactorChallenge,
  noChallengeCookie,
  passkeyChallenge,
  secondFactorChallenge,
} from './challenge-cookies.ts';
import { clientLiveSession } from './client-views.ts';

const over = (secureCookies: boolean): HasAuth => ({ auth: { browser: { secureCookies } } }) as HasAuth;
const codeOf = (ask: () => unknown): unknown => {
  try {
    return ask();
  } catch (err) {
    return (err as { code: string }).code;
  }
};

describe.each([
  ['https', true, '__Host-', '; Secure'],
  ['http on this machine', false, '', ''],
] as const)('over %s', (_name, secureCookies, prefix, suffix) => {
  const deps = over(secureCookies);
  const attributes = (seconds: number): string => `; Path=/; Max-Age=${seconds}; HttpOnly; SameSite=Lax${suffix}`;

  test('each kind has a name and a lifetime of its own, and is forgotten by the same name', () => {
    expect(challengeCookie(deps, 'second_factor', 'a;b')).toBe(
      `${prefix}better-auth.two_factor=a%3Bb${attributes(600)}`,
    );
    expect(challengeCookie(deps, 'passkey', 'c')).toBe(`${prefix}better-auth-passkey=c${attributes(300)}`);
    expect(noChallengeCookie(deps, 'passkey')).toBe(`${prefix}better-auth-passkey=${attributes(0)}`);
  });

  test('a challenge is read from the cookie of its kind', () => {
    const cookie = `${prefix}better-auth.two_factor=first; ${prefix}better-auth-passkey=second`;
    expect(hasSecondFactorChallenge(deps, cookie)).toBe(true);
    expect([secondFactorChallenge(deps, cookie), passkeyChallenge(deps, cookie)]).toEqual(['first', 'second']);
  });

  test('without a cookie, with an empty one, or with that of another kind there is no challenge', () => {
    const others = (kind: string): (string | undefined)[] => [undefined, '', `${prefix}${kind}=`, 'other=x'];
    for (const cookie of [...others('better-auth.two_factor'), `${prefix}better-auth-passkey=x`]) {
      expect(hasSecondFactorChallenge(deps, cookie)).toBe(false);
      expect(codeOf(() => secondFactorChallenge(deps, cookie))).toBe('challenge_over');
    }
    for (const cookie of [...others('better-auth-passkey'), `${prefix}better-auth.two_factor=x`])
      expect(codeOf(() => passkeyChallenge(deps, cookie))).toBe('passkey_refused');
  });
});

test('over https a cookie without the prefix that binds it to this host is no challenge', () =>
  expect(hasSecondFactorChallenge(over(true), 'better-auth.two_factor=x')).toBe(false));

const at = new Date(0);
const session = { id: 's1', userId: 'u1', createdAt: at, updatedAt: at, expiresAt: at };
const live = (user: object): LiveSession =>
  ({ user: { id: 'u1', email: 'a@b.test', createdAt: at, updatedAt: at, ...user }, session }) as unknown as LiveSession;

test.each([
  [
    { name: null, twoFactorEnabled: null },
    { name: '', twoFactorEnabled: false },
  ],
  [
    { name: 'Ada', twoFactorEnabled: true },
    { name: 'Ada', twoFactorEnabled: true },
  ],
])('a user %j is %j for the client, and the session is named by its id', (user, expected) => {
  const answer = clientLiveSession(live(user));
  expect(answer.user).toMatchObject(expected);
  expect(answer.session.token).toBe('s1');
});
