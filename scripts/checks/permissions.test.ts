import { globSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { collectEndpoints } from '#scripts/catalog/collect.ts';
import { modules } from '#services/domain/modules.ts';
import { PERMISSION_NAME } from '#services/platform/define/permissions.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const permissions = modules.flatMap((module) => module.permissions);
const names = permissions.map(({ name }) => name);

test('a permission is declared once, by a module, with a resource and a verb or the name of a scope of a profile', () => {
  expect(names.length).toBeGreaterThan(30);
  expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
  // As the table's constraint.
  for (const name of names) expect(name).toMatch(PERMISSION_NAME);
  for (const { name, roles } of permissions) expect([name, roles.includes('admin')]).toEqual([name, true]);
});

test('every permission that an endpoint declares is defined', async () => {
  const required = (await collectEndpoints()).flatMap(({ auth }) => {
    if (auth === 'public') return [];
    const { permission, subject } = auth;
    return [
      ...(permission === undefined ? [] : [permission]),
      ...(typeof subject === 'object' ? [subject.others] : []),
    ];
  });
  expect(required.length).toBeGreaterThan(100);
  expect([...new Set(required)].filter((name) => !names.includes(name))).toEqual([]);
});

const shipped = globSync('{services,cli,jobs,prisma}/**/*.ts', { cwd: ROOT })
  .filter((file) => !/(\.test|-harness)\.ts$|\/generated\//.test(file))
  .map((file) => ({ file, text: readFileSync(resolve(ROOT, file), 'utf8') }));

test('every permission that is defined is used, by its value and not as text', () => {
  const declared = shipped.flatMap(({ file, text }) =>
    file.endsWith('/permissions.ts')
      ? [...text.matchAll(/export const (\w+) = definePermission\(\{\s*name: '([a-z_:.]+)'/g)].map(
          ([, value, name]) => ({
            value,
            name,
          }),
        )
      : [],
  );
  expect(declared.map(({ name }) => name).sort()).toEqual([...names].sort());
  const others = shipped.filter(({ file }) => !file.endsWith('/permissions.ts'));
  const unused = declared.filter(({ value }) => !others.some(({ text }) => new RegExp(`\\b${value}\\b`).test(text)));
  expect(unused).toEqual([]);
  const asText = others.flatMap(({ file, text }) =>
    names
      .filter((name) => text.split('\n').some((line) => line.includes(`'${name}'`) && !/^\s*(\*|\/\/)/.test(line)))
      .map((name) => `${file}: ${name}`),
  );
  expect(asText).toEqual([]);
});
