import { expect, test } from 'vitest';
import { MAY_RETURN_EARLY, returnsEarly, usesByFile } from './first-rejection.ts';

test('nothing that runs under the fence of a job returns while parts of it still write', () => {
  const listed = Object.entries(MAY_RETURN_EARLY).map(([file, reasons]) => [file, reasons.length]);
  expect(usesByFile()).toEqual(Object.fromEntries(listed));
});

test.each([
  'await Promise.all(rows.map(send))',
  'await Promise\n    .all(rows.map(send))',
  'return Promise.race([work, late])',
  'Promise.any(mirrors)',
  'rows.map(send).then.call(Promise.all)',
  `Promise['all'](rows)`,
  'const { all } = Promise;',
  'const { all: together } = Promise;',
])('is found: %s', (source) => expect(returnsEarly(source)).toBe(true));

test.each([
  'await allEnded(rows.map(send))',
  'await Promise.allSettled(rows.map(send))',
  'Promise.withResolvers<void>()',
  '// Promise.all would end the run',
  ' * `Promise.all` would end the run',
])('is no such use: %s', (source) => expect(returnsEarly(source)).toBe(false));
