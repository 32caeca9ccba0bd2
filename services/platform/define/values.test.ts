import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { cutText } from './cut-text.ts';
import { mayWrite, permissionOf, rateClassOf } from './endpoint.ts';
import { preferredLanguage } from './languages.ts';
import { isMisspelling, likelyName, nearestName } from './nearest-name.ts';
import { type Standing, sift, TOLERANCE } from './tolerance.ts';
import { isTrueClaim } from './true-claim.ts';

test.each([
  [undefined, 'en'],
  ['', 'en'],
  ['*', 'en'],
  ['de', 'de'],
  ['de-AT,de;q=0.9,en;q=0.8', 'de'],
  ['DE', 'de'],
  ['en-US,de;q=0.9', 'en'],
  ['fr, de;q=0.5, en;q=0.7', 'en'],
  ['de;q=0', 'en'],
  ['de;q=2', 'en'],
  ['fr', 'en'],
  [`de${' '.repeat(600)}`, 'en'],
])('a client that accepts %j prefers %s', (header, tag) => expect(preferredLanguage(header)).toBe(tag));

test('true and exactly the text "true" say yes, and nothing else does', () => {
  for (const yes of [true, 'true']) expect(isTrueClaim(yes)).toBe(true);
  for (const no of [
    false,
    'false',
    'True',
    'TRUE',
    ' true',
    'true\n',
    'yes',
    '1',
    1,
    {},
    [true],
    ['true'],
    null,
    undefined,
    '',
  ])
    expect([no, isTrueClaim(no)]).toEqual([no, false]);
});

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

test('a text is cut before a character of two units that would be halved', () => {
  expect([cutText('abc', 3), cutText('abcd', 3), cutText('ab😀', 3)]).toEqual(['abc', 'abc', 'ab']);
  expect([cutText('ab😀', 4), cutText('a😀😀', 3)]).toEqual(['ab😀', 'a😀']);
  for (let most = 0; most < 20; most += 1) expect(cutText('x😀y😀😀z😀', most).isWellFormed(), String(most)).toBe(true);
});

/** Texts of ASCII, or of bytes, which have no character of two units; observability imports nothing, and does the same. */
const ASCII = new Set(
  `observability/log-redaction.ts services/core/audit/audit-context.ts services/wings/import/reading/sniff.ts
  services/wings/recovery/backup/rehearse-restore.ts services/pages/own-account/browser-name.ts
  services/platform/backups/s3-place.ts services/platform/define/error-code.ts services/platform/queue/admin.ts
  services/platform/define/cut-text.ts`.split(/\s+/),
);

test('what people read is cut by this alone', () => {
  const root = join(import.meta.dirname, '../../..');
  const cuts = /\.slice\(0, (?:[4-9]\d|\d_?\d{2,}|\w*CHARACTERS\w*|TEXT_MAX|SHOWN_MAX|LONGEST)\)/;
  const files = globSync('{services,cli,observability,jobs}/**/*.ts', { cwd: root }).filter(
    (file) => !/test\.ts$|harness|generated|caller\.ts$/.test(file) && !ASCII.has(file),
  );
  expect(files.length).toBeGreaterThan(1_000);
  expect(files.filter((file) => cuts.test(readFileSync(join(root, file), 'utf8')))).toEqual([]);
});

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
  expect([nearestName('openid', []), isMisspelling('openid', '')]).toEqual(['', false]);
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

const standings: Readonly<Record<string, Standing>> = { mine: 'allowed', theirs: 'forbidden' };
const of = (rule: keyof typeof TOLERANCE, ...names: readonly string[]) =>
  sift(TOLERANCE[rule], names, (name) => standings[name] ?? 'unknown');

describe('of the names in a request', () => {
  test('unknown ones are ignored and forbidden ones left out for a client that registered itself', () =>
    expect(of('scopes of an unvetted client', 'mine', 'theirs', 'groups', 'mine')).toEqual({
      kept: ['mine'],
      dropped: ['theirs', 'groups'],
      refused: [],
    }));

  test('forbidden ones are refused for a vetted client, and unknown ones ignored', () =>
    expect(of('scopes of a vetted client', 'mine', 'groups', 'theirs')).toEqual({
      kept: ['mine'],
      dropped: ['groups'],
      refused: ['theirs'],
    }));

  test('our own API refuses both', () =>
    expect(of('parameters and members of our own API', 'mine', 'groups', 'theirs')).toEqual({
      kept: ['mine'],
      dropped: [],
      refused: ['groups', 'theirs'],
    }));
});

test('docs/reference/specifications.md shows the table as it is', () => {
  const page = readFileSync(new URL('../../../docs/reference/specifications.md', import.meta.url), 'utf8');
  const rows = page
    .split('\n')
    .map((line) => line.split('|').map((cell) => cell.trim().replace(/^is /, '')))
    .filter(([, what = '']) => what in TOLERANCE)
    .map(([, what = '', unknown, forbidden]) => [what, { unknown, forbidden }]);
  expect(Object.fromEntries(rows)).toEqual(TOLERANCE);
});
