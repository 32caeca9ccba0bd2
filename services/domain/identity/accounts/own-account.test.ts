import { expect, test } from 'vitest';
import type { Caller } from '#services/domain/ports.ts';
import { apiKeyNotAccepted, permissionMissing, unauthenticated } from '#services/platform/errors.ts';
import { userCaller } from '#testing/harness/ports.ts';
import { ownAccount } from './own-account.ts';

const request = { ip: '', userAgent: '', traceId: '', traceparent: '' };
const person = userCaller('u', { sessionId: 's' });
const codeOf = (caller: Caller): unknown => {
  try {
    return ownAccount(caller);
  } catch (err) {
    return (err as { code?: unknown }).code;
  }
};

test('only the user can act on the account, not another client or an API key of the user', () => {
  expect(codeOf(person)).toBe(person);
  const client = { kind: 'client', clientId: 'sallyport', permissions: new Set<string>(), by: 'client' } as const;
  expect(codeOf({ ...client, isVetted: true, request })).toBe(unauthenticated.definition.code);
  expect(codeOf({ kind: 'anonymous', request })).toBe(unauthenticated.definition.code);
  expect(codeOf({ ...person, clientId: 'another' })).toBe(permissionMissing.definition.code);
  expect(codeOf({ ...person, by: 'api_key' })).toBe(apiKeyNotAccepted.definition.code);
});
