import { describe, expect, test } from 'vitest';
import { type Declaration, declarationProblems, type Surroundings } from './declaration.ts';

const around: Surroundings = {
  ownPermissions: new Set(['users:read', 'users:manage', 'audit:read']),
  ownAudiences: ['https://auth.test'],
  permissionsTaken: new Map([['pages:read', 'wiki']]),
  audiencesTaken: new Map([['https://wiki.test', 'wiki']]),
  actsTaken: new Map([['wiki.publish', 'wiki']]),
  detailTypesTaken: new Map([['page', 'wiki']]),
};
const notes: Declaration = {
  application: 'notes',
  audience: 'https://notes.test',
  permissions: ['notes:read', 'notes:write', 'pages:print'],
  roles: { editor: ['notes:read', 'notes:write'], guest: [] },
};
const problemsOf = (changes: Partial<Declaration>) =>
  declarationProblems({ ...notes, ...changes }, around).map(({ at, why }) => `${at} ${why}`);

test('a declaration without overlap is accepted', () => expect(problemsOf({})).toEqual([]));

describe('names', () => {
  test.each<[string, Partial<Declaration>, string[]]>([
    [
      'the words of a scope belong to a declared permission, and every character of them is shown',
      {
        scopes: { 'notes:read': { en: 'read' }, 'notes:lose': { en: 'x' }, 'notes:write': { en: 'x', de: 'a\u202eb' } },
      },
      ['scopes/notes:lose is not among permissions', 'scopes/notes:write has characters that are not shown'],
    ],
    [
      'the words of a scope are no empty line, whose box users would allow unread',
      { scopes: { 'notes:read': { en: 'read', de: '  ' }, 'notes:write': { en: '\u3164\u115f' } } },
      ['scopes/notes:read has no letter', 'scopes/notes:write has characters that are not shown'],
    ],
    [
      'a permission that is listed twice names the first',
      { permissions: ['notes:read', 'notes:write', 'notes:read'] },
      ['permissions/2 "notes:read" is listed before, as permissions/0'],
    ],
    [
      'a permission of the installation, existing or not, is reserved',
      { permissions: ['users:invent', 'audit:read'], roles: {} },
      [
        'permissions/0 permissions that begin with users: belong to the installation',
        'permissions/1 permissions that begin with audit: belong to the installation',
      ],
    ],
    [
      'so are nouns that the installation keeps for itself',
      { permissions: ['sallyport:rule'], roles: {} },
      ['permissions/0 permissions that begin with sallyport: belong to the installation'],
    ],
    [
      'a permission of another application is not taken over',
      { permissions: ['pages:read'], roles: {} },
      ['permissions/0 pages:read belongs to the application wiki'],
    ],
    [
      'a malformed permission is quoted, up to its longest length',
      { permissions: ['Notes', `a:${'b'.repeat(100)}`], roles: {} },
      [
        'permissions/0 "Notes" is no permission: write notes:read, in lower-case letters and underscores, at most 64 characters',
        `permissions/1 "a:${'b'.repeat(62)}" is no permission: write notes:read, in lower-case letters and underscores, at most 64 characters`,
      ],
    ],
    [
      'a role has declared permissions only, each once',
      { roles: { editor: ['notes:read', 'notes:read', 'users:read'] } },
      [
        'roles/editor/2 "users:read" is not among permissions',
        'roles/editor/1 "notes:read" is listed before, as roles/editor/0',
      ],
    ],
    [
      'a role has no dot in its name, which separates it from its application',
      { roles: { 'wiki.admin': [] } },
      ['roles/wiki.admin a role has a name of lower-case letters, digits, _ and -, at most 32 characters'],
    ],
    ['a reserved application', { application: 'sallyport' }, ['application sallyport is a reserved name']],
    [
      'a malformed application',
      { application: 'my.notes' },
      ['application must be lower-case letters, digits and -, at most 30 characters'],
    ],
    [
      'the audience of the installation',
      { audience: 'https://auth.test' },
      ['audience is the audience of the installation; an application needs one of its own'],
    ],
    ['the audience of another', { audience: 'https://wiki.test' }, ['audience belongs to the application wiki']],
    [
      'the audience that stands for any',
      { audience: '*' },
      ['audience * stands for any audience; an application needs one of its own'],
    ],
    [
      'an audience with a space',
      { audience: 'my notes' },
      ['audience must be an address or a name of 1 to 512 printable characters without spaces'],
    ],
  ])('%s', (_what, changes, expected) => expect(problemsOf(changes)).toEqual(expected));
});

