import { expect, test } from 'vitest';
import { jsonLines } from './json-lines.ts';

const value = { name: 'a', left: undefined, none: [], panels: [{ id: 1, targets: ['x', null] }, 2, 'text'] };

test.each([0, 1, 2, 3, 9])('is the value, whatever the depth (%i)', (depth) => {
  expect(JSON.parse(jsonLines(value, depth))).toEqual(JSON.parse(JSON.stringify(value)));
});

test('puts what is deeper than the depth into one line', () => {
  expect(jsonLines(value, 0)).toBe(JSON.stringify(value));
  expect(jsonLines(value, 2).split('\n')).toEqual([
    '{',
    ' "name": "a",',
    ' "none": [],',
    ' "panels": [',
    '  {"id":1,"targets":["x",null]},',
    '  2,',
    '  "text"',
    ' ]',
    '}',
  ]);
});
