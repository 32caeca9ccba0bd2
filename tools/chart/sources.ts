import { createHash } from 'node:crypto';
import { globSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

export const root = resolve(import.meta.dirname, '../..');
export const chart = join(root, 'deploy/helm');
export const golden = join(import.meta.dirname, 'golden');

const [, version = ''] = /^version: (\S+)$/m.exec(readFileSync(join(chart, 'Chart.yaml'), 'utf8')) ?? [];

/** Golden renders, and the values of each; none for what the chart does by itself. */
export const renders: Readonly<Record<string, readonly string[]>> = {
  default: [],
  all: ['--values', join(import.meta.dirname, 'all-values.yaml')],
};

/** A version of the product changes no template, so renders and their hash do not name it. */
export const withoutVersion = (text: string): string => text.replaceAll(version, 'VERSION');

/** One hash of all that a golden render depends on, so that a machine without helm sees a stale one. */
export function hashOfSources(): string {
  const hash = createHash('sha256');
  const files = globSync('**/*.*', { cwd: chart }).sort();
  for (const path of [...files.map((file) => join(chart, file)), join(import.meta.dirname, 'all-values.yaml')])
    hash
      .update(`${path.slice(root.length)}\0`)
      .update(withoutVersion(readFileSync(path, 'utf8')))
      .update('\0');
  return hash.digest('hex');
}
