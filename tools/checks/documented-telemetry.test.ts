import { globSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { readTelemetrySettings } from '#observability/otel-settings.ts';
import { sourceFiles } from './test-titles.ts';

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
