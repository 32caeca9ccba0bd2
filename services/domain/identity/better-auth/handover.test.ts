import { expect, test } from 'vitest';
import { ADDRESS_HEADER, engineHeaders, required } from './handover.ts';

const request = { ip: '192.0.2.1', userAgent: 'browser/1', traceId: '', traceparent: '' };

test('Better Auth is told address and agent of a request and nothing else; of one without an address no address', () => {
  expect(Object.fromEntries(engineHeaders(request))).toEqual({
    'user-agent': 'browser/1',
    [ADDRESS_HEADER]: '192.0.2.1',
  });
  expect(Object.fromEntries(engineHeaders({ ...request, ip: '' }))).toEqual({ 'user-agent': 'browser/1' });
});

test('an agent’s name reaches it as printable ASCII alone, for a header takes no other', () => {
  expect(engineHeaders({ ...request, userAgent: 'a\r\nb: c\u0000é✓' }).get('user-agent')).toBe('ab: c');
});

test('what a use-case has not handed over is an error, and nothing that can pass for it', () => {
  for (const nothing of [undefined, null]) expect(() => required(nothing)).toThrow('a required value is missing');
  for (const something of ['', 0, false]) expect(required(something)).toBe(something);
});
