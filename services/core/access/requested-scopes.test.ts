import { expect, test } from 'vitest';
import { knownScopesOf, scopesAsked } from './requested-scopes.ts';

const ports = { access: { isScope: (name: string) => name !== 'groups' } };
const allowed = ['openid', 'notes:read'];
const asked = (scope: string | undefined, origin: 'admin' | 'registration' = 'admin') =>
  scopesAsked(ports, { origin }, scope, allowed);

test('a list of scopes keeps those that are scopes here; one that is malformed or names none stays as it is', () => {
  expect(knownScopesOf(ports, 'openid groups notes:read')).toBe('openid notes:read');
  for (const scope of ['groups', 'openid  email', ''])
    expect([scope, knownScopesOf(ports, scope)]).toEqual([scope, scope]);
});

test('a request without a scope gets all allowed ones; one that is malformed or names no known scope is refused', () => {
  expect(asked(undefined)).toEqual({ scopes: allowed });
  expect(asked('openid groups')).toEqual({ scopes: ['openid'] });
  for (const scope of ['groups', 'openid  notes:read']) expect(asked(scope).why).toEqual(expect.any(String));
});

test('of a scope that a client may not request, one that an administrator vetted is told, and another goes without', () => {
  expect(asked('openid notes:reed').why).toBe(
    'The client may not request the scope notes:reed. Did you mean notes:read?',
  );
  expect(asked('openid notes:reed', 'registration')).toEqual({ scopes: ['openid'] });
});
