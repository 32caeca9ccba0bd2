import { expect, test } from 'vitest';
import { isMisspelling, nearestName } from './nearest-name.ts';

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
])('%s is no misspelling of %s', (given, known) => {
  expect(isMisspelling(given, known)).toBe(false);
});

test('without known names there is no nearest one', () => {
  expect(nearestName('openid', [])).toBe('');
  expect(isMisspelling('openid', '')).toBe(false);
});
