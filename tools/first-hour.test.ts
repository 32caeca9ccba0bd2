import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { startCommandOf } from './first-hour.ts';

test('the newcomer follows the first command of the README', () => {
  expect(startCommandOf(readFileSync(resolve(import.meta.dirname, '../README.md'), 'utf8'))).toBe('npm start');
  expect(() => startCommandOf('# Another\n')).toThrow('no command');
});
