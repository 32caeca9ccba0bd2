import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release } from 'node:os';

/** The parts of a k6 end-of-test summary that are read here. */
type Summary = {
  readonly metrics: Readonly<
    Record<
      string,
      {
        readonly type: string;
        readonly values: Readonly<Record<string, number>>;
        readonly thresholds?: Readonly<Record<string, { readonly ok: boolean }>>;
      }
    >
  >;
  readonly root_group: Group;
  readonly state: { readonly testRunDurationMs: number };
};

type Group = {
  readonly checks: readonly { readonly name: string; readonly passes: number; readonly fails: number }[];
  readonly groups: readonly Group[];
};

type Case = {
  readonly suite: 'threshold' | 'check';
  readonly name: string;
  readonly passed: boolean;
  readonly note: string;
};

const checksOf = (group: Group): Group['checks'] => [...group.checks, ...group.groups.flatMap(checksOf)];

const valuesOf = (values: Readonly<Record<string, number>>): string =>
  Object.entries(values)
    .map(([name, value]) => `${name} ${Number.isInteger(value) ? value : value.toFixed(2)}`)
    .join(', ');

/** Thresholds and checks alike, as named cases that passed or did not. */
function casesOf(summary: Summary): Case[] {
  const thresholds = Object.entries(summary.metrics).flatMap(([metric, { thresholds: all = {}, values }]) =>
    Object.entries(all).map(
      ([rule, { ok }]): Case => ({
        suite: 'threshold',
        name: `${metric}: ${rule}`,
        passed: ok,
        note: valuesOf(values),
      }),
    ),
  );
  const checks = checksOf(summary.root_group).map(
    ({ name, passes, fails }): Case => ({
      suite: 'check',
      name,
      // A check that never ran proves nothing.
      passed: fails === 0 && passes > 0,
      note: `${passes} of ${passes + fails}`,
    }),
  );
  return [...thresholds, ...checks];
}

const xml = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

function junit(cases: readonly Case[], name: string, seconds: number): string {
  const failed = cases.filter(({ passed }) => !passed).length;
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuite name="${xml(name)}" tests="${cases.length}" failures="${failed}" time="${seconds.toFixed(1)}">`,
    ...cases.map(({ suite, name: title, passed, note }) =>
      passed
        ? `  <testcase classname="${suite}" name="${xml(title)}"/>`
        : `  <testcase classname="${suite}" name="${xml(title)}"><failure message="${xml(note)}"/></testcase>`,
    ),
    '</testsuite>',
    '',
  ].join('\n');
}

function markdown(cases: readonly Case[], lines: readonly string[]): string {
  const row = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [
    '# Load',
    '',
    ...lines.map((line) => `- ${line}`),
    '',
    row(['', 'what', 'passed', 'measured']),
    row(['---', '---', '---', '---']),
    ...cases.map(({ suite, name, passed, note }) => row([suite, name, passed ? 'yes' : 'NO', note])),
    '',
  ].join('\n');
}

/**
 * Writes JUnit and Markdown beside k6's summary.
 * @returns the table for a terminal, the files, and whether every threshold and check passed
 */
export function saveLoadReport(
  summaryFile: string,
  run: { readonly scenario: string; readonly profile: string; readonly target: string; readonly k6Version: string },
): { readonly table: string; readonly files: readonly string[]; readonly passed: boolean } {
  const summary = JSON.parse(readFileSync(summaryFile, 'utf8')) as Summary;
  const cases = casesOf(summary);
  const seconds = summary.state.testRunDurationMs / 1_000;
  const base = summaryFile.slice(0, -'.json'.length);
  const name = `${run.scenario} (${run.profile})`;
  const lines = [
    `${new Date().toISOString()}: ${name} against ${run.target}, ${seconds.toFixed(1)} s, open model`,
    `${cpus().length} × ${cpus()[0]?.model}, Linux ${release()}, load average ${loadavg()[0]!.toFixed(1)}; node ${process.versions.node}`,
  ];
  writeFileSync(`${base}.xml`, junit(cases, name, seconds));
  writeFileSync(`${base}.md`, markdown(cases, lines));
  const width = Math.max(...cases.map(({ name: title }) => title.length));
  const table = [
    ...lines,
    ...cases.map(({ passed, name: title, note }) => `${passed ? 'ok  ' : 'FAIL'} ${title.padEnd(width)}  ${note}`),
  ].join('\n');
  return { table, files: [summaryFile, `${base}.xml`, `${base}.md`], passed: cases.every(({ passed }) => passed) };
}
