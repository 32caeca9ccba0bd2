import { expect, test } from 'vitest';
import { createRoleReader } from './role-reader.ts';

test('a set of roles is read once, and no more sets are kept than was said', () => {
  const read = createRoleReader(2);
  const admins = read('["admin"]');
  expect(admins).toEqual(['admin']);
  expect(read('["admin"]')).toBe(admins);
  expect(read('["user"]')).toEqual(['user']);
  expect(read('["admin"]')).toBe(admins);
  expect(read('[]')).toEqual([]);
  // Begun anew: equal, and not the one from before.
  expect(read('["admin"]')).toEqual(admins);
  expect(read('["admin"]')).not.toBe(admins);
});
