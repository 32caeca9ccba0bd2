import { expect, test } from 'vitest';
import { mayWrite, permissionOf, rateClassOf } from './endpoint.ts';

test('every endpoint has a rate class: the declared one, else one derived from path and method', () => {
  expect(rateClassOf({ method: 'GET', path: '/v1/keys' })).toBe('read');
  expect(rateClassOf({ method: 'DELETE', path: '/v1/keys' })).toBe('write');
  expect(rateClassOf({ method: 'GET', path: '/v1/admin/users' })).toBe('admin');
  expect(rateClassOf({ method: 'POST', path: '/v1/administrators' })).toBe('write');
  expect(rateClassOf({ method: 'POST', path: '/v1/admin/users', limit: 'credential' })).toBe('credential');
});

test('the permission of an endpoint is never guessed: one without a permission throws', () => {
  expect(permissionOf({ auth: { accepts: ['bearer'], permission: 'keys:read', for: 'anyone', subject: 'none' } })).toBe(
    'keys:read',
  );
  for (const auth of ['public', { accepts: ['bearer'], for: 'anyone', subject: 'none' }] as const)
    expect(() => permissionOf({ auth })).toThrow();
});

test.each([
  ['POST', undefined, true],
  ['DELETE', undefined, true],
  ['GET', undefined, false],
  ['GET', 'write', true],
  ['GET', 'token', true],
  ['GET', 'log', false],
  ['POST', 'read', false],
] as const)('the time of a %s that counts as %s for PostgreSQL in all is limited: %s', (method, limit, is) => {
  expect(mayWrite({ method, ...(limit === undefined ? {} : { limit }) })).toBe(is);
});
