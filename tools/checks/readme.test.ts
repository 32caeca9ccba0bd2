import { readdirSync, readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createProgram } from '#cli/program.ts';
import { claimsIn, commitsSince, PROOF_COMMITS_MAX } from '#load-tests/lib/figure-age.ts';
import { PICTURE_BYTES_MAX, PICTURES, PICTURES_FOLDER } from './pictures.ts';

const root = resolve(import.meta.dirname, '../..');
const read = (path: string): string => readFileSync(resolve(root, path), 'utf8');
const readme = read('README.md');
const features = read('docs/explanation/features.md');
const foldersOf = (path: string): string[] =>
  readdirSync(resolve(root, path), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !/^\.|^(node_modules|coverage)$/.test(entry.name))
    .map(({ name }) => name);
const sectionOf = (text: string, heading: string): string => text.split(`## ${heading}\n`)[1]?.split('\n## ')[0] ?? '';

describe('the README', () => {
  test('it shows each picture in light and dark, small and not too old', () => {
    for (const name of PICTURES) {
      for (const scheme of ['light', 'dark']) {
        const path = `${PICTURES_FOLDER}/${name}-${scheme}.webp`;
        expect([path, readme.includes(`="${path}"`)]).toEqual([path, true]);
        expect(statSync(resolve(root, path)).size, path).toBeLessThanOrEqual(PICTURE_BYTES_MAX);
      }
    }
    const { commit } = JSON.parse(read(`${PICTURES_FOLDER}/taken.json`)) as { readonly commit: string };
    const claim = claimsIn(readme).find((each) => each.commit === commit);
    expect(claim?.commit, 'README.md names the commit of docs/pictures/taken.json').toBe(commit);
    const age = commitsSince(commit) ?? claim?.atLeast;
    expect(age, 'of the pictures: run npm run screenshots').toBeLessThanOrEqual(PROOF_COMMITS_MAX);
    expect(age).toBeGreaterThanOrEqual(claim?.atLeast ?? Infinity);
  });

  test('the map has every folder, and the modules in the order of their imports', () => {
    const map = sectionOf(readme, 'Map');
    const missing = [
      ...foldersOf('.').filter((name) => !['services', 'jobs'].includes(name) && !map.includes(`\n${name} `)),
      ...foldersOf('services').filter((name) => !map.includes(`services/${name} `)),
      ...(map.includes('\njobs ') ? [] : ['jobs']),
    ];
    expect(missing).toEqual([]);
    const line = /in modules: (.+)/.exec(map)?.[1]?.split(' ← ') ?? [];
    expect([...line].sort()).toEqual(foldersOf('services/core').sort());
    const wings = /what an installation can do without: (.+)/.exec(map)?.[1]?.split(', ');
    expect(wings).toEqual(foldersOf('services/wings').sort());
    expect(read('CONTRIBUTING.md')).toContain(`\`${line.join(' ← ')}\``);
  });

  test('what it says is not built is no command, folder, module or guide', async () => {
    const program = await createProgram();
    const guides = foldersOfGuides();
    const there = new Set([
      ...program.commands.map((command) => command.name()),
      ...foldersOf('.'),
      ...foldersOf('services/core'),
      ...foldersOf('services/wings'),
      ...guides,
    ]);
    const lines = sectionOf(readme, 'Not there yet').match(/^- .+$/gm) ?? [];
    expect(lines.length).toBeGreaterThan(0);
    const wrong = lines.flatMap((line) =>
      (line.toLowerCase().match(/[a-z]+/g) ?? []).filter((word) => there.has(word)),
    );
    expect(wrong).toEqual([]);
  });
});

/** The nouns of the guides' names. */
function foldersOfGuides(): string[] {
  const small = /^(a|and|by|from|in|it|of|on|or|other|out|run|sign|the|to|up|use|users|with|your)$/;
  return readdirSync(resolve(root, 'docs/how-to'))
    .flatMap((file) => file.replace(/\.md$/, '').split('-'))
    .filter((word) => !small.test(word));
}

test('the page of features names every module, and no other', () => {
  const named = [...sectionOf(features, 'Modules').matchAll(/^\| `([a-z-]+)` +\|/gm)].map(([, name]) => name);
  expect(named.sort()).toEqual([...foldersOf('services/core'), ...foldersOf('services/wings')].sort());
});

test('the security policy names the version of this code, and the guide agrees with it that none is signed', () => {
  const { version } = JSON.parse(read('package.json')) as { version: string };
  const policy = sectionOf(read('SECURITY.md'), 'Supported versions');
  expect(policy.match(/\b\d+\.\d+\.\d+\b/g)).toEqual([version]);
  const isUnsigned = read('docs/explanation/when-not-to-use-it.md').includes('Versions are not signed yet');
  expect(isUnsigned).toBe(policy.includes('no signed release'));
});
