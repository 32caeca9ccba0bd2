import { expect, test } from 'vitest';
import { visibleText } from './visible-text.ts';

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
