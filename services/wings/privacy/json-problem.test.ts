import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { jsonProblem } from './json-problem.ts';

const nested = (levels: number): unknown => JSON.parse('['.repeat(levels) + ']'.repeat(levels));

describe('what can be encrypted', () => {
  test('any JSON value', () => {
    fc.assert(fc.property(fc.jsonValue({ maxDepth: 6 }), (value) => jsonProblem(value) === undefined));
    expect(jsonProblem(Object.assign(Object.create(null), { a: 1 }))).toBeUndefined();
  });

  test.each([
    ['undefined', undefined],
    ['a function', () => {}],
    ['a symbol', Symbol('x')],
    ['a big integer', 1n],
    ['NaN', Number.NaN],
    ['infinity', Number.POSITIVE_INFINITY],
    ['a date', new Date(0)],
    ['a map', new Map()],
    ['a missing member', { a: { b: undefined } }],
  ])('not %s, in any place', (_name, value) => {
    expect(jsonProblem(value)).toBe('is not a JSON value');
    expect(jsonProblem([1, { deep: value }])).toBe('is not a JSON value');
  });

  test('not beyond 64 levels, however deep, and not a cycle', () => {
    expect(jsonProblem(nested(64))).toBeUndefined();
    expect(jsonProblem(nested(65))).toContain('levels');
    expect(jsonProblem(nested(5_000))).toContain('levels');
    const circle: unknown[] = [];
    circle.push(circle, circle);
    expect(jsonProblem(circle)).toMatch(/levels|values/);
  });

  test('not more than a hundred thousand values', () => {
    expect(jsonProblem(Array.from({ length: 99_999 }, () => 0))).toBeUndefined();
    expect(jsonProblem(Array.from({ length: 100_000 }, () => 0))).toContain('values');
  });
});
