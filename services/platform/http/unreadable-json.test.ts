import { expect, test } from 'vitest';
import { unreadableJson } from './unreadable-json.ts';

const detailOf = (text: string): string | undefined => {
  try {
    JSON.parse(text);
    throw new Error('Object contains forbidden prototype property');
  } catch (err) {
    return unreadableJson(err as Error, text).options.detail;
  }
};

test.each([
  ['{"a":1,}', 'line 1, column 8: Expected double-quoted property name.'],
  ['{"a":1 "b":2}', "line 1, column 8: Expected ',' or '}' after property value."],
  ['{"a":x}', 'Not JSON at line 1, column 6.'],
  ['{"a": 1,\n  "b": oops}', 'Not JSON at line 2, column 8.'],
  [`{"long":"${'x'.repeat(500)}",\n"b": oops}`, 'Not JSON at line 2, column 6.'],
  ['<html>', 'Not JSON at line 1, column 1.'],
  ['{"a":1', 'ends too early, at line 1, column 7.'],
  ['{"a":\n"half', 'ends too early, at line 2, column 6.'],
  ['', 'The body is empty.'],
  ['{"__proto__":{}}', 'a name that is not accepted'],
])('%j is refused with its place', (text, words) => expect(detailOf(text)).toContain(words));

test('no refusal quotes the text, which may hold a password', () => {
  const text = '{"email":"ana@example.test","password":"hunter2-correct-horse","x":1}';
  for (let at = 0; at <= text.length; at += 1)
    for (const broken of [
      text.slice(0, at),
      `${text.slice(0, at)}%${text.slice(at)}`,
      `${text.slice(0, at)}"${text.slice(at)}`,
    ])
      expect(detailOf(broken) ?? '').not.toMatch(/hunter|correct|horse|ana|example/);
});

test('a text too long to be searched is refused all the same', () =>
  expect(unreadableJson(new SyntaxError('Unexpected token'), `{"a":x${' '.repeat(70_000)}}`)).toMatchObject({
    code: 'body_malformed',
  }));
