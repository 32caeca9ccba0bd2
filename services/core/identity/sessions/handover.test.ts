import { expect, test } from 'vitest';
import { ADDRESS_HEADER, engineHeaders, required } from './handover.ts';

const request = { ip: '192.0.2.1', userAgent: 'browser/1', traceId: '', traceparent: '' };

test('Better Auth gets only IP address and user agent of a request, and no address if there is none', () => {
  expect(Object.fromEntries(engineHeaders(request))).toEqual({
    'user-agent': 'browser/1',
    [ADDRESS_HEADER]: '192.0.2.1',
  });
  expect(Object.fromEntries(engineHeaders({ ...request, ip: '' }))).toEqual({ 'user-agent': 'browser/1' });
});

test('the user agent is passed as printable ASCII only, as a header requires', () =>
  expect(engineHeaders({ ...request, userAgent: 'a\r\nb: c\u0000é✓' }).get('user-agent')).toBe('ab: c'));

test('a value that no use-case supplied is an error, never a default', () => {
  for (const nothing of [undefined, null]) expect(() => required(nothing)).toThrow('a required value is missing');
  for (const something of ['', 0, false]) expect(required(something)).toBe(something);
});
