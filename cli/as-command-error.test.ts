import { expect, test } from 'vitest';
import { z } from 'zod';
import { KeyMaterialError } from '../services/core/keys/key-material.ts';
import { defineError } from '../services/platform/define/error.ts';
import { MarksUnreadableError } from '../services/platform/marks/mark-texts.ts';
import { MarkStoreUnavailableError, MarkStoreUnfitError } from '../services/platform/marks/s3-cell.ts';
import { checked, requireReason, uuidOf, wholeNumberOf } from './arguments.ts';
import { asCommandError } from './as-command-error.ts';

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
