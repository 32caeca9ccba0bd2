import { expect, test } from 'vitest';
import { defineError } from '#services/platform/define/error.ts';
import { PERMISSION_NAME } from '#services/platform/define/permissions.ts';
import { agentCaller, callerAt, clientCaller, testCaller, userCaller } from '#tools/testing/harness/ports.ts';
import type { Caller } from '../ports.ts';
import { ownAccount, ownerAsking, ownOrUnknown } from './own-account.ts';
import { accountRead, isOwnScope, OWN_SCOPES, readerOfOwn } from './own-scopes.ts';
import { assertRecentSignIn } from './recent-sign-in.ts';

const request = { ip: '', userAgent: '', traceId: '', traceparent: '' };
const user = (userId: string, clientId = 'sallyport', by: 'bearer' | 'session' | 'api_key' = 'bearer'): Caller =>
  userCaller(userId, { clientId, permissions: new Set(['users:manage']), by });
const others: Caller[] = [
  { kind: 'anonymous', request },
  { kind: 'system', name: 'test', request },
  clientCaller('me'),
  agentCaller('me', 'me'),
];
const unknown = defineError({ code: 'thing_unknown', status: 404, title: '', cause: '', fix: '', retryable: false });

test('another user’s resource answers like a missing one, whatever permissions the caller has', () => {
  const mine = { userId: 'me', name: 'x' };
  expect(ownOrUnknown(mine, user('me'), unknown)).toBe(mine);
  for (const caller of [user('you'), ...others])
    expect(() => ownOrUnknown(mine, caller, unknown)).toThrow(expect.objectContaining({ code: 'thing_unknown' }));
  for (const nothing of [null, undefined])
    expect(() => ownOrUnknown(nothing, user('me'), unknown)).toThrow(
      expect.objectContaining({ code: 'thing_unknown' }),
    );
});

test('only the user manages the account, not a client, a token given to another client, or an API key', () => {
  for (const by of ['bearer', 'session'] as const)
    expect(ownerAsking(user('me', 'sallyport', by))).toMatchObject({ userId: 'me' });
  const byKey = expect.objectContaining({ code: 'api_key_not_accepted' });
  expect(() => ownerAsking(user('me', 'sallyport', 'api_key'))).toThrow(byKey);
  for (const caller of [user('me', 'partner'), ...others])
    expect(() => ownerAsking(caller)).toThrow(expect.objectContaining({ code: 'permission_missing' }));
});

test('an act on the account asks callers that are no user to sign in, and refuses clients and API keys of the user', () => {
  const codeOf = (caller: Caller): unknown => {
    try {
      return ownAccount(caller).userId;
    } catch (err) {
      return (err as { code?: unknown }).code;
    }
  };
  expect(codeOf(user('me'))).toBe('me');
  for (const caller of others) expect(codeOf(caller)).toBe('unauthenticated');
  expect(codeOf(user('me', 'partner'))).toBe('permission_missing');
  expect(codeOf(user('me', 'sallyport', 'api_key'))).toBe('api_key_not_accepted');
});

const SIGNED_IN = { clientId: 'notes', by: 'mcp', authTime: 1_700_000_000 } as const;
const granted = (scope: string | undefined, more: object = {}): Caller =>
  userCaller('me', { ...SIGNED_IN, ...(scope === undefined ? {} : { scope }), ...more });

test('an application reads a part of the account by the scope that its user granted, and by no other', () => {
  for (const scope of OWN_SCOPES) {
    expect(readerOfOwn(granted(`openid ${scope}`), scope)).toMatchObject({ userId: 'me' });
    const others = OWN_SCOPES.filter((each) => each !== scope);
    expect(readerOfOwn(granted(others.join(' ')), scope)).toBeNull();
  }
  expect(readerOfOwn(granted(undefined), 'own.signoffs')).toBeNull();
  expect(readerOfOwn(granted('own.signoffs.more xown.signoffs'), 'own.signoffs')).toBeNull();
});

test.each<[string, Caller]>([
  ['a token for the API', granted('own.signoffs', { by: 'bearer' })],
  ['a token that was exchanged', granted('own.signoffs', { actingId: 'other' })],
  ['a token that another party issued for the user', granted('own.signoffs', { authTime: 0 })],
  ['a client', clientCaller('notes', ['own.signoffs'])],
  ['an agent', agentCaller('notes', 'me')],
  ['the process itself', testCaller],
  ['an anonymous caller', callerAt('192.0.2.1')],
])('%s reads no account by an own scope', (_what, caller) => expect(readerOfOwn(caller, 'own.signoffs')).toBeNull());

test('the user in person reads the account without a scope, and others need it', () => {
  expect(accountRead(userCaller('me', { by: 'session' }), 'own.sessions')).toMatchObject({ userId: 'me' });
  expect(accountRead(granted('own.sessions'), 'own.sessions')).toMatchObject({ userId: 'me' });
  for (const caller of [granted('own.signoffs'), granted('own.sessions', { by: 'bearer' }), clientCaller('notes')])
    expect(() => accountRead(caller, 'own.sessions')).toThrow(expect.objectContaining({ code: 'permission_missing' }));
});

test('no permission can have the name of an own scope', () => {
  for (const scope of OWN_SCOPES) expect(scope).not.toMatch(PERMISSION_NAME);
  expect([isOwnScope('own.signoffs'), isOwnScope('events:read'), isOwnScope('openid')]).toEqual([true, false, false]);
});

const rule = { maxAgeSeconds: 600, needsSecondFactor: false, clock: { now: () => 1_000_000 } };
const person = { kind: 'user', authTime: 1_000, acr: 'aal2' } as unknown as Caller;

test('a user’s API key gets a separate error code, since no step-up would help', () => {
  const ask = (by: string) => () => assertRecentSignIn({ ...person, by } as Caller, rule, { usesPermission: true });
  for (const by of ['bearer', 'session']) expect(ask(by), by).not.toThrow();
  expect(ask('api_key')).toThrow(expect.objectContaining({ code: 'api_key_not_accepted' }));
});
