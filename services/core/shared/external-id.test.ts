import { expect, test } from 'vitest';
import { parseExactJson } from './exact-json.ts';
import { readExternalId } from './external-id.ts';

const ofJson = (literal: string) => readExternalId((parseExactJson(`{"id":${literal}}`) as { id: unknown }).id);

test('an id of digits keeps its digits, whether a number or text, and equals only the same digits', () => {
  for (const digits of ['0', '7', '9007199254740991', '9007199254740992', '9007199254740993', '12345678901234567890'])
    for (const literal of [digits, `"${digits}"`]) expect(ofJson(literal), literal).toEqual({ id: digits });
  expect(ofJson('"007"')).toEqual({ id: '007' });
});

test('a number with a sign, a point or an exponent is not exact, whatever its value', () => {
  for (const literal of ['9.007199254740993e15', '1e3', '1E3', '1.0', '0.5', '-0', '-1', '1e400', '-1e400', '5e-324'])
    expect(ofJson(literal), literal).toEqual({ fault: 'id_not_exact' });
  // What a spreadsheet leaves of a long number is text.
  for (const text of ['"9.00720E+15"', '"9,0072E+15"', '"1e+21"'])
    expect(ofJson(text), text).toEqual({ fault: 'id_not_exact' });
  // Hexadecimal ids may look like exponents.
  for (const text of ['12345e67', '1e5', '1.0', '-1']) expect(ofJson(`"${text}"`), text).toEqual({ id: text });
});

test('what is no text of 1 to 255 visible characters is no id', () => {
  for (const literal of ['null', '""', '"  "']) expect(ofJson(literal), literal).toEqual({ fault: 'id_missing' });
  for (const literal of ['true', '{}', '[1]', '"a\\u0000b"', '"\\ud800"', '" 1"', '"1\\n"', `"${'x'.repeat(256)}"`])
    expect(ofJson(literal), literal).toEqual({ fault: 'id_invalid' });
});

test('numbers of other members compute and serialise as ever; digits that a double does not hold become text', () => {
  const text = '{"score":1.5,"big":9007199254740993,"negative":-3,"list":[1,2.0]}';
  const read = parseExactJson(text) as { score: number };
  expect(JSON.stringify(read)).toBe('{"score":1.5,"big":"9007199254740993","negative":-3,"list":[1,2]}');
  expect(Number(read.score) + 1).toBe(2.5);
});
