import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { defineRecord, selectOf } from './record.ts';

const record = defineRecord({
  name: { shape: z.string().max(9), shows: z.string(), reads: 'coalesce(name, id)' },
  tags: { shape: z.array(z.string().max(3)), initially: [] },
  is_open: {
    shape: z.boolean(),
    initially: false,
    registers: { shape: z.boolean().default(false), help: 'Whether it is open.', answers: z.boolean() },
  },
  home: {
    shape: z.string().nullable(),
    initially: null,
    registers: { shape: z.string().optional(), help: 'Its home.' },
  },
  picture: {
    shape: z.string().nullable(),
    initially: null,
    showsAs: { name: 'has_picture', sql: 'picture IS NOT NULL', shape: z.boolean() },
  },
});

describe('one line for each setting gives', () => {
  test('what creating takes: a setting without an initial value is required', () => {
    const shape = z.strictObject(record.create);
    expect(shape.safeParse({ name: 'x' }).success).toBe(true);
    expect(shape.safeParse({ tags: [] }).success).toBe(false);
    expect(shape.safeParse({ name: 'x', tags: ['long'] }).success).toBe(false);
  });

  test('what a change takes: any of them, within the same bounds', () => {
    const shape = z.strictObject(record.update);
    expect(shape.safeParse({}).success).toBe(true);
    expect(shape.safeParse({ home: null, is_open: true }).success).toBe(true);
    expect(shape.safeParse({ name: 'much too long' }).success).toBe(false);
  });

  test('what answers show: any texts in lists, and in place of a hidden value what is said of it', () => {
    const shown = { name: 'much too long', tags: ['long'], is_open: true, home: null, has_picture: true };
    expect(z.strictObject(record.view).parse(shown)).toEqual(shown);
  });

  test('the SELECT list and the columns, in the order of the lines', () => {
    expect(record.select).toBe('coalesce(name, id) AS name, tags, is_open, home, picture IS NOT NULL AS has_picture');
    expect(record.columns).toBe('name, tags, is_open, home, picture');
  });

  test('client metadata: only of the settings that register', () => {
    const { shapes, answers, documents } = record.registers;
    for (const members of [shapes, answers, documents]) expect(Object.keys(members)).toEqual(['is_open', 'home']);
    expect(z.object(shapes).parse({})).toEqual({ is_open: false });
    expect(z.object(answers).safeParse({ is_open: true }).success).toBe(true);
    expect(z.toJSONSchema(z.object(documents)).properties?.home).toEqual({ description: 'Its home.' });
  });
});

test('values of a new record are those given, else the initial ones; other members are left out', () => {
  const given = { name: 'x', home: 'here', other: 1 };
  expect(record.withInitial(given)).toEqual({ name: 'x', tags: [], is_open: false, home: 'here', picture: null });
});

test('only the settings that are named are changed, also to nothing', () => {
  const given = { home: null, tags: undefined, other: 1, toString: 'x' };
  expect(record.pick(given)).toEqual({ home: null });
});

test('a SELECT list has the members of a shape, by their columns or by the expressions given', () =>
  expect(selectOf({ thing_id: z.uuid(), name: z.string() }, { thing_id: 'id' })).toBe('id AS thing_id, name'));
