import { expect, test } from 'vitest';
import { z } from 'zod';
import { compileValidator } from './schema.ts';

test.each(['body', 'querystring'])('lengths in a %s count code points, and errors name the limit', (httpPart) => {
  const validate = compileValidator({ schema: z.object({ text: z.string().min(2).max(3) }), httpPart });
  for (const fitting of [
    'ab',
    'abc',
    '\u{1f600}\u{1f600}',
    '\u{1f600}\u{1f600}\u{1f600}',
    'a\u{1f600}',
    '\ud83d\ud83d',
  ])
    expect(validate({ text: fitting }), fitting).toBe(true);
  for (const short of ['', 'a', '\u{1f600}', '\ud83d']) expect(validate({ text: short }), short).toBe(false);
  expect(validate.errors).toMatchObject([{ instancePath: '/text', keyword: 'minLength', params: { limit: 2 } }]);
  for (const long of ['abcd', '\u{1f600}\u{1f600}\u{1f600}\u{1f600}', 'a'.repeat(100_000)])
    expect(validate({ text: long }), long.slice(0, 9)).toBe(false);
  expect(validate.errors).toMatchObject([{ instancePath: '/text', keyword: 'maxLength', params: { limit: 3 } }]);
});
