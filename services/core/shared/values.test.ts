import fc from 'fast-check';
import { expect, test } from 'vitest';
import { clientPrefixOf } from './client-prefix.ts';
import { isMatch, isNoneMatch } from './entity-tags.ts';
import { parseExactJson } from './exact-json.ts';
import { readExternalId } from './external-id.ts';
import { PLACE, pageOf, placeOfCursor } from './pagination.ts';
import { newUserCode, normaliseUserCode, shownUserCode } from './user-codes.ts';
import { visibleText } from './visible-text.ts';

test('an IPv6 /64 is one client, however its addresses are written', () => {
  for (const ip of ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::9', '2001:0DB8:0001:0002::', '2001:db8:1:2:ffff::1'])
    expect(clientPrefixOf(ip)).toBe('2001:db8:1:2::/64');
  expect(clientPrefixOf('2001:db8:1:3::9')).toBe('2001:db8:1:3::/64');
  expect([clientPrefixOf('2001:db8::9'), clientPrefixOf('::1')]).toEqual(['2001:db8:0:0::/64', '0:0:0:0::/64']);
  expect(clientPrefixOf('::')).toBe('0:0:0:0::/64');
});

test('IPv4 is counted by address, also when a dual-stack socket reports it as IPv6', () => {
  for (const ip of ['192.0.2.7', '::ffff:192.0.2.7', '::FFFF:192.0.2.7', '0:0:0:0:0:ffff:192.0.2.7', '::ffff:c000:207'])
    expect(clientPrefixOf(ip)).toBe('192.0.2.7');
  expect(clientPrefixOf('::ffff:192.0.2.8')).not.toBe('192.0.2.7');
  expect(clientPrefixOf('')).toBe('');
});

test.each([
  [undefined, true],
  ['"other"', true],
  ['"tag"', false],
  ['W/"tag"', false],
  ['"other", W/"tag"', false],
  ['*', false],
  ['tag', true],
  ['', true],
])('If-None-Match %s is answered with the body: %s (RFC 9110 §13.1.2)', (header, isSent) => {
  expect(isNoneMatch(header, '"tag"')).toBe(isSent);
});

test.each([
  ['"tag"', true],
  ['"other", "tag"', true],
  ['*', true],
  ['W/"tag"', false],
  ['"other"', false],
  ['tag', false],
  ['', false],
])('If-Match %s lets the write pass: %s (RFC 9110 §13.1.1)', (header, passes) => {
  expect(isMatch(header, '"tag"')).toBe(passes);
});

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

test('a user code is eight consonants, all equally likely', () => {
  let next = 0;
  const code = newUserCode({
    bytes: (count) => Buffer.from(Array.from({ length: count }, () => (next++ === 0 ? 255 : (next - 2) % 240))),
  });
  expect([code, shownUserCode(code)]).toEqual(['BCDFGHJK', 'BCDF-GHJK']);
});

test('a typed code may have any case, spaces and dashes; any other text is refused', () => {
  for (const typed of ['BCDF-GHJK', 'bcdf ghjk', ' bcdfghjk ', 'B-C-D-F-G-H-J-K'])
    expect(normaliseUserCode(typed)).toBe('BCDFGHJK');
  for (const typed of ['', 'BCDF-GHJ', 'BCDF-GHJKL', 'ACDF-GHJK', '1CDF-GHJK', 'x'.repeat(33)])
    expect(normaliseUserCode(typed)).toBeNull();
});

test.each([
  ['Trojan Source: text in another order', 'a\u202eb\u2066c', 'a\\u202eb\\u2066c'],
  ['an escape sequence of a terminal', '\u001b[2J\u009b2J\u0007', '\\u001b[2J\\u009b2J\\u0007'],
  ['a line that overwrites itself', 'denied\rapproved', 'denied\\u000dapproved'],
  [
    'invisible characters',
    'x\u200b\u00ad\u3164\u2800\ufe0f\u{e0041}',
    'x\\u200b\\u00ad\\u3164\\u2800\\ufe0f\\udb40\\udc41',
  ],
  ['spaces and line ends that look like others', 'a\u00a0b\u2028c', 'a\\u00a0b\\u2028c'],
  ['half of a character', 'a\ud800', 'a\\ud800'],
])('shows %s as escapes', (_what, text, shown) => expect(visibleText(text)).toBe(shown));

test('keeps words of every script, line ends and tabs', () => {
  const text = 'é 日本 עברית 😀\tone\ntwo\r\nthree';
  expect(visibleText(text)).toBe(text);
});

test('keeps the meaning of JSON', () => {
  const value = { title: 'a\u202eb', name: '\u{e0041}\u009b' };
  const shown = visibleText(JSON.stringify(value));
  expect(shown).not.toMatch(/[\u202e\u009b]/u);
  expect(JSON.parse(shown)).toEqual(value);
});

const FORMS = [PLACE.time, PLACE.id];
const at = '2026-11-20T10:00:00.123Z';
const cursorOf = (place: unknown): string => Buffer.from(JSON.stringify(place)).toString('base64url');

test('a page has the requested size, and its cursor names its last row', () => {
  const rows = ['a', 'b', 'c'].map((id) => ({ id, at }));
  const page = pageOf(rows, 2, (row) => [row.at, row.id]);
  expect(page.items.map(({ id }) => id)).toEqual(['a', 'b']);
  expect(placeOfCursor(page.next ?? '', FORMS)).toEqual([at, 'b']);
  expect(pageOf(rows, 3, (row) => [row.id]).next).toBeNull();
  expect(pageOf([], 3, () => []).next).toBeNull();
  expect(placeOfCursor(undefined, FORMS)).toBeUndefined();
});

test('a cursor of another list, or a forged one, is rejected before it reaches a statement', () => {
  const foreign = [
    ['x'],
    [at],
    [at, 'x', 'y'],
    ['2026-99-99T10:00:00.123Z', 'x'],
    ['2026-02-30T10:00:00.123Z', 'x'],
    ['2026-11-20T24:00:00.000Z', 'x'],
    ['0000-01-01T10:00:00.123Z', 'x'],
    [at, 'a\0'],
    [at, ''],
    [1, 2],
    {},
    null,
    'x',
  ];
  for (const cursor of ['', '%%', 'AAAA', ...foreign.map(cursorOf)])
    expect(() => placeOfCursor(cursor, FORMS), cursor).toThrow(expect.objectContaining({ code: 'cursor_invalid' }));
  fc.assert(
    fc.property(fc.string(), (cursor) => {
      expect(() => placeOfCursor(cursor, FORMS)).toThrow(expect.objectContaining({ code: 'cursor_invalid' }));
    }),
  );
});
