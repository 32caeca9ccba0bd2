import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { collectEndpoints } from '#tools/catalog/collect.ts';
import type { Endpoint } from '../define/endpoint.ts';
import { compileValidator, jsonSchemaOf } from './schema.ts';
import { schemaProblems } from './schema-problems.ts';

function problemsOf(shape: z.ZodType, value: unknown, httpPart = 'body') {
  const validate = compileValidator({ schema: shape, httpPart });
  return validate(value) ? [] : schemaProblems(validate.errors ?? [], httpPart);
}
const whyOf = (shape: z.ZodType, value: unknown) => problemsOf(z.strictObject({ it: shape }), { it: value })[0]?.why;

const client = z.strictObject({
  name: z.string().max(8),
  grant_types: z.array(z.enum(['authorization_code', 'refresh_token'])).min(1),
  redirect_uris: z.array(z.string()).optional(),
  delivery: z.strictObject({ method: z.string(), endpoint_url: z.string().optional() }).optional(),
});

describe('an unknown member', () => {
  test('is named with the known one that was probably meant, before the member that is then missing', () =>
    expect(problemsOf(client, { name: 'a', grants: [] })).toEqual([
      { at: 'body/grants', why: 'is not known here: did you mean grant_types?' },
      { at: 'body/grant_types', why: 'is missing' },
    ]));

  test('is named however deep it is, and spelt otherwise', () => {
    const fitting = { name: 'a', grant_types: ['refresh_token'] };
    expect(problemsOf(client, { ...fitting, redirectUris: [] })).toEqual([
      { at: 'body/redirectUris', why: 'is not known here: did you mean redirect_uris?' },
    ]);
    expect(problemsOf(client, { ...fitting, delivery: { method: 'x', endpoint: 'y' } })).toEqual([
      { at: 'body/delivery/endpoint', why: 'is not known here: did you mean endpoint_url?' },
    ]);
  });

  test('that is like none is named with those that are left', () => {
    expect(problemsOf(client, { name: 'a', grant_types: ['refresh_token'], zzz: 1 })).toEqual([
      { at: 'body/zzz', why: 'is not known here: known are redirect_uris, delivery' },
    ]);
    expect(problemsOf(z.strictObject({}), { odd: '1' }, 'querystring')).toEqual([
      { at: 'querystring/odd', why: 'is not known here: nothing is expected' },
    ]);
  });

  test('is shown at most five times, and never longer than a name is', () => {
    const many = Object.fromEntries(Array.from({ length: 50 }, (_, at) => [`${'x'.repeat(500)}${at}`, 1]));
    const problems = problemsOf(z.strictObject({}), many);
    expect(problems).toHaveLength(5);
    expect(Math.max(...problems.map(({ at }) => at.length))).toBe('body/'.length + 64);
  });
});

test.each<[z.ZodType, unknown, string]>([
  [z.string(), 1, 'must be a text'],
  [z.string().nullable(), 1, 'must be a text or null'],
  [z.int(), 1.5, 'must be a whole number'],
  [z.boolean(), 'x', 'must be true or false'],
  [z.string().min(2), 'a', 'must have at least 2 characters'],
  [z.string().max(2), 'abc', 'may have at most 2 characters'],
  [z.array(z.int()).min(1), [], 'must have at least 1 entry'],
  [z.array(z.int()).max(1), [1, 2], 'may have at most 1 entry'],
  [z.int().min(3), 2, 'must be at least 3'],
  [z.int().max(3), 4, 'may be at most 3'],
  [z.number().gt(3), 3, 'must be more than 3'],
  [z.number().lt(3), 3, 'must be less than 3'],
  [z.enum(['active', 'disabled']), 'disable', 'is not known: did you mean disabled?'],
  [z.enum(['on', 'off']), 'maybe', 'is not one of on, off'],
  [z.literal('code'), 'token', 'must be code'],
  [z.uuid(), 'x', 'is not an id'],
  [z.email(), 'x', 'is not an e-mail address'],
  [z.iso.datetime({ offset: true }), 'x', 'is not a time such as 2026-01-31T08:00:00Z'],
  [z.iso.date(), 'x', 'is not a date such as 2026-01-31'],
  [z.email().regex(/^[^@]{1,64}@/), `${'a'.repeat(65)}@example.test`, 'may have at most 64 characters before the @'],
  [z.string().regex(/^[^\p{Cc}\p{Cs}]*$/u), 'a\nb', 'must not have line breaks or other control characters'],
  [z.string().regex(/^[\w-]{1,64}$/), 'a b', 'may have only letters, digits, _, -, 1 to 64 of them'],
  [z.string().regex(/^[0-9a-f]{64}$/), 'x', 'may have only digits, a to f, 64 of them'],
  [z.string().regex(/^a(b|c)d$/), 'x', 'does not have the form that is expected here'],
])('%o: %j %s', (shape, value, why) => expect(whyOf(shape, value)).toBe(why));

test('no refusal of the contract shows a pattern, or words of the schema language', async () => {
  const partsOf = ({ body, query, params }: Endpoint) => [
    [body, 'body'] as const,
    [query, 'querystring'] as const,
    [params, 'params'] as const,
  ];
  let asked = 0;
  for (const endpoint of await collectEndpoints())
    for (const [shape, httpPart] of partsOf(endpoint)) {
      if (shape === undefined) continue;
      const members = Object.keys((jsonSchemaOf(shape).properties ?? {}) as object);
      const values = members.flatMap((name) => [{ [name]: '\u0000' }, { [name]: {} }, { [name]: '' }]);
      for (const value of [{ oddity: 1 }, ...values])
        for (const { at, why } of problemsOf(shape, value, httpPart)) {
          asked += 1;
          expect(at.startsWith(httpPart)).toBe(true);
          expect(why, `${endpoint.operation} ${at}`).not.toMatch(/must NOT|must match|pattern|propert|schema|[\\^$]/);
        }
    }
  expect(asked).toBeGreaterThan(1_000);
});

test.each(['body', 'querystring'])('lengths in a %s count code points, and errors name the limit', (httpPart) => {
  const validate = compileValidator({ schema: z.object({ text: z.string().min(2).max(3) }), httpPart });
  for (const fitting of [...'ab abc \u{1f600}\u{1f600} \u{1f600}\u{1f600}\u{1f600} a\u{1f600} \ud83d\ud83d'.split(' ')])
    expect(validate({ text: fitting }), fitting).toBe(true);
  for (const short of ['', 'a', '\u{1f600}', '\ud83d']) expect(validate({ text: short }), short).toBe(false);
  expect(validate.errors).toMatchObject([{ instancePath: '/text', keyword: 'minLength', params: { limit: 2 } }]);
  for (const long of ['abcd', '\u{1f600}\u{1f600}\u{1f600}\u{1f600}', 'a'.repeat(100_000)])
    expect(validate({ text: long }), long.slice(0, 9)).toBe(false);
  expect(validate.errors).toMatchObject([{ instancePath: '/text', keyword: 'maxLength', params: { limit: 3 } }]);
});
