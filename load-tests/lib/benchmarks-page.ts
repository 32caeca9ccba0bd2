import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type BenchReport, detailOf, isMet } from './figure.ts';

/** Values of removed raw files, by bench and figure. */
type TrendEntry = {
  readonly date: string;
  readonly commit: string;
  readonly figures: Readonly<Record<string, Readonly<Record<string, number>>>>;
};

const TREND_FILE = 'trend.json';
/** Of each figure on the page. */
const TREND_VALUES = 8;

/** What limits each figure. */
const BOTTLENECKS: Readonly<Record<string, string>> = {
  validate: 'one core: the event loop of the API process',
  'validate-fresh': 'RSA verification on the event loop of the API process',
  'validate-algorithms': 'one core: the event loop of the API process',
  introspect: 'one core: the event loop of the API process',
  'verify-key': 'one core: the event loop of the API process',
  tracing: 'encoding spans on the event loop of the API process',
  'client-credentials': 'RS256 signing',
  'client-credentials-peer': 'RS256: signing; ES256: sealing and storing an audit event for each token',
  peers: 'signing (not Better Auth), and storing the token in PostgreSQL',
  'client-group-commit': 'commits in PostgreSQL',
  'client-assertions': 'verifying the assertion on the event loop of the API process',
  refresh: 'RS256 signing',
  'refresh-peer': 'RS256: signing; ES256: the rotation and its audit event on disk',
  'refresh-group-commit': 'commits in PostgreSQL',
  'refresh-in-sequence': 'one commit in PostgreSQL after another',
  latency: 'nothing at this load',
  'rate-limits': 'a round trip to Redis',
  caches: 'nothing at this load',
  'revoke-reach': 'the commit and the push through Redis; without Redis, polling every 250 ms',
  login: 'password hashing: bcrypt, cost 12, on every core',
  sessions: 'the same as each operation alone',
  'login-storm': 'processor time, shared with password hashing',
  'login-timing': 'password hashing',
  cleanup: 'PostgreSQL',
  workers: 'sealing, one batch after another',
  progress: 'password hashing: bcrypt, cost 12, on every core',
  'mcp-reads': 'nothing at this load',
  'open-tasks': 'nothing at this load',
  'compliance-report': 'reading every audit event in one worker process',
  phi: 'encryption in one process, and writes in PostgreSQL',
  storage: 'nothing: bytes, whatever the load',
  console: 'PostgreSQL and the API process, each a part of a core',
  'console-live': 'sealing the events, and the quarter of a second between two reads of the log',
  idle: 'nothing: what the schedules and polls cost',
  'verifier-typescript': 'RSA verification in one process',
  'verifier-python': 'the interpreter; PyJWT 2.15 also checks each character of a token in Python',
  'verifier-go': 'RSA verification in one process',
  'signals-reach': 'the interval of 500 ms between two polls; else verification, the commit and its signed answer',
  'verifiers-reach':
    'the interval of 500 ms between two polls; with server-sent events, the commit and its signed answer',
};

const limitOf = (bench: string): string => (bench in BOTTLENECKS ? `Limited by ${BOTTLENECKS[bench]}. ` : '');

const shown = (value: number): string => {
  if (value >= 100) return value.toFixed(0);
  return value >= 10 ? value.toFixed(1) : value.toFixed(3);
};

const targetOf = ({ target }: BenchReport['figures'][number]): string => {
  if (!target) return '';
  return 'atLeast' in target ? `≥ ${target.atLeast}` : `≤ ${target.atMost}`;
};

type Kept = { readonly file: string; readonly report: BenchReport };

/** Raw files, newest first. */
function readReports(folder: string): Kept[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith('.json') && file !== TREND_FILE)
    .map((file) => ({ file, report: JSON.parse(readFileSync(join(folder, file), 'utf8')) as BenchReport }))
    .sort((a, b) => b.report.date.localeCompare(a.report.date));
}

const readTrend = (folder: string): TrendEntry[] =>
  readdirSync(folder).includes(TREND_FILE)
    ? (JSON.parse(readFileSync(join(folder, TREND_FILE), 'utf8')) as TrendEntry[])
    : [];

function entryOf({ date, commit, figures }: BenchReport): TrendEntry {
  const values: Record<string, Record<string, number>> = {};
  for (const { bench, name, value } of figures) values[bench] = { ...values[bench], [name]: value };
  return { date, commit, figures: values };
}

const benchesOf = ({ figures }: BenchReport): Set<string> => new Set(figures.map(({ bench }) => bench));

