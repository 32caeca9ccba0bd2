import { expect, test } from 'vitest';
import { PERMISSION_NAME } from '#services/platform/define/permissions.ts';
import { agentCaller, callerAt, clientCaller, testCaller, userCaller } from '#tools/testing/harness/ports.ts';
import type { Caller } from '../ports.ts';
import { accountRead, isOwnScope, OWN_SCOPES, readerOfOwn } from './own-scopes.ts';

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
