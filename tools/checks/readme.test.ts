import { readdirSync, readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { claimsIn, commitsSince, PROOF_COMMITS_MAX } from '#load-tests/lib/figure-age.ts';
import { modules } from '#services/modules.ts';
import { moduleLine } from '../catalog/architecture.ts';
import { LISTED_IN, withModules } from '../catalog/module-lists.ts';
import { PICTURE_BYTES_MAX, PICTURES, PICTURES_FOLDER } from './pictures.ts';

const root = resolve(import.meta.dirname, '../..');
const read = (path: string): string => readFileSync(resolve(root, path), 'utf8');
const readme = read('README.md');
const foldersOf = (path: string): string[] =>
  readdirSync(resolve(root, path), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !/^\.|^(node_modules|coverage)$/.test(entry.name))
    .map(({ name }) => name);
const sectionOf = (text: string, heading: string): string => text.split(`## ${heading}\n`)[1]?.split('\n## ')[0] ?? '';

describe('the README', () => {
  test('it shows each picture in light and dark, small and not too old', () => {
    for (const name of PICTURES)
      for (const scheme of ['light', 'dark']) {
        const path = `${PICTURES_FOLDER}/${name}-${scheme}.webp`;
        expect([path, readme.includes(`="${path}"`)]).toEqual([path, true]);
        expect(statSync(resolve(root, path)).size, path).toBeLessThanOrEqual(PICTURE_BYTES_MAX);
      }
    const { commit } = JSON.parse(read(`${PICTURES_FOLDER}/taken.json`)) as { readonly commit: string };
    const claim = claimsIn(readme).find((each) => each.commit === commit);
    expect(claim?.commit, 'README.md names the commit of docs/pictures/taken.json').toBe(commit);
    const age = commitsSince(commit) ?? claim?.atLeast;
    expect(age, 'of the pictures: run npm run screenshots').toBeLessThanOrEqual(PROOF_COMMITS_MAX);
    expect(age).toBeGreaterThanOrEqual(claim?.atLeast ?? Infinity);
  });

  test('the map has every folder', () => {
    const map = sectionOf(readme, 'Map');
    const missing = [
      ...foldersOf('.').filter((name) => !['services', 'jobs'].includes(name) && !map.includes(`\n${name} `)),
      ...foldersOf('services').filter((name) => !map.includes(`services/${name} `)),
      ...(map.includes('\njobs ') ? [] : ['jobs']),
    ];
    expect(missing).toEqual([]);
  });
});

test('every folder of the core and the wings is a module, and those of the core are in the order of their imports', () => {
  const folders = [...new Set(modules.map(({ name }) => name.replace(/\/.*/, '')))];
  expect([...folders].sort()).toEqual([...foldersOf('services/core'), ...foldersOf('services/wings')].sort());
  expect(folders.slice(0, moduleLine().length)).toEqual(moduleLine());
});

test.each(modules)(
  'what the sentence of $name names is in the glossary and in the list of specifications',
  ({ sentence }) => {
    expect(sentence).toMatch(/^[A-Z][^.]*(\.\d[^.]*)*\.$/);
    for (const [, word] of sentence.matchAll(/\b_([^_]+)_\b/g))
      expect(read('docs/reference/glossary.md')).toMatch(new RegExp(`^\\| ${word} +\\|`, 'm'));
    for (const [name] of sentence.matchAll(/\bRFC \d+\b/g))
      expect(read('docs/reference/specifications.md')).toMatch(
        new RegExp(`^\\| ${name} \\(.*\\) \\| (Yes|Partly) \\|`, 'm'),
      );
  },
);

test.each(LISTED_IN)('%s gets a list of modules anew, and is refused without the place for one', (path) => {
  const page = read(path);
  expect(withModules(path, page.replaceAll(/monitoring(?=`? ?[,|])/g, 'gone'))).toBe(page);
  expect(() => withModules(path, page.replaceAll(/services\/wings|an installation can/g, 'elsewhere'))).toThrow(
    'no list',
  );
});

test('the security policy names the version of this code, and the guide agrees with it that none is signed', () => {
  const { version } = JSON.parse(read('package.json')) as { version: string };
  const policy = sectionOf(read('SECURITY.md'), 'Supported versions');
  expect(policy.match(/\b\d+\.\d+\.\d+\b/g)).toEqual([version]);
  const isUnsigned = read('docs/explanation/when-not-to-use-it.md').includes('Versions are not signed yet');
  expect(isUnsigned).toBe(policy.includes('no signed release'));
});
