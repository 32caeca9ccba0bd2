import { existsSync, globSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';

// What needs no packages of the examples; `web.all.test.ts` runs them in Chromium.

const ROOT = resolve(import.meta.dirname, '..');
const folders = globSync('examples/web-*/', { cwd: ROOT });

type Manifest = Readonly<Record<'dependencies' | 'devDependencies', Readonly<Record<string, string>>>> & {
  readonly version?: string;
};
type Locked = Manifest & { readonly resolved?: string; readonly integrity?: string };
type Lock = { readonly packages: Readonly<Record<string, Locked>> };

describe.each(folders)('%s', (folder) => {
  const read = (path: string): string => readFileSync(join(ROOT, folder, path), 'utf8');
  const manifest = JSON.parse(read('package.json')) as Manifest;
  const sources = globSync('**/*.{ts,tsx,mjs,astro}', {
    cwd: join(ROOT, folder),
    exclude: (path) => /(^|\/)(node_modules|\.next|\.astro|dist)(\/|$)|next-env\.d\.ts$/.test(path),
  });

  test('pins every version, and its lock has the same ones', () => {
    const { packages } = JSON.parse(read('package-lock.json')) as Lock;
    const { dependencies, devDependencies } = manifest;
    expect(packages['']).toMatchObject({ dependencies, devDependencies });
    for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies })) {
      if (version.startsWith('file:')) continue;
      expect(version, name).toMatch(/^\d+\.\d+\.\d+$/);
      expect(packages[`node_modules/${name}`]?.version, name).toBe(version);
    }
  });

  test('installs our packages as `npm pack` makes them, with any content', () => {
    const { packages } = JSON.parse(read('package-lock.json')) as Lock;
    const ours = Object.entries(manifest.dependencies).filter(([name]) => name.startsWith('@sallyport/'));
    expect(ours.map(([name]) => name)).toContain('@sallyport/react');
    for (const [name, asked] of ours) {
      const sdk = join(ROOT, 'sdks', name === '@sallyport/verifier' ? 'typescript' : 'react', 'package.json');
      const { version } = JSON.parse(readFileSync(sdk, 'utf8')) as Manifest;
      expect(asked).toBe(`file:${name.slice(1).replace('/', '-')}-${version}.tgz`);
      const locked = packages[`node_modules/${name}`];
      expect(locked?.resolved).toBe(asked);
      // With a hash, npm would refuse the tarball as soon as a file of the package changes.
      expect(locked?.integrity).toBe(undefined);
    }
  });

  test('.env.example lists every variable that the sources read', () => {
    const used = sources.flatMap((path) =>
      [...read(path).matchAll(/process\.env\.([A-Z_]+)|([A-Z_]+): envField/g)].map(([, name, field]) => name ?? field),
    );
    const listed = [...read('.env.example').matchAll(/^([A-Z_]+)=/gm)].map(([, name]) => name);
    expect(used.length).toBeGreaterThan(0);
    expect([...new Set(used)].sort()).toEqual(listed.sort());
  });

  test('links lead to files that exist, and imports to files of the example', () => {
    const links = [...read('README.md').matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)].map(([, path = '']) => path);
    expect(links.length).toBeGreaterThan(0);
    expect(links.filter((path) => !existsSync(join(ROOT, folder, path)))).toEqual([]);
    for (const path of sources)
      for (const [, name = ''] of read(path).matchAll(/(?:from|import) '(\.[^']+)'/g)) {
        const target = join(path, '..', name);
        expect([path, name, target.startsWith('..') || !existsSync(join(ROOT, folder, target))]).toEqual([
          path,
          name,
          false,
        ]);
      }
  });

  test('stores nothing where scripts can read it', () => {
    const storing = sources.filter((path) => /(local|session)Storage\s*[.[]|document\.cookie/.test(read(path)));
    expect(storing).toEqual([]);
  });
});
