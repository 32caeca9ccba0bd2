import { globSync } from 'node:fs';
import { expect, test } from 'vitest';
import { modules } from './modules.ts';
import type { Operation } from './shared/operation.ts';

const isList = (value: unknown): value is Operation[] => Array.isArray(value) && value[0]?.endpoint !== undefined;

test('every operation that is declared is named by one module, once', async () => {
  const named = (await Promise.all(modules.map(async ({ operations }) => (await operations?.()) ?? []))).flat();
  const files = globSync('**/{operations,*-operations}.ts', { cwd: import.meta.dirname });
  const declared = await Promise.all(
    files.map(async (file) => Object.values(await import(`./${file}`)).filter(isList)),
  );
  const missing = declared.flat(2).filter((operation) => !named.includes(operation));
  expect(missing.map(({ endpoint }) => endpoint.operation)).toEqual([]);
  expect(named.length).toBeGreaterThan(100);
  expect(new Set(named.map(({ endpoint }) => endpoint.operation)).size).toBe(named.length);
});
