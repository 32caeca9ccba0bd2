import { expect, test } from 'vitest';
import { isNoneMatch } from './read-jwks.ts';

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
