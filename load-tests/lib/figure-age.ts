// How old a figure is, in commits of `services/`. A page that named the exact number would be stale with the next
// commit, so pages say "at least N hundred", which stays true, and checks ask git for the number.
import { execFileSync } from 'node:child_process';
import { resolve } from 'node:path';

const ROOT = resolve(import.meta.dirname, '../..');
/** Commits of `services/` after which a figure no longer proves a promise. */
export const PROOF_COMMITS_MAX = 300;
const STEP = 100;
const CLAIM =
  /commit `([\w-]+)`, (at least ([\d,]+) commits of `services\/` ago|age unknown|fewer than \d+ commits of `services\/` before this page was written)/g;

const counted = new Map<string, number | undefined>();

/** Commits of `services/` since one. Undefined where git does not know: an image, a shallow clone, a changed file. */
export function commitsSince(commit: string, root = ROOT): number | undefined {
  const key = `${root} ${commit}`;
  if (!counted.has(key)) counted.set(key, countCommits(commit, root));
  return counted.get(key);
}

function countCommits(commit: string, root: string): number | undefined {
  if (!/^[0-9a-f]{7,40}$/.test(commit)) return undefined;
  try {
    const args = ['rev-list', '--count', `${commit}..HEAD`, '--', 'services'];
    return Number(execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }));
  } catch {
    return undefined;
  }
}

export function ageWords(commits: number | undefined): string {
  if (commits === undefined) return 'age unknown';
  if (commits < STEP) return `fewer than ${STEP} commits of \`services/\` before this page was written`;
  return `at least ${Math.floor(commits / STEP) * STEP} commits of \`services/\` ago`;
}

/** What a page says of ages, by commit; `atLeast` is 0 where it says no number. */
export const claimsIn = (page: string): { commit: string; words: string; atLeast: number }[] =>
  [...page.matchAll(CLAIM)].map(([, commit, words, atLeast = '0']) => ({
    commit: commit as string,
    words: words as string,
    atLeast: Number(atLeast.replaceAll(',', '')),
  }));

type AgeOf = (commit: string) => number | undefined;

/** Words for the age of a commit, from git; where git does not know, those that the page has. */
export function newAges(page: string, ageOf: AgeOf = commitsSince): (commit: string) => string {
  const said = new Map(claimsIn(page).map((claim) => [claim.commit, claim.words]));
  return (commit) => {
    const age = ageOf(commit);
    return (age === undefined ? said.get(commit) : undefined) ?? ageWords(age);
  };
}

/** The words that the page has, as long as they are true, so that a check of it does not fail with each commit. */
export function keptAges(page: string, ageOf: AgeOf = commitsSince): (commit: string) => string {
  const said = new Map(claimsIn(page).map((claim) => [claim.commit, claim]));
  const now = newAges(page, ageOf);
  return (commit) => {
    const claim = said.get(commit);
    const isTrue =
      claim !== undefined && claim.words !== ageWords(undefined) && claim.atLeast <= (ageOf(commit) ?? Infinity);
    return isTrue ? claim.words : now(commit);
  };
}
