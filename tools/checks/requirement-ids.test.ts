import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { newestFigure } from '#load-tests/lib/benchmarks-page.ts';
import { isMet } from '#load-tests/lib/figure.ts';
import known from './requirement-ids.json' with { type: 'json' };
import { testTitles } from './test-titles.ts';

const root = resolve(import.meta.dirname, '../..');
const PAGE = 'docs/explanation/requirement-ids.md';
const page = readFileSync(join(root, PAGE), 'utf8');

/**
 * `requirements` has the first letter of each id of a subject, in the order of their numbers: SHP-01 is P-SHP-01.
 * `guarantees` says how many guarantees against an attack each letter has: J1 to J17.
 */
const EXPECTED = [
  ...Object.entries(known.requirements).flatMap(([subject, letters]) =>
    [...letters].map((letter, at) => `${letter}-${subject}-${String(at + 1).padStart(2, '0')}`),
  ),
  ...Object.entries(known.guarantees).flatMap(([letter, count]) =>
    Array.from({ length: count }, (_, at) => letter + (at + 1)),
  ),
];

type Row = { readonly id: string; readonly lines: readonly string[] };
/** `- **id** what it means`, and below it `  - line` for each proof, and for what there is instead. */
const rowsIn = (text: string): Row[] =>
  [...text.matchAll(/^- \*\*([A-Z][A-Z0-9-]*\d)\*\* .+\n((?: {2}- .+\n)*)/gm)].map(([, id, lines]) => ({
    id: id as string,
    lines: [...(lines as string).matchAll(/- (.+)\n/g)].map(([, line]) => line as string),
  }));

const rows = rowsIn(page);
const ids = rows.map(({ id }) => id);
const titles = testTitles(root);
const filesOf = Map.groupBy(titles, ({ title }) => title);
const isReason = (line: string): boolean => /^(Instead|Not met): /.test(line);
const figureOf = (line: string): RegExpMatchArray | null => line.match(/^figure `([^`]+)`: (.+)$/);
const measured = ([, bench, name]: RegExpMatchArray) =>
  newestFigure(join(root, 'load-tests/results'), bench as string, name as string);

/** What is wrong with a line, or null. */
function faultOf(line: string): string | null {
  if (isReason(line)) return null;
  const figure = figureOf(line);
  if (figure !== null)
    try {
      measured(figure);
      return null;
    } catch (err) {
      return (err as Error).message;
    }
  if (line.startsWith('See ')) {
    const links = [...line.matchAll(/\]\(([^)#]+)/g)].map(([, to]) => to as string);
    const missing = links.filter((to) => !existsSync(join(root, dirname(PAGE), to)));
    return links.length > 0 && missing.length === 0 ? null : `no file for "${line}"`;
  }
  const count = filesOf.get(line)?.length ?? 0;
  return count === 1 ? null : `"${line}" is the title of ${count} tests`;
}

/** A figure that misses its target needs the words "Not met", and these words a figure that does not meet one. */
function missOf(lines: readonly string[]): string | null {
  const figures = lines.map(figureOf).filter((figure) => figure !== null);
  const met = figures.map((figure) => isMet(measured(figure)));
  const isSaid = lines.some((line) => line.startsWith('Not met: '));
  if (met.includes(false) && !isSaid) return 'a figure misses its target';
  return isSaid && met.every((each) => each === true) ? 'no figure misses a target' : null;
}

const faultsOf = ({ id, lines }: Row): string[] => {
  const proofs = lines.filter((line) => !isReason(line)).length;
  const reasons = lines.length - proofs;
  const faults = lines.map(faultOf).filter((fault) => fault !== null);
  const miss = faults.length === 0 ? missOf(lines) : null;
  return [
    ...(proofs < 1 || proofs > 3 ? [`${proofs} proofs`] : []),
    ...(reasons > 1 ? [`${reasons} reasons`] : []),
    ...faults,
    ...(miss === null ? [] : [miss]),
  ].map((fault) => `${id}: ${fault}`);
};

describe('the page of requirements', () => {
  test('has each requirement and each guarantee once, and no other', () => {
    expect(EXPECTED).toHaveLength(237 + 75);
    expect([...ids].sort()).toEqual([...EXPECTED].sort());
    expect(rows).toHaveLength(page.slice(page.indexOf('\n## ')).match(/^- /gm)?.length ?? 0);
  });

  test('names one to three proofs for each id: tests by a title that exactly one has, figures and files that exist', () =>
    expect(rows.flatMap(faultsOf)).toEqual([]));

  test('a title, figure or file that is gone, and an id without a proof, are reported', () => {
    const faultsIn = (lines: string): string[] => rowsIn(`- **A-TOK-01** It works.\n${lines}`).flatMap(faultsOf);
    expect(faultsIn('')).toEqual(['A-TOK-01: 0 proofs']);
    expect(faultsIn('  - Instead: nothing.\n')).toEqual(['A-TOK-01: 0 proofs']);
    expect(faultsIn('  - gone\n')).toEqual(['A-TOK-01: "gone" is the title of 0 tests']);
    expect(faultsIn('  - figure `login`: gone\n')).toEqual([expect.stringContaining('no run has the figure')]);
    expect(faultsIn('  - See [it](gone.md)\n')).toEqual([expect.stringContaining('no file')]);
    const missed = '  - figure `load sustained (load)`: dropped requests\n';
    expect(faultsIn(missed)).toEqual(['A-TOK-01: a figure misses its target']);
    expect(faultsIn(`${missed}  - Not met: some are dropped.\n`)).toEqual([]);
    const met = '  - figure `load sustained (load)`: issue, average\n';
    expect(faultsIn(`${met}  - Not met: it is slow.\n`)).toEqual(['A-TOK-01: no figure misses a target']);
  });

  test('names each OWASP API risk of 2023 as a source', () => {
    const covered = new Set([...page.matchAll(/API(10|[1-9])(?!\d)/g)].map(([, number]) => Number(number)));
    expect([...covered].sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });

  test('the top level has every folder and file that the project promised', () => {
    const folders = ['services', 'prisma', 'jobs', 'observability', 'load-tests'];
    const files = ['package.json', 'tsconfig.json', 'docker-compose.yml', 'README.md'];
    expect([...folders, ...files].filter((name) => !existsSync(join(root, name)))).toEqual([]);
  });
});
