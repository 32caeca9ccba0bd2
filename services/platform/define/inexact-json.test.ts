import { describe, expect, test } from 'vitest';
import { unreadableJson } from '../http/unreadable-json.ts';
import { inexactPartOf } from './inexact-json.ts';

describe('a number that parsers do not keep is named with its place', () => {
  test.each([
    ['0.1000000000000000055511', '0.1'],
    ['1.00000000000000001', '1'],
    ['1e-400', '0'],
    ['-1e-400', '0'],
    ['1e400', 'Infinity'],
    ['9007199254740993', '9007199254740992'],
    ['12345678901234567890', '12345678901234567000'],
    ['4.9e-324', '5e-324'],
    ['0.30000000000000001', '0.3'],
  ])('%s', (number, read) => {
    const part = inexactPartOf(`{"a":[true,{"b/c":${number}}]}`);
    expect(part).toEqual({ at: '/a/1/b~1c', why: `${number} would be read as ${read}` });
  });

  test.each(
    `0 -0 0.0 0e5 1.0 100 1e2 1E+2 0.1 -12.50 5e-324 1.7976931348623157e308 9007199254740991 0.30000000000000004
    1e21 1000000000000000000000 120e-1`.split(/\s+/),
  )('%s is kept', (number) => {
    expect(inexactPartOf(number)).toBeUndefined();
    expect(inexactPartOf(`[${number}]`)).toBeUndefined();
  });

  test('every double as it is written is kept', () => {
    const bits = new DataView(new ArrayBuffer(8));
    for (let n = 0; n < 2_000; n += 1) {
      bits.setUint32(0, Math.imul(n, 2_654_435_761) >>> 0);
      bits.setUint32(4, Math.imul(n, 40_503) >>> 0);
      const value = bits.getFloat64(0);
      if (Number.isFinite(value)) expect(inexactPartOf(JSON.stringify({ value }))).toBeUndefined();
    }
  });
});

describe('a name that an object has twice is named with its place', () => {
  test.each([
    ['{"a":1,"a":2}', '/a'],
    ['{"a":1,"\\u0061":1}', '/a'],
    ['[{"x":{"b":"c","d":[],"b":null}}]', '/0/x/b'],
    ['{"":1,"":1}', '/'],
  ])('%s', (text, at) => expect(inexactPartOf(text)).toEqual({ at, why: 'has a name that its object has twice' }));

  test.each([
    ...'{"a":{"a":1},"b":{"a":1}} ["a","a"] {"a":"a","b":"a"} {"a":["{\\"a\\":1,","a"],"c":"\\\\"} ""'.split(' '),
    ...'null'.split(' '),
  ])('%s has none', (text) => expect(inexactPartOf(text)).toBeUndefined());
});

test('a long text is read in linear time', () => {
  const zeros = `1${'0'.repeat(60_000)}1`;
  expect(inexactPartOf(`{"a":${zeros}}`)?.why).toContain('…');
  expect(inexactPartOf(`${'['.repeat(30_000)}${']'.repeat(30_000)}`)).toBeUndefined();
  expect(inexactPartOf(JSON.stringify('\\"'.repeat(15_000)))).toBeUndefined();
});

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
