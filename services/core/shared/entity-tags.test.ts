import { expect, test } from 'vitest';
import { isMatch, isNoneMatch } from './entity-tags.ts';

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
