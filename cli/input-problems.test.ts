import { expect, test } from 'vitest';
import { z } from 'zod';
import { createClientEndpoint } from '../services/core/access/clients-contract.ts';
import { createRoleEndpoint } from '../services/core/access/roles-contract.ts';
import { inviteUserEndpoint } from '../services/core/identity/contracts/invitation-contract.ts';
import { KeyMaterialError } from '../services/core/keys/key-material.ts';
import { defineError } from '../services/platform/define/error.ts';
import { MarksUnreadableError } from '../services/platform/marks/mark-texts.ts';
import { MarkStoreUnavailableError, MarkStoreUnfitError } from '../services/platform/marks/s3-cell.ts';
import { checked, requireReason, uuidOf, wholeNumberOf } from './arguments.ts';
import { asCommandError } from './as-command-error.ts';
import { optionOf, problemsOf } from './input-problems.ts';

const problems = (shape: z.ZodType | undefined, input: unknown): string[] => {
  const read = shape?.safeParse(input);
  return read?.success === false ? problemsOf(read.error.issues, input) : [];
};
const client = { name: 'App', grant_types: ['authorization_code'], reason: 'why' };

test.each<[string, z.ZodType | undefined, unknown, string]>([
  [
    'a misspelt word',
    createClientEndpoint.body,
    { ...client, grant_types: ['autorization_code'] },
    '--grants "autorization_code" is not known: did you mean authorization_code?',
  ],
  [
    'an unknown word',
    createClientEndpoint.body,
    { ...client, pkce: 'sometimes' },
    '--pkce "sometimes" is not one of required, optional',
  ],
  ['a missing value', createClientEndpoint.body, { ...client, name: undefined }, 'name is missing'],
  ['an empty text', createClientEndpoint.body, { ...client, name: '' }, 'name must have at least 1 character'],
  [
    'a long text',
    createClientEndpoint.body,
    { ...client, reason: 'x'.repeat(257) },
    '--reason may have at most 256 characters',
  ],
  [
    'a long list',
    createClientEndpoint.body,
    { ...client, redirect_uris: Array.from({ length: 21 }, (_, n) => `https://app.example/${n}`) },
    '--redirect-uris may have at most 20 entries',
  ],
  [
    'another form',
    createRoleEndpoint.body,
    { name: 'Editor', description: 'x', permissions: [], reason: 'why' },
    'name "Editor" does not have the form that is expected here',
  ],
  [
    'an address',
    inviteUserEndpoint.body,
    { email: 'olga', reason: 'why' },
    'e-mail address "olga" is not an e-mail address',
  ],
  [
    'a value that may be about a person, without that value',
    z.object({ subject_id: z.string().regex(/^p-/) }),
    { subject_id: 'Jane Doe' },
    'subject does not have the form that is expected here',
  ],
  [
    'a part of a sealed value, without that part',
    z.object({ encrypted: z.object({ iv: z.string().max(3) }) }),
    { encrypted: { iv: 'canary' } },
    '--encrypted may have at most 3 characters',
  ],
  ['a number', z.object({ days: z.int().min(1) }), { days: 0 }, '--days must be at least 1'],
  ['another type', z.object({ days: z.int() }), { days: 'x' }, '--days "x" must be a number'],
  ['an unknown member', z.strictObject({}), { other: 1 }, 'the input has no member other'],
  ['a rule', z.custom((value) => value === 1, 'must be one'), 2, 'the input must be one'],
])('%s is told in the words of the command line', (_what, shape, input, expected) => {
  expect(problems(shape, input)).toEqual([expected]);
});

test('an input of another kind is told without words of a schema', () => {
  const shapes = [
    z.string(),
    z.array(z.string()),
    z.record(z.string(), z.string()),
    z.date(),
    z.custom(() => false),
    z.union([z.string(), z.null()]),
  ];
  for (const shape of shapes) {
    const [text = ''] = problems(shape, 7);
    expect(text).not.toMatch(/invalid|expected (string|array|record|date)|received|too (big|small)/i);
    expect(text).not.toBe('');
  }
});

test('members are named as the options of the command line', () =>
  expect(['grant_types', 'redirect_uris', 'email'].map((member) => optionOf([member, 0]))).toEqual([
    '--grants',
    '--redirect-uris',
    'e-mail address',
  ]));

const refusal = (status: number) =>
  defineError({ code: 'it_failed', status, title: 'It failed', cause: 'Because.', fix: 'Mend it.', retryable: false });

test.each([
  [400, 2],
  [404, 2],
  [403, 5],
  [409, 5],
  [503, 3],
  [500, 1],
  [429, 1],
])('a refusal of status %i ends with exit code %i, its code and its fix', (status, exitCode) => {
  const err = refusal(status)({ detail: 'x is wrong' });
  expect(asCommandError(err)).toMatchObject({
    exitCode,
    message: 'It failed: x is wrong (it_failed)',
    fix: 'Mend it.',
    cause: err,
  });
});

test('the wrong members of a request are told as options', () => {
  const problems = [
    { at: 'body/scopes/1', why: '"opnid" is no scope' },
    { at: 'body/redirect_uris/0', why: 'not acceptable' },
  ];
  expect(asCommandError(refusal(400)({ problems }))).toMatchObject({
    message: 'It failed: --scopes: "opnid" is no scope; --redirect-uris: not acceptable (it_failed)',
  });
});

test('unreadable keys and high-water marks become command errors; an unexpected error stays as it is', () => {
  const defect = new Error('a defect');
  expect(asCommandError(defect)).toBe(defect);
  for (const err of [
    new KeyMaterialError('no key', 'set it'),
    new MarksUnreadableError('marks.json', null),
    new MarkStoreUnfitError('https://bucket.example'),
  ])
    expect(asCommandError(err)).toMatchObject({ exitCode: 5, message: err.message, fix: expect.any(String) });
  const away = new MarkStoreUnavailableError('https://bucket.example/marks.json', { code: 'http_403' });
  expect(asCommandError(away)).toMatchObject({ exitCode: 3, message: expect.stringContaining('http_403') });
});

test('arguments out of bounds are usage errors that name the expected form', () => {
  const id = '00000000-0000-7000-8000-00000000000A';
  expect([uuidOf(id, 'list'), wholeNumberOf('-n', '1', 1, 2)]).toEqual([id, 1]);
  requireReason('x'.repeat(256));
  const endpoint = { body: z.strictObject({ name: z.string().max(2) }) };
  expect(checked(endpoint, { name: 'ab' })).toEqual({ name: 'ab' });
  expect(() => checked({}, {})).toThrow(TypeError);
  for (const [work, message] of [
    [() => requireReason(''), '1 to 256'],
    [() => requireReason('x'.repeat(257)), '1 to 256'],
    [() => uuidOf('x', 'list'), '"x" is not a valid id'],
    [() => wholeNumberOf('--limit', '1.5', 1, 2), '--limit takes a whole number from 1 to 2'],
    [() => wholeNumberOf('--limit', '3', 1, 2), '--limit takes'],
    [() => wholeNumberOf('--limit', '0', 1, 2), '--limit takes'],
    [() => checked(endpoint, { name: 'abc', other: 1 }), 'name "abc" may have at most 2 characters'],
  ] as const)
    expect(work).toThrow(expect.objectContaining({ exitCode: 2, message: expect.stringContaining(message) }));
});
