import { globSync } from 'node:fs';
import { expect, test } from 'vitest';
import { z } from 'zod';
import type { Operation } from './core/shared/operation.ts';
import { loadList, modules, modulesOf, purgesOf } from './modules.ts';

/**
 * The members of one part of a request; undefined for a part that accepts others. Unknown ones are refused, or removed before
 * the rule: from forms of OAuth, which must ignore them (RFC 6749 §3.1).
 */
function membersOf(part: z.ZodType | undefined, isForm = false): readonly string[] | undefined {
  if (part === undefined) return [];
  const shape = part instanceof z.ZodOptional ? part.unwrap() : part;
  return shape instanceof z.ZodObject &&
    (shape.def.catchall instanceof z.ZodNever || (isForm && shape.def.catchall === undefined))
    ? Object.keys(shape.shape)
    : undefined;
}

const isOperation = (value: unknown): value is Operation => (value as Operation | null)?.endpoint !== undefined;

test('every operation that is declared is named by one module, once', async () => {
  const named = (await Promise.all(modules.map(async ({ operations }) => (await operations?.()) ?? []))).flat();
  const files = globSync('**/{operations,*-operations}.ts', { cwd: import.meta.dirname });
  const declared = await Promise.all(
    files.map(async (file) =>
      Object.values(await import(`./${file}`))
        .flat()
        .filter(isOperation),
    ),
  );
  const missing = declared.flat().filter((operation) => !named.includes(operation));
  expect(missing.map(({ endpoint }) => endpoint.operation)).toEqual([]);
  expect(named.length).toBeGreaterThan(100);
  expect(new Set(named.map(({ endpoint }) => endpoint.operation)).size).toBe(named.length);
});

test('a rule gets only members that its contract names, each from one place of the request', async () => {
  const named = (await Promise.all(modules.map(async ({ operations }) => (await operations?.()) ?? []))).flat();
  const wrong = named.filter(({ endpoint: { body, bodyType, query, params } }) => {
    const members = [membersOf(body, bodyType === 'form'), membersOf(query), membersOf(params)];
    const all = members.flatMap((some) => some ?? []);
    return members.includes(undefined) || new Set(all).size !== all.length;
  });
  expect(wrong.map(({ endpoint }) => endpoint.operation)).toEqual([]);
});

test('every command that changes something asks first, and takes a reason for the audit log', async () => {
  const named = (await Promise.all(modules.map(async ({ operations }) => (await operations?.()) ?? []))).flat();
  const acts = named.filter(({ endpoint, command }) => command !== undefined && endpoint.method !== 'GET');
  const silent = acts.filter(({ endpoint: { body, query }, command }) => {
    const members = [body, query].flatMap((part) => membersOf(part) ?? []);
    return command?.asks === undefined || !members.includes('reason');
  });
  expect(acts.length).toBeGreaterThan(20);
  expect(silent.map(({ endpoint }) => endpoint.operation)).toEqual([]);
});

test('the queue that streams share is purged without hand-offs', () => {
  const kinds = purgesOf(modulesOf({ leftOut: ['handoff'] })).map(({ kind }) => kind);
  expect(kinds).toEqual(expect.arrayContaining(['handoff_deliveries', 'handoff_endpoints']));
});

test('every kind of task is named by one module, and is advanced', async () => {
  const namesOf = (kinds: readonly { readonly name: string }[]) => kinds.map(({ name }) => name).sort();
  const kinds = namesOf(await loadList('tasks'));
  expect(kinds).toEqual(['compliance_report', 'rotate_signing_keys']);
  expect(namesOf(await loadList('taskAdvances'))).toEqual(kinds);
});
