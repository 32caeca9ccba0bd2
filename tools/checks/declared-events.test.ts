import { globSync, readFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { readTelemetrySettings } from '#observability/otel-settings.ts';
import { collectAuditEvents } from '../catalog/collect.ts';
import { sourceFiles } from './test-titles.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const MIGRATIONS = join(ROOT, 'prisma/migrations');

// Use-cases cannot write an event that is not declared: it would not compile. Triggers could.
test('every event that a row trigger writes is declared, with its durability', async () => {
  const sql = await Promise.all(
    (await readdir(MIGRATIONS, { withFileTypes: true }))
      .filter((entry) => entry.isDirectory())
      .map((entry) => readFile(join(MIGRATIONS, entry.name, 'migration.sql'), 'utf8')),
  );
  const written = sql
    .join('\n')
    .matchAll(/(?:audit_record\(|event := |INSERT INTO audit_outbox[^;]*?VALUES \()'([a-z_]+\.[a-z_.]+)'/g);
  const types = new Set([...written].map(([, type]) => type));
  expect(types.size).toBeGreaterThan(10);
  const declared = new Set((await collectAuditEvents()).map(({ type }) => type));
  expect([...types].filter((type) => !declared.has(type as string))).toEqual([]);
});

/** Members that a statement writes: the keys of its JSON objects, with `reason` for `audit_reason()`. */
const membersIn = (sql: string): string[] => [
  ...[...sql.matchAll(/jsonb_build_object\(([\s\S]*?)\)(?=[ ,;|)]|$)/g)].flatMap(([, pairs]) =>
    [...(pairs ?? '').matchAll(/(?:^|, ?\s*)'([a-z_]+)',/g)].map(([, key]) => key as string),
  ),
  ...(sql.includes('audit_reason()') ? ['reason'] : []),
];

// A leaf shows a member only if it is declared, so a forgotten one is committed to: readers would wonder why.
test('every member that a trigger or a statement writes is declared by one of the events that it writes', async () => {
  const declared = new Map((await collectAuditEvents()).map((event) => [event.type, Object.keys(event.detail)]));
  const migrations = (await readdir(MIGRATIONS, { withFileTypes: true })).filter((entry) => entry.isDirectory());
  const sql = await Promise.all(
    migrations.map((entry) => readFile(join(MIGRATIONS, entry.name, 'migration.sql'), 'utf8')),
  );
  const bodies = sql.flatMap((text) => text.split(/(?=CREATE (?:OR REPLACE )?FUNCTION)/));
  const stores = await Promise.all(
    sourceFiles(ROOT, 'services/{core,wings}/**/*.store.ts').map((file) => readFile(join(ROOT, file), 'utf8')),
  );
  const inserts = stores.flatMap((text) => [...text.matchAll(/INSERT INTO audit_outbox[\s\S]*?FROM \w+/g)].map(String));
  let found = 0;
  const missing: string[] = [];
  for (const body of [...bodies.filter((each) => each.includes('PERFORM audit_record(')), ...inserts]) {
    const types = [...body.matchAll(/'([a-z_]+\.[a-z_.]+)'/g)].map(([, type]) => type as string);
    const known = new Set(types.flatMap((type) => declared.get(type) ?? []));
    for (const member of membersIn(body)) {
      found += 1;
      if (!known.has(member)) missing.push(`${types.join(' ')}: ${member}`);
    }
  }
  expect(found).toBeGreaterThan(30);
  expect(missing).toEqual([]);
});

// Inserted without `recordEvent`, which would not compile with another outcome; no use-case writes `test.…`.
test('every event that a test inserts by SQL is declared with its outcome', async () => {
  const outcomes = new Map((await collectAuditEvents()).map((event) => [event.type, event.outcomes]));
  let planted = 0;
  const wrong: string[] = [];
  for (const file of sourceFiles(ROOT, '**/*.ts')) {
    const statements = (await readFile(join(ROOT, file), 'utf8')).matchAll(
      /INSERT INTO audit_(?:outbox|events)\b[^`]*?'([a-z_]+\.[a-z_.]+)', '([a-z_]+)'/g,
    );
    for (const [, type, outcome] of statements) {
      if (type?.startsWith('test.')) continue;
      planted += 1;
      if (!outcomes.get(type as string)?.includes(outcome as string)) wrong.push(`${file}: ${type} ${outcome}`);
    }
  }
  expect(planted).toBeGreaterThan(3);
  expect(wrong).toEqual([]);
});

const root = resolve(import.meta.dirname, '../..');
const guide = readFileSync(join(root, 'docs/how-to/operate.md'), 'utf8');
const [read = '', ignored = ''] = ['Read', 'Ignored'].map(
  (word) => guide.match(new RegExp(`^- ${word}: (.+)$`, 'm'))?.[1],
);
/** Names as the guide writes them: `OTEL_SPAN_*` stands for all that begin so. */
const namesIn = (text: string): string[] => [...new Set(text.match(/\bOTEL_[A-Z_]+(?:[A-Z]|\*)/g))];
const isIn = (names: readonly string[]) => (name: string) =>
  names.some((each) => each === name || (each.endsWith('*') && name.startsWith(each.slice(0, -1))));

/** Names as text: what a comment says is not read, and what our process sets for a library is no setting. */
const quoted = (file: string): string[] =>
  [...readFileSync(join(root, file), 'utf8').matchAll(/['"](OTEL_[A-Z_]+[A-Z])['"]/g)].map(
    ([, name]) => name as string,
  );

function namesOfOurs(): string[] {
  const asked = new Set(
    sourceFiles(root, 'observability/*.ts')
      .filter((file) => !file.endsWith('.test.ts'))
      .flatMap(quoted),
  );
  const env: Record<string, string> = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1' };
  readTelemetrySettings(
    new Proxy(env, {
      get(target, name: string) {
        asked.add(name);
        return target[name];
      },
    }),
  );
  return [...asked];
}

test('the guide for operators names every variable of OpenTelemetry that is read, and none of those as ignored', () => {
  const names = namesOfOurs();
  expect(names.length).toBeGreaterThan(15);
  expect(names.filter((name) => !isIn(namesIn(read))(name))).toEqual([]);
  expect(names.filter(isIn(namesIn(ignored)))).toEqual([]);
});

test('the guide says of every variable that the SDK knows whether it is read', () => {
  const packages = [
    'sdk-node',
    'resources',
    'otlp-exporter-base',
    'otlp-grpc-exporter-base',
    'exporter-metrics-otlp-http',
  ];
  const known = packages.flatMap((name) =>
    globSync(`node_modules/@opentelemetry/${name}/build/src/**/*.js`, { cwd: root }).flatMap(quoted),
  );
  expect(known).toContain('OTEL_SPAN_LINK_COUNT_LIMIT');
  expect(known.filter((name) => !isIn(namesIn(read + ignored))(name))).toEqual([]);
});
