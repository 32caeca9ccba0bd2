import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { newestFigure } from '#load-tests/lib/benchmarks-page.ts';
import { isMet } from '#load-tests/lib/figure.ts';
import { claimsIn, commitsSince, PROOF_COMMITS_MAX } from '#load-tests/lib/figure-age.ts';
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

type AgeOf = (commit: string) => number | undefined;
/** Why a figure proves nothing today, or null. Where git does not know its age, it counts as recent. */
function missOf({ place, name }: Proof, ageOf: AgeOf): string | null {
  const figure = newestFigure(results, place, name);
  if (isMet(figure) !== true) return `"${name}" is ${figure.value} and does not meet a target`;
  const age = ageOf(figure.commit) ?? 0;
  return age > PROOF_COMMITS_MAX
    ? `"${name}" was measured ${age} commits of services/ ago: run npm run bench -- --only ${place}, or untick the point and say so`
    : null;
}

/** What is wrong with a point. One that is not ticked must miss something. */
function faultsOf({ title, reached, proofs }: Point, ageOf: AgeOf): string[] {
  const gone = proofs
    .filter(({ kind, place, name }) => kind === 'test' && !titles.has(`${place}: ${name}`))
    .map(({ place, name }) => `no test "${name}" in ${place}`);
  try {
    const figures = proofs.filter(({ kind }) => kind === 'figure');
    const misses = figures.flatMap((proof) => missOf(proof, ageOf) ?? []);
    if (reached) return [...gone, ...misses];
    const isKnown = figures.every(({ place, name }) => ageOf(newestFigure(results, place, name).commit) !== undefined);
    return misses.length === 0 && isKnown ? [...gone, `"${title}" misses nothing: tick it`] : gone;
  } catch (err) {
    return [...gone, (err as Error).message];
  }
}

describe('the success checklist', () => {
  const points = pointsIn(text);

  test('has each point once, with one proof or more', () => {
    expect(points).toHaveLength(text.match(/^- /gm)?.length ?? 0);
    expect(points.length).toBeGreaterThanOrEqual(13);
    expect(new Set(points.map(({ title }) => title)).size).toBe(points.length);
    expect(points.filter(({ proofs }) => proofs.length === 0)).toEqual([]);
    expect(points.flatMap(({ proofs }) => proofs)).toHaveLength(text.match(/^ {2}- /gm)?.length ?? 0);
  });

  test('names tests that exist, and figures that are met and recent where a point is ticked', () =>
    expect(points.flatMap((point) => faultsOf(point, commitsSince))).toEqual([]));

  test('what is gone, missed, too old, or missed no more is reported', () => {
    const faults = (mark: string, proof: string, age?: number): string[] =>
      pointsIn(`- [${mark}] **It works.**\n  - ${proof}\n`).flatMap((point) => faultsOf(point, () => age));
    expect(faults('x', '`tools/checks/gone.test.ts`: it works')).toEqual([
      'no test "it works" in tools/checks/gone.test.ts',
    ]);
    expect(faults('x', 'figure `login`: gone')).toEqual([expect.stringContaining('no run has the figure')]);
    const missed = 'figure `login`: login latency at half of the capacity, p99';
    expect(faults('x', missed)).toEqual([expect.stringContaining('does not meet')]);
    expect(faults(' ', missed)).toEqual([]);
    const met = 'figure `login-storm`: validate at 1,000/s, p99';
    expect(faults('x', met, PROOF_COMMITS_MAX)).toEqual([]);
    expect(faults('x', met, PROOF_COMMITS_MAX + 1)).toEqual([expect.stringContaining('301 commits of services/ ago')]);
    expect([faults('x', met), faults(' ', met, PROOF_COMMITS_MAX + 1), faults(' ', met)]).toEqual([[], [], []]);
    expect(faults(' ', met, PROOF_COMMITS_MAX)).toEqual(['"It works." misses nothing: tick it']);
  });
});

test.each(['README.md', 'docs/explanation/success-checklist.md', 'docs/benchmarks.md'])(
  'what %s says of the age of figures is true, and of runs whose results, or pictures, are kept',
  (path) => {
    const claims = claimsIn(readFileSync(join(root, path), 'utf8'));
    const runs = claimsIn(readFileSync(join(root, 'docs/benchmarks.md'), 'utf8')).map(({ commit }) => commit);
    const pictures: { commit: string } = JSON.parse(readFileSync(join(root, 'docs/pictures/taken.json'), 'utf8'));
    const kept = new Set([...runs, pictures.commit]);
    expect(claims.length).toBeGreaterThan(0);
    const wrong = claims.filter(
      ({ commit, atLeast }) => !kept.has(commit) || (commitsSince(commit) ?? Infinity) < atLeast,
    );
    expect(wrong).toEqual([]);
  },
);
