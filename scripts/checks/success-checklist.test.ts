import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { newestFigure } from '#load-tests/lib/benchmarks-page.ts';
import { isMet } from '#load-tests/lib/figure.ts';
import { testTitles } from './test-titles.ts';

const root = resolve(import.meta.dirname, '../..');
const results = join(root, 'load-tests/results');
const text = readFileSync(join(root, 'docs/explanation/success-checklist.md'), 'utf8');

type Proof = { readonly kind: 'figure' | 'test'; readonly place: string; readonly name: string };
type Point = { readonly title: string; readonly reached: boolean; readonly proofs: readonly Proof[] };

const pointsIn = (page: string): Point[] =>
  [...page.matchAll(/^- \[([ x])\] \*\*(.+?)\*\*.*\n((?: {2}- .+\n)*)/gm)].map(([, mark, title, proofs]) => ({
    title: title as string,
    reached: mark === 'x',
    proofs: [...(proofs as string).matchAll(/^ {2}- (figure )?`([^`]+)`: (.+)$/gm)].map(([, figure, place, name]) => ({
      kind: figure === undefined ? 'test' : 'figure',
      place: place as string,
      name: name as string,
    })),
  }));

const titles = new Set(testTitles(root).map(({ file, title }) => `${file}: ${title}`));

/** What is wrong with a proof, or null. */
function faultOf({ kind, place, name }: Proof, reached: boolean): string | null {
  if (kind === 'test') return titles.has(`${place}: ${name}`) ? null : `no test "${name}" in ${place}`;
  try {
    const figure = newestFigure(results, place, name);
    return reached && isMet(figure) !== true ? `"${name}" is ${figure.value} and does not meet a target` : null;
  } catch (err) {
    return (err as Error).message;
  }
}
const faultsOf = (points: readonly Point[]): (string | null)[] =>
  points.flatMap(({ proofs, reached }) => proofs.map((proof) => faultOf(proof, reached))).filter(Boolean);

describe('the success checklist', () => {
  const points = pointsIn(text);

  test('has each point once, with one proof or more', () => {
    expect(points).toHaveLength(text.match(/^- /gm)?.length ?? 0);
    expect(points.length).toBeGreaterThanOrEqual(13);
    expect(new Set(points.map(({ title }) => title)).size).toBe(points.length);
    expect(points.filter(({ proofs }) => proofs.length === 0)).toEqual([]);
    expect(points.flatMap(({ proofs }) => proofs)).toHaveLength(text.match(/^ {2}- /gm)?.length ?? 0);
  });

  test('names tests that exist, and figures that are met where a point is ticked', () => {
    expect(faultsOf(points)).toEqual([]);
  });

  test('a test that is gone, a figure that is gone and one that is missed are reported', () => {
    const page = (mark: string, proof: string): Point[] => pointsIn(`- [${mark}] **It works.**\n  - ${proof}\n`);
    expect(faultsOf(page('x', '`scripts/checks/gone.test.ts`: it works'))).toEqual([
      'no test "it works" in scripts/checks/gone.test.ts',
    ]);
    expect(faultsOf(page('x', 'figure `login`: gone'))).toEqual([expect.stringContaining('no run has the figure')]);
    const missed = 'figure `login`: login latency at half of the capacity, p99';
    expect(faultsOf(page('x', missed))).toEqual([expect.stringContaining('does not meet')]);
    expect(faultsOf(page(' ', missed))).toEqual([]);
  });
});
