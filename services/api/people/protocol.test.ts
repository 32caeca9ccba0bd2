import { expect, test } from 'vitest';
import type { Caller } from '#services/domain/ports.ts';
import { sentCaller } from './protocol.ts';

test('a caller arrives in the thread as it left: rights as a set, facts of the request read out', () => {
  class Lazy {
    readonly #ip = '192.0.2.9';
    readonly userAgent = 'test/1';
    readonly traceId = '0af7651916cd43dd8448eb211c80319c';
    readonly traceparent = '';
    get ip(): string {
      return this.#ip;
    }
  }
  const caller: Caller = {
    kind: 'user',
    userId: 'u1',
    sessionId: 's1',
    clientId: 'first-party',
    permissions: new Set(['tokens:read']),
    by: 'bearer',
    tokenId: 't1',
    familyId: null,
    authTime: 1_700_000_000,
    request: new Lazy(),
  };
  const arrived = structuredClone(sentCaller(caller)) as Caller & { readonly kind: 'user' };
  expect(arrived.request).toEqual({
    ip: '192.0.2.9',
    userAgent: 'test/1',
    traceId: '0af7651916cd43dd8448eb211c80319c',
    traceparent: '',
  });
  expect({ ...arrived, request: null }).toEqual({ ...caller, request: null });
  expect(arrived.permissions.has('tokens:read')).toBe(true);
});
