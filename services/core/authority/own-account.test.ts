import { expect, test } from 'vitest';
import { defineError } from '#services/platform/define/error.ts';
import { agentCaller, clientCaller, userCaller } from '#tools/testing/harness/ports.ts';
import type { Caller } from '../ports.ts';
import { ownAccount, ownerAsking, ownOrUnknown } from './own-account.ts';

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
