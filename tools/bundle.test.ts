// The bundle that was made of these sources: what its programs load, and what they say when they fail.
import { execFile } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { builtinModules } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { root } from './bootstrap.mjs';
import { OUTSIDE_PACKAGES } from './outside-packages.mjs';

const run = promisify(execFile);
const bundle = realpathSync(join(root, 'dist/current'));
const chunks = new Map(
  readdirSync(bundle)
    .filter((name) => name.endsWith('.mjs'))
    .map((name) => [name, readFileSync(join(bundle, name), 'utf8')]),
);
const PROCESSES = ['api', 'cli', 'hasher', 'mcp', 'migrate', 'worker'];

const imports = (text: string): string[] =>
  [...text.matchAll(/^(?:import|export)\b[^'"\n]*["']([^"'\n]+)["'];?$|\bimport\("([^"]+)"\)/gm)].map(
    ([, still, lazy]) => (still ?? lazy) as string,
  );
/** All that a program can load of the bundle, itself included. */
function reach(name: string, seen = new Set<string>()): Set<string> {
  if (seen.has(name)) return seen;
  seen.add(name);
  for (const found of imports(chunks.get(name) ?? '')) if (found.startsWith('./')) reach(found.slice(2), seen);
  return seen;
}

test('a bundle of the same sources is equal byte for byte', async () => {
  const again = join(root, 'dist/again');
  onTestFinished(() => rmSync(again, { recursive: true, force: true }));
  await run(process.execPath, [join(root, 'tools/bundle.mjs'), again], { cwd: root });
  const files = readdirSync(bundle).sort();
  expect(readdirSync(again).sort()).toEqual(files);
  expect(files.filter((name) => !readFileSync(join(again, name)).equals(readFileSync(join(bundle, name))))).toEqual([]);
});

describe('a program of the bundle', () => {
  test.each(PROCESSES)('%s loads no other process as a part of it', (name) => {
    const loaded = reach(`${name}.mjs`);
    expect(loaded.size).toBeGreaterThan(1);
    expect(PROCESSES.filter((other) => other !== name && loaded.has(`${other}.mjs`))).toEqual([]);
  });

  test('imports only packages that lie beside it', () => {
    const packages = new Set(
      [...chunks.values()]
        .flatMap(imports)
        .filter((id) => /^[@a-z]/.test(id) && !id.startsWith('node:') && !builtinModules.includes(id))
        .map((id) =>
          id
            .split('/')
            .slice(0, id.startsWith('@') ? 2 : 1)
            .join('/'),
        ),
    );
    expect(packages).toContain('pg');
    expect([...packages].filter((name) => !(name in OUTSIDE_PACKAGES))).toEqual([]);
  });

  test('finds every file that its sources name by their own place', () => {
    const named = [...chunks.values()].flatMap((text) =>
      [
        ...text.matchAll(/new URL\(("[^"]+"), (?:new URL\((".*?"), import\.meta\.url\)\.href|import\.meta\.url)\)/g),
      ].map(([, path, place]) => {
        const base = pathToFileURL(`${bundle}/`);
        return new URL(JSON.parse(path as string), place ? new URL(JSON.parse(place), base) : base);
      }),
    );
    expect(named.length).toBeGreaterThan(10);
    expect(named.filter((url) => !existsSync(url)).map(String)).toEqual([]);
  });
});

/** The line of a source that has this text, as a frame names it. */
const lineOf = (file: string, text: string): string => {
  const at = readFileSync(join(root, file), 'utf8')
    .split('\n')
    .findLastIndex((line) => line.includes(text));
  expect(at).toBeGreaterThan(-1);
  return `${file}:${at + 1}:`;
};

/** A program that fails where it calls this. */
const failing = (plant: string): string => `data:text/javascript,${encodeURIComponent(plant)}`;

describe('what a program of the bundle says of an error', () => {
  test('that it caught names the line of our source', async () => {
    const plant = failing(`process.stdout.write = () => { throw new TypeError('planted'); };`);
    const cli = join(bundle, 'cli.mjs');
    const { stderr } = await run(process.execPath, ['--import', plant, cli, 'start', '--dry-run']).catch((err) => err);
    expect(stderr).toContain('TypeError: planted');
    expect(stderr).toContain(lineOf('cli/start.ts', 'output.data(plan'));
    expect(stderr).not.toContain('/dist/');
  });

  test('that ends it names the line of our source', async () => {
    const plant = failing(
      `const on = process.on;
      process.on = (name, ...rest) => { if (name === 'message') throw new TypeError('planted'); return on.call(process, name, ...rest); };
      process.connected = true;`,
    );
    const hasher = join(bundle, 'hasher.mjs');
    const { stderr } = await run(process.execPath, ['--import', plant, hasher]).catch((err) => err);
    expect(stderr).toContain('TypeError: planted');
    expect(stderr).toContain(lineOf('services/platform/hasher/child.ts', 'process.on('));
  });
});

describe('a bundle beside newer migrations', () => {
  let other: string;
  beforeEach(() => {
    other = realpathSync(mkdtempSync(join(tmpdir(), 'sallyport-older-')));
    for (const path of ['package.json', 'prisma/migrations', 'prisma/releases.json', 'prisma/SHA256SUMS'])
      cpSync(join(root, path), join(other, path), { recursive: true });
    cpSync(bundle, join(other, 'dist/0123456789abcdef'), { recursive: true });
    symlinkSync(join(root, 'node_modules'), join(other, 'node_modules'));
  });
  afterEach(() => rmSync(other, { recursive: true }));
  const check = () =>
    run(process.execPath, [join(other, 'dist/0123456789abcdef/cli.mjs'), 'upgrade', 'check', '0.4.0'], {
      env: { SALLYPORT_ENV_FILE: '', SALLYPORT_DATA_DIR: join(other, 'data') },
    });

  test('is refused with one line and the fix, before it applies any', async () => {
    const newer = '99990101000000_of_tomorrow';
    const folder = join(other, 'prisma/migrations', newer);
    mkdirSync(folder);
    cpSync(
      join(
        root,
        'prisma/migrations',
        readdirSync(join(root, 'prisma/migrations'))
          .filter((n) => !n.includes('.'))
          .sort()
          .at(-1)!,
      ),
      folder,
      { recursive: true },
    );
    await expect(check()).rejects.toMatchObject({
      code: 1,
      stderr: `sallyport: the bundle that runs here is older than its migrations: it does not know ${newer}\n  fix: run "npm run build" in its folder, and start again\n`,
    });
  });
});
