import { expect, test } from 'vitest';
import { clientCaller } from '#testing/harness/ports.ts';
import type { Caller } from '../ports.ts';
import { assertHolds } from './assert-holds.ts';

const request = { ip: '', userAgent: '', traceId: '', traceparent: '' };
const client = (...permissions: string[]): Caller => clientCaller('c', permissions);

test('a caller cannot grant permissions the caller lacks, whatever it may manage', () => {
  expect(() => assertHolds(client('roles:manage', 'keys:read'), ['keys:read'])).not.toThrow();
  expect(() => assertHolds(client('roles:manage'), [])).not.toThrow();
  expect(() => assertHolds(client('roles:manage'), ['keys:manage', 'audit:read', 'keys:manage'])).toThrow(
    expect.objectContaining({
      code: 'rights_exceeded',
      options: expect.objectContaining({ detail: 'You do not have audit:read, keys:manage.' }),
    }),
  );
  expect(() => assertHolds({ kind: 'anonymous', request }, ['keys:read'])).toThrow();
  expect(() => assertHolds({ kind: 'system', name: 'sallyport roles', request }, ['keys:manage'])).not.toThrow();
});
