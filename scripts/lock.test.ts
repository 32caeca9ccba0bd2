import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

type Entry = { readonly optionalDependencies?: Readonly<Record<string, string>> };
const lock = JSON.parse(readFileSync(new URL('../package-lock.json', import.meta.url), 'utf8')) as {
  readonly packages: Readonly<Record<string, Entry>>;
};

// A registry mirror may serve only the packages of its own platform; npm then writes a lock that fails on others.
test('package-lock.json holds the optional packages of every platform', () => {
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
  expect(asked.length).toBeGreaterThan(40);
  expect(asked.filter((each) => !isHeld(each))).toEqual([]);
});
