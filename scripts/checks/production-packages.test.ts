import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { bundledPlaces } from '../image/packages.ts';
import { keepProductionModules, megabytesOf, productionPackages, unreadFile } from '../production-modules.mjs';

const maximumMegabytes = 350;
const ROOT = resolve(import.meta.dirname, '../..');
type Lock = { packages: Parameters<typeof productionPackages>[0] };
const { packages }: Lock = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8'));
const kept = productionPackages(packages);
const places = Object.keys(packages);

describe('production', () => {
  test('has every package that is in the bundle', () => {
    const bundled = bundledPlaces();
    expect(bundled.length).toBeGreaterThan(100);
    expect(bundled.filter((place) => !kept.has(place))).toEqual([]);
  });

  test('has every package that a file of the product imports', () => {
    const files = globSync(['{services,cli,jobs,observability,prisma,deploy}/**/*.{ts,mjs}', 'scripts/*.mjs'], {
      cwd: ROOT,
      exclude: [
        'observability/dashboards/**',
        '**/*.test.ts',
        '**/*-harness.ts',
        '**/generated/**',
        '**/testing.ts',
        'scripts/bundle.mjs',
      ],
    });
    expect(files.length).toBeGreaterThan(1_000);
    const imported = files.flatMap((file) =>
      [
        ...readFileSync(join(ROOT, file), 'utf8').matchAll(
          /(?:^(?:import|export)(?! type)[^'\n]* from |^\} from |^import |\bimport\()'((?:@[\w-]+\/)?[a-z][\w.-]*)(?=['/])/gm,
        ),
      ].map(([, name]) => name as string),
    );
    const names = new Set(imported);
    expect(names.size).toBeGreaterThan(20);
    expect([...names].filter((name) => !kept.has(`node_modules/${name}`))).toEqual([]);
  });

  test('has no command line of a library, compiler or test runner', () => {
    for (const name of ['prisma', 'typescript', 'vitest', 'rolldown', 'react-dom', '@sentry/node', 'sentry', 'effect'])
      expect(kept.has(`node_modules/${name}`), name).toBe(false);
  });

  test(`takes at most ${maximumMegabytes} MB`, () => {
    const modules = join(ROOT, 'node_modules');
    const counts = (path: string): boolean => {
      const owner = places.findLast((place) => place !== '' && `node_modules/${path}`.startsWith(`${place}/`));
      return owner !== undefined && kept.has(owner) && unreadFile(path) === undefined;
    };
    const megabytes = megabytesOf(modules, counts);
    expect(megabytes).toBeGreaterThan(150);
    expect(megabytes).toBeLessThanOrEqual(maximumMegabytes);
  });
});

describe('production-modules', () => {
  let clone: string;
  beforeEach(() => {
    clone = mkdtempSync(join(tmpdir(), 'sallyport-modules-'));
    write('package.json', JSON.stringify({ name: 'small', private: true, scripts: { postinstall } }));
    mkdirSync(join(clone, 'scripts'));
    cpSync(join(ROOT, 'scripts/production-modules.mjs'), join(clone, 'scripts/production-modules.mjs'));
    const lock = {
      '': { name: 'small', dependencies: { library: '1' }, optionalDependencies: { native: '1', absent: '1' } },
      'node_modules/library': {
        dependencies: { needed: '1' },
        peerDependencies: { tool: '1', base: '1' },
        peerDependenciesMeta: { tool: { optional: true } },
      },
      'node_modules/library/node_modules/needed': { dependencies: { base: '1' } },
      'node_modules/base': {},
      'node_modules/native': {},
      'node_modules/needed': { dependencies: { tool: '1' } },
      'node_modules/tool': {},
    };
    write('package-lock.json', JSON.stringify({ name: 'small', lockfileVersion: 3, packages: lock }));
    for (const place of Object.keys(lock).filter((place) => place !== ''))
      for (const file of ['index.js', 'index.js.map', 'index.d.ts']) write(`${place}/${file}`, '');
  });
  afterEach(() => rmSync(clone, { recursive: true }));

  function write(path: string, text: string): void {
    mkdirSync(dirname(join(clone, path)), { recursive: true });
    writeFileSync(join(clone, path), text);
  }
  const files = (): string[] =>
    globSync('node_modules/**/*.*', { cwd: clone })
      .filter((path) => !/\/node_modules$/.test(path))
      .sort();
  const after = [
    'node_modules/base/index.js',
    'node_modules/library/index.js',
    'node_modules/library/node_modules/needed/index.js',
    'node_modules/native/index.js',
  ];

  test('keep dependencies, required peers and optional packages that are there; not types, source maps or what nothing needs', () => {
    keepProductionModules(clone);
    expect(files()).toEqual(after);
  });

  test('stop at a package that contains a needed one', () => {
    const lock = {
      '': { dependencies: { 'a/node_modules/b': '1' } },
      'node_modules/a': {},
      'node_modules/a/node_modules/b': {},
    };
    write('package-lock.json', JSON.stringify({ packages: lock }));
    expect(() => keepProductionModules(clone)).toThrow('node_modules/a is not needed, and contains a package that is');
  });

  const { postinstall } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).scripts as Record<
    string,
    string
  >;
  const install = (env: Record<string, string>): void => {
    execFileSync('/bin/sh', ['-c', postinstall as string], {
      cwd: clone,
      env: { PATH: process.env.PATH, npm_lifecycle_event: 'postinstall', npm_config_local_prefix: clone, ...env },
      stdio: 'ignore',
    });
  };

  test.each<[string, Record<string, string>]>([
    ['an install with development packages', {}],
    ['an install that includes them in production', { NODE_ENV: 'production', npm_config_include: 'dev' }],
    [
      'an install of an application that links to this folder',
      { npm_config_omit: 'dev', npm_config_local_prefix: '/app' },
    ],
  ])('change nothing after %s', (_what, env) => {
    const before = files();
    install(env);
    expect(files()).toEqual(before);
  });

  test.each<Record<string, string>>([{ npm_config_omit: 'dev' }, { NODE_ENV: 'production' }])(
    'clean up after an install with %o',
    (env) => {
      install(env);
      expect(files()).toEqual(after);
    },
  );

  test('a copy of the manifests alone can be installed', () => {
    rmSync(join(clone, 'scripts'), { recursive: true });
    install({ npm_config_omit: 'dev' });
    expect(existsSync(join(clone, 'node_modules/tool/index.js'))).toBe(true);
  });
});
