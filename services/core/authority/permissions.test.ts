import { expect, test } from 'vitest';
import { agentCaller, clientCaller, userCaller } from '#tools/testing/harness/ports.ts';
import type { Caller } from '../ports.ts';
import { assertHolds, holds, permissionsOf } from './permissions.ts';

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

test('a permission is held by the credential that has it, by the process itself, and never by an anonymous caller', () => {
  const all = ['keys:read'];
  for (const caller of [client(...all), agentCaller('a', 'o', all), userCaller('u', { permissions: new Set(all) })]) {
    expect([holds(caller, 'keys:read'), holds(caller, 'keys:manage')]).toEqual([true, false]);
    expect([...permissionsOf(caller)]).toEqual(all);
  }
  expect(holds({ kind: 'system', name: 'sallyport', request }, 'keys:manage')).toBe(true);
  expect(holds({ kind: 'anonymous', request }, 'keys:read')).toBe(false);
});
