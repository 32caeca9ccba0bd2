import { parse } from 'node:querystring';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseForm } from './form-body.ts';

const parsed = (text: string): Record<string, unknown> => parseForm(Buffer.from(text));

test('reads a form as node:querystring does, repeated names as lists', () => {
  const piece = fc.constantFrom(
    'a',
    'b',
    'ä',
    '=',
    '&',
    '+',
    '%20',
    '%2B',
    '%C3%A4',
    '%26',
    '%3D',
    '__proto__',
    'toString',
    '1',
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 24 }), (pieces) => {
      const text = pieces.join('');
      expect(Object.entries(parsed(text))).toEqual(Object.entries(parse(text, '&', '=', { maxKeys: 0 })));
    }),
  );
  expect(parsed('a=1&a=2&a=3&b')).toEqual({ a: ['1', '2', '3'], b: '' });
});

test('a field named like an object member is an ordinary field, and no other exists', () => {
  const fields = parsed('__proto__=x&constructor=y');
  expect(Object.keys(fields)).toEqual(['__proto__', 'constructor']);
  expect(fields.toString).toBeUndefined();
  expect(({} as Record<string, unknown>).x).toBeUndefined();
});

test('a percent sign that begins no escape is literal; bytes that are not UTF-8 are refused', () => {
  expect(parsed('a=100%&b=%zz')).toEqual({ a: '100%', b: '%zz' });
  for (const bytes of [Buffer.from('a=%ff'), Buffer.from([0x61, 0x3d, 0xff])])
    expect(() => parseForm(bytes)).toThrow(expect.objectContaining({ code: 'body_malformed' }));
});

test('a body full of one repeated name costs milliseconds, like any other of its size', () => {
  const repetitions = 32_768;
  const startedAt = performance.now();
  const { a } = parsed('a&'.repeat(repetitions));
  expect(performance.now() - startedAt).toBeLessThan(500);
  expect(a).toHaveLength(repetitions);
});