describe('size', () => {
  const many = (count: number): string[] => Array.from({ length: count }, () => 'BAD');

  test('ten thousand entries get one answer with the limit, not one for each', () => {
    expect(problemsOf({ permissions: many(10_000) })).toEqual([
      'permissions has 10000 entries; an application can have 100',
    ]);
    const roles = Object.fromEntries(Array.from({ length: 10_000 }, (_, index) => [`r${index}`, []]));
    expect(problemsOf({ roles })[0]).toBe('roles has 10000 entries; an application can have 30');
    expect(problemsOf({ roles: { editor: many(10_000) } })).toEqual([
      'roles/editor has 10000 entries; a role can have 100',
    ]);
  });

  test('of more than twenty problems the rest is counted', () => {
    const problems = problemsOf({ permissions: many(25).map((name, index) => `${name}${index}`), roles: {} });
    expect(problems).toHaveLength(21);
    expect(problems.at(-1)).toBe(' 5 more problems');
  });

  test('rights that would make a token too long are refused', () => {
    const letters = 'abcdefghijklmnopqrstuvwxyz';
    const long = Array.from(
      { length: 70 },
      (_, index) => `n:${letters[index % 26]}${letters[Math.floor(index / 26)]}${'x'.repeat(60)}`,
    );
    expect(problemsOf({ permissions: long, roles: {} })).toEqual([
      'permissions permissions and roles take 4696 characters of a token; they can take 4096',
    ]);
  });
});

const member = { type: 'string' };
const properties = { amount: { type: 'object', properties: { value: { type: 'number' } } }, to: member };
const schema = { type: 'object', properties, required: ['amount', 'to'] };
const words = { en: 'pay {amount.value} to {to}', de: '{amount.value} an {to} zahlen' };
const payment = { schema, words, bound: ['amount', 'to'], signoff: false };
const deep = (levels: number): object => (levels === 0 ? member : { type: 'array', items: deep(levels - 1) });
const withMember = (x: object) => ({ schema: { ...schema, properties: { ...properties, x } } });
const withType = (changes: object, name = 'payment') =>
  problemsOf({ authorization_details: { [name]: { ...payment, ...changes } } });

test.each([
  ['a reference', withMember({ $ref: 'https://evil.test/schema' }), 'schema/properties/x/type'],
  ['a pattern that could stall', withMember({ ...member, pattern: '^(a+)+$' }), 'has no member pattern'],
  ['a member that refers elsewhere', { schema: { ...schema, $defs: {} } }, 'payment/schema has no member $defs'],
  ['a depth that could exhaust the stack', withMember(deep(20)), 'nested too deeply'],
  ['many bytes', { schema: { ...schema, required: Array(99).fill('x'.repeat(99)) } }, 'longer than 8192 bytes'],
  ['anything but an object', { schema: member }, 'schema must describe an object'],
  ['words without a bound member', { words: { ...words, en: 'pay {amount.value}' } }, 'words/en does not say {to}'],
  ['words about no member', { words: { ...words, de: '{amount} an {to} {toString}' } }, '{toString} is no member'],
  ['words that reorder', { words: { ...words, en: '{amount} to \u202e{to}' } }, 'characters that are not shown'],
  ['an optional bound member', { schema: { ...schema, required: ['to'] } }, 'bound/0 amount is not required'],
  ['a sign-off that no policy describes', { signoff: true }, 'signoff needs a policy'],
])('a type of authorization details is refused with %s', (_what, changes, why) => {
  expect(withType(changes)).toEqual([expect.stringContaining(why)]);
  expect(withType({})).toEqual([]);
  for (const name of ['Payment', 'page', 'users.delete', 'sallyport_act']) expect(withType({}, name)).toHaveLength(1);
});
