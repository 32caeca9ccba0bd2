import { expect, test } from 'vitest';
import { isMisspelling, likelyName, nearestName } from './nearest-name.ts';

const SCOPES = ['email', 'offline_access', 'openid', 'profile'];

test.each([
  ['opnid', 'openid'],
  ['openidd', 'openid'],
  ['oepnid', 'openid'],
  ['emial', 'email'],
  ['ofline_acess', 'offline_access'],
])('%s is a misspelling of %s, the nearest name', (given, nearest) => {
  expect(nearestName(given, SCOPES)).toBe(nearest);
  expect(isMisspelling(given, nearest)).toBe(true);
});

test.each([
  ['openid', 'openid'],
  ['notes', 'profile'],
  ['openness', 'openid'],
  ['api', 'apis'],
])('%s is no misspelling of %s', (given, known) => expect(isMisspelling(given, known)).toBe(false));

test('without known names there is no nearest one', () => {
  expect(nearestName('openid', [])).toBe('');
  expect(isMisspelling('openid', '')).toBe(false);
});

test.each([
  ['opnid', SCOPES, 'openid'],
  ['grants', ['client_id', 'grant_types', 'name'], 'grant_types'],
  ['grantTypes', ['client_id', 'grant_types'], 'grant_types'],
  ['token:read', ['keys:read', 'tokens:read', 'tokens:write'], 'tokens:read'],
  ['keys:manage', ['users:read', 'keys:read'], 'keys:read'],
  ['groups', SCOPES, undefined],
  ['openid', ['openid'], undefined],
  ['groups', [], undefined],
])('%s, where %o are known, probably means %s', (given, known, likely) => {
  expect(likelyName(given, known)).toBe(likely);
});
