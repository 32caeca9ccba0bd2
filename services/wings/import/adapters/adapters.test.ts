import { expect, test } from 'vitest';
import { adapters } from './adapters.ts';

test('every kind has one adapter, with a name that a command line and a row can hold', () => {
  const kinds = adapters.map(({ kind }) => kind);
  expect(new Set(kinds).size).toBe(kinds.length);
  for (const kind of kinds) expect(kind).toMatch(/^[a-z][a-z0-9-]{0,31}$/);
});
