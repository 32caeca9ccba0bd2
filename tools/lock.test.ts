import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { startCommandOf } from './first-hour.ts';

type Entry = { readonly optionalDependencies?: Readonly<Record<string, string>> };
type Lock = { readonly packages: Readonly<Record<string, Entry>> };

// A registry mirror may serve only the packages of its own platform; npm then writes a lock that fails on others.
test.each([
  ['package-lock.json', 40],
  ['examples/web-next/package-lock.json', 20],
  ['examples/web-astro/package-lock.json', 20],
  ['tools/site/rspress/package-lock.json', 10],
])('%s holds the optional packages of every platform', (path, least) => {
  const lock = JSON.parse(readFileSync(new URL(`../${path}`, import.meta.url), 'utf8')) as Lock;
  const asked = Object.entries(lock.packages).flatMap(([path, { optionalDependencies = {} }]) =>
    Object.entries(optionalDependencies)
      .filter(([, range]) => /^\d+\.\d+\.\d+/.test(range))
      .map(([name]) => ({ path, name })),
  );
  const isHeld = ({ path, name }: (typeof asked)[number]): boolean => {
    const folders = path.split('/node_modules/');
    return [
      `node_modules/${name}`,
      ...folders.map((_, at) => [...folders.slice(0, at + 1), name].join('/node_modules/')),
    ].some((place) => place in lock.packages);
  };
  expect(asked.length).toBeGreaterThan(least);
  expect(asked.filter((each) => !isHeld(each))).toEqual([]);
});

test('the newcomer follows the first command of the README', () => {
  expect(startCommandOf(readFileSync(resolve(import.meta.dirname, '../README.md'), 'utf8'))).toBe('npm start');
  expect(() => startCommandOf('# Another\n')).toThrow('no command');
});
