import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PLACE, pageOf, placeOfCursor } from './pagination.ts';

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