/** Removes raw files whose benches all have newer results; their values stay in `trend.json`. */
export function removeSuperseded(folder: string): string[] {
  const seen = new Set<string>();
  const removed: Kept[] = [];
  for (const kept of readReports(folder)) {
    const benches = benchesOf(kept.report);
    if ([...benches].every((bench) => seen.has(bench))) removed.push(kept);
    for (const bench of benches) seen.add(bench);
  }
  if (removed.length === 0) return [];
  const trend = [...readTrend(folder), ...removed.map(({ report }) => entryOf(report))];
  trend.sort((a, b) => a.date.localeCompare(b.date));
  writeFileSync(join(folder, TREND_FILE), `${JSON.stringify(trend, null, 2)}\n`);
  for (const { file } of removed) rmSync(join(folder, file));
  return removed.map(({ file }) => file);
}

const row = (cells: readonly string[]): string => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;

/** A run of k6 measures one scenario; a run of benches several. */
const commandOf = (bench: string, { command }: BenchReport): string =>
  command.startsWith('npm run load') ? command : `npm run bench -- --only ${bench}`;

type Age = (commit: string) => string;

function runLine(
  { date, commit, command, machine, versions, loadAverage, errors }: BenchReport,
  at: number,
  age: Age,
): string {
  const load = `load average ${loadAverage.before.toFixed(1)} before, ${loadAverage.after.toFixed(1)} after`;
  const packages = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  const missing = errors.map(({ bench, error }) => ` Not measured: ${bench} (${error.split('\n', 1)[0]}).`);
  return `${at + 1}. ${date}, commit \`${commit}\`, ${age(commit)}: \`${command}\`. ${machine.cores} × ${machine.cpu}, ${machine.memoryGb} GB, Linux ${machine.kernel}; ${load}. ${packages.join(', ')}.${missing.join('')}`;
}

/** A figure of the newest run that has it, with the commit of that run. @throws if no run has */
export function newestFigure(
  folder: string,
  bench: string,
  name: string,
): BenchReport['figures'][number] & { readonly commit: string } {
  const found = readReports(folder)
    .flatMap(({ report }) => report.figures.map((figure) => ({ ...figure, commit: report.commit })))
    .find((figure) => figure.bench === bench && figure.name === name);
  if (found === undefined) throw new Error(`no run has the figure "${name}" of the bench ${bench}: npm run bench`);
  return found;
}

/** `docs/benchmarks.md`: each bench from the newest raw file that has it, with its age. */
export function benchmarksPage(folder: string, age: Age): string {
  const reports = readReports(folder).map(({ report }) => report);
  const history = [...readTrend(folder), ...reports.map(entryOf)].sort((a, b) => a.date.localeCompare(b.date));
  const newest = new Map<string, BenchReport>();
  for (const report of reports)
    for (const bench of benchesOf(report)) if (!newest.has(bench)) newest.set(bench, report);
  const used = reports.filter((report) => [...newest.values()].includes(report));
  const place = (bench: string): number => [...Object.keys(BOTTLENECKS), bench].indexOf(bench);
  const trendOf = (bench: string, name: string): string =>
    history
      .flatMap(({ figures }) => figures[bench]?.[name] ?? [])
      .slice(-TREND_VALUES)
      .map(shown)
      .join(' → ');
  const header = ['figure', 'target', 'measured', 'met', 'unit', 'trend', 'detail'];
  const sections = [...newest]
    .sort(([a], [b]) => place(a) - place(b))
    .flatMap(([bench, report]) => [
      `### ${bench}`,
      '',
      `${limitOf(bench)}Run ${used.indexOf(report) + 1}, ${age(report.commit)}; again: \`${commandOf(bench, report)}\`.`,
      '',
      row(header),
      row(header.map(() => '---')),
      ...report.figures
        .filter((figure) => figure.bench === bench)
        .map((figure) => {
          const met = { true: 'yes', false: 'NO', undefined: '' }[String(isMet(figure))] ?? '';
          const { name, value, unit } = figure;
          return row([name, targetOf(figure), shown(value), met, unit, trendOf(bench, name), detailOf(figure)]);
        }),
      '',
    ]);
  return [
    '<!-- Generated by `npm run catalog` from load-tests/results; run `npm run bench`, not an editor. -->',
    '# Benchmarks',
    '',
    'A ratio compares the product with a baseline in the same run on the same machine: `subject ÷ baseline`. A trend lists the measured values of a figure, oldest first. A figure without a target is shown for comparison. A figure is of the product as it was at its commit: the more commits of `services/` have come since, the less it says of today. [How to read the figures](../load-tests/README.md).',
    '',
    '## Runs',
    '',
    ...used.map((report, at) => runLine(report, at, age)),
    '',
    '## Figures',
    '',
    ...sections,
  ].join('\n');
}
