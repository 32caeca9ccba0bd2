import { createHash } from 'node:crypto';
import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = resolve(import.meta.dirname, '../..');

const shippedOf = (pattern: string) =>
  globSync(pattern, { cwd: ROOT })
    .filter((file) => !/(\.test|-harness)\.ts$|\/(testing|generated|define)\//.test(file))
    .map((file) => ({ file, text: readFileSync(resolve(ROOT, file), 'utf8') }));

test('no two statements share a name: a connection that has prepared one refuses the other', () => {
  const names = shippedOf('{services,cli,jobs}/**/*.ts').flatMap(({ text }) =>
    [...text.matchAll(/define(?:Statement|Tally)\(\s*'(\w+)'/g)].map(([, name]) => name),
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
  const stores = shippedOf('{services,cli,jobs}/**/*.store.ts');
  const wrong = stores.flatMap(({ file, text }) => {
    const imported = [...text.matchAll(/from '(\..*\.store\.ts)'/g)].map(([, path = '']) => join(dirname(file), path));
    const read = stores.filter((store) => store.file === file || imported.includes(store.file));
    const shown = read.flatMap((store) => [...store.text.matchAll(/\$\{\w+\('"?(\w+)"?'\)\} AS "?(\w+)"?/g)]);
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

/** Rows of Better Auth's own tables, whose columns are its members, and high-water marks, as sealed events name them. */
const OTHER_NAMES = [
  'services/core/identity/sessions/sessions.store.ts',
  'services/core/identity/users/accounts.store.ts',
  'services/wings/recovery/restore.store.ts',
];
const renamedIn = (text: string) => [...text.matchAll(/\bAS "(\w*[A-Z]\w*)"/g)].map(([, name = '']) => name);

test('a member of a row has the name that its column and the wire have: no alias writes it in another case', () => {
  const renamed = shippedOf('{services,cli,jobs}/**/*.store.ts').filter(({ text }) => renamedIn(text).length > 0);
  expect(renamed.map(({ file }) => file).sort()).toEqual(OTHER_NAMES);
  expect(renamedIn('SELECT user_id AS "userId", count(*) AS users FROM "order" AS "order"')).toEqual(['userId']);
});

// A database records the checksum of each migration that it applied, and Sallyport refuses to start on a database whose
// migrations differ. An edited migration, even in a comment, would therefore lock users out of their data.

const FOLDER = resolve(import.meta.dirname, '../../prisma');

test('no migration differs from its line in SHA256SUMS, and each has a line', () => {
  const files = readdirSync(`${FOLDER}/migrations`, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap(({ name }) => ['down', 'migration'].map((each) => `migrations/${name}/${each}.sql`))
    .filter((file) => existsSync(`${FOLDER}/${file}`))
    .sort();
  const sums = files.map(
    (file) =>
      `${createHash('sha256')
        .update(readFileSync(`${FOLDER}/${file}`))
        .digest('hex')}  ${file}`,
  );
  expect(readFileSync(`${FOLDER}/SHA256SUMS`, 'utf8').trimEnd().split('\n')).toEqual(sums);
});
