import { globSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = resolve(import.meta.dirname, '../..');

const shippedOf = (pattern: string) =>
  globSync(pattern, { cwd: ROOT })
    .filter((file) => !/(\.test|-harness)\.ts$|\/(testing|generated|define)\//.test(file))
    .map((file) => ({ file, text: readFileSync(resolve(ROOT, file), 'utf8') }));

test('no two statements share a name: a connection that has prepared one refuses the other', () => {
  const names = shippedOf('{services,cli,jobs}/**/*.ts').flatMap(({ text }) =>
    [...text.matchAll(/defineStatement\(\s*'(\w+)'/g)].map(([, name]) => name),
  );
  expect(names.length).toBeGreaterThan(100);
  expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
});

const COMMANDS = 'get|getMany|set|setMany|setIfAbsent|delete|getAndDelete|increment|append|follow';

test.each([
  ['defines SQL', '.store.ts', /\bdefineStatement\(/, 30],
  ['asks Redis', '.cache.ts', new RegExp(`\\bredis\\.(${COMMANDS})\\(`), 3],
] as const)('whatever of the domain %s is a %s', (_what, suffix, pattern, least) => {
  const users = shippedOf('services/{core,wings}/**/*.ts').filter(({ text }) => pattern.test(text));
  expect(users.length).toBeGreaterThanOrEqual(least);
  expect(users.map(({ file }) => file).filter((file) => !file.endsWith(suffix))).toEqual([]);
});

test('no list is ordered by the text of a time: ORDER BY means a result of that name before the column, and no index has it', () => {
  const wrong = shippedOf('{services,cli,jobs}/**/*.store.ts').flatMap(({ file, text }) => {
    const shown = [...text.matchAll(/placeTime\('"?(\w+)"?'\)\} AS "?(\w+)"?/g)];
    const hidden = new Set(shown.flatMap(([, column, name]) => (column === name ? [name] : [])));
    const orders = [...text.matchAll(/ORDER BY ([^`')]*)/g)].map(([, order = '']) => order);
    return orders.flatMap((order) =>
      [...order.matchAll(/(?<![\w."])"?(\w+)"?(?![\w".])/g)].flatMap(([, name = '']) =>
        hidden.has(name) ? [`${file}: name the table in ORDER BY ${name}`] : [],
      ),
    );
  });
  expect(wrong).toEqual([]);
});
