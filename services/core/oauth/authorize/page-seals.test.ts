import { expect, test } from 'vitest';
import { formToken, type HasPageKeys, isFormToken, markedQuery, markedSince } from './page-seals.ts';

const keys = new Map([
  [1, Buffer.alloc(32, 1)],
  [2, Buffer.alloc(32, 2)],
]);
const portsAt = (version: number): HasPageKeys => ({
  keyRing: {
    secret: () => ({ version, key: keys.get(version) as Buffer }),
    secretVersion: (_purpose, wanted) => keys.get(wanted),
  },
});

test('a form token is bound to its browser, session and request, and survives a key rotation', () => {
  const ties = { pageCookie: 'page', sessionCookie: 'session', about: 'scope=openid' };
  const token = formToken(portsAt(1), ties);
  expect(isFormToken(portsAt(2), token, ties)).toBe(true);
  for (const other of [
    { pageCookie: 'other' },
    { sessionCookie: 'other' },
    { sessionCookie: '' },
    { pageCookie: '' },
    { pageCookie: 'pagesession', sessionCookie: '' },
    { about: 'scope=openid email' },
    { about: '' },
  ])
    expect(isFormToken(portsAt(1), token, { ...ties, ...other }), JSON.stringify(other)).toBe(false);
  const none = { pageCookie: '', sessionCookie: '', about: '' };
  expect(isFormToken(portsAt(1), formToken(portsAt(1), none), none)).toBe(false);
  for (const bad of ['', '1', `3.${token.slice(2)}`, `2.${token.slice(2)}`, `${token}x`])
    expect(isFormToken(portsAt(1), bad, ties), bad).toBe(false);
});

test('the sign-in marker is valid only for its own request, for an hour', () => {
  const ports = portsAt(1);
  const marked = markedQuery(ports, 'client_id=a&prompt=login', 1_000);
  expect(markedSince(ports, marked, 1_001)).toBe(1_000);
  expect(markedSince(ports, markedQuery(ports, marked, 1_500), 1_600)).toBe(1_500);
  expect(markedSince(ports, marked, 1_000 + 3_601)).toBeNull();
  expect(markedSince(ports, 'client_id=a&prompt=login', 1_001)).toBeNull();
  expect(markedSince(ports, marked.replace('client_id=a', 'client_id=b'), 1_001)).toBeNull();
  expect(markedSince(ports, marked.replace('login_after=1000', 'login_after=0999'), 1_001)).toBeNull();
});
