import { globSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = resolve(import.meta.dirname, '../..');

test('no two statements share a name: a connection that has prepared the one refuses the other', () => {
  const names = globSync('{services,cli,jobs}/**/*.ts', { cwd: ROOT })
    .filter((file) => !/\.test\.ts$|\/(testing|generated|define)\//.test(file))
    .flatMap((file) =>
      [...readFileSync(resolve(ROOT, file), 'utf8').matchAll(/defineStatement\(\s*'(\w+)'/g)].map(([, name]) => name),
    );
  expect(names.length).toBeGreaterThan(100);
  expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
});
