import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { sourceFiles } from './test-titles.ts';

const root = resolve(import.meta.dirname, '../..');
const guide = readFileSync(join(root, 'docs/how-to/operate.md'), 'utf8');
const [read = '', ignored = ''] = ['Read', 'Ignored'].map(
  (word) => guide.match(new RegExp(`^- ${word}: (.+)$`, 'm'))?.[1],
);
const namesIn = (text: string): string[] => [...new Set(text.match(/\bOTEL_[A-Z_]+[A-Z]\b/g))];

const sources = sourceFiles(root, 'observability/*.ts').filter((file) => !file.endsWith('.test.ts'));
/** Names as text: what a comment says is not read, and what our process sets for a library is no setting. */
const inSources = namesIn(
  sources
    .map((file) => readFileSync(join(root, file), 'utf8'))
    .flatMap((text) => [...text.matchAll(/'(OTEL_[A-Z_]+)'/g)].map(([, name]) => name))
    .join(' '),
);

test('the guide for operators names every variable of OpenTelemetry that is read, and none of those as ignored', () => {
  expect(inSources.length).toBeGreaterThan(8);
  expect(inSources.filter((name) => !namesIn(read).includes(name))).toEqual([]);
  expect(namesIn(ignored).filter((name) => inSources.includes(name))).toEqual([]);
  expect(namesIn(ignored)).toEqual(
    expect.arrayContaining(['OTEL_PROPAGATORS', 'OTEL_TRACES_EXPORTER', 'OTEL_SERVICE_NAME']),
  );
});
