// A checkout whose sources are newer than the bundle that its processes run: one that was updated and not built.
import { execFile } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { bundleNameOf, isOutdated } from '#services/platform/local/bundle-sources.mjs';
import { root } from './bootstrap.mjs';

const run = promisify(execFile);
const SOURCE = 'services/api/main.ts';
const text = readFileSync(join(root, SOURCE), 'utf8');

let checkout: string;
let bundle: string;
beforeAll(() => {
  checkout = realpathSync(mkdtempSync(join(tmpdir(), 'sallyport-checkout-')));
  for (const path of ['cli', 'jobs', 'observability', 'services'])
    cpSync(join(root, path), join(checkout, path), {
      recursive: true,
      filter: (from) => !/\.test\.ts$|\.md$/.test(from),
    });
  const files = ['package.json', 'package-lock.json', 'tools/bundle.mjs', 'tools/outside-packages.mjs'];
  for (const path of [...files, 'prisma/migrations', 'prisma/releases.json', 'prisma/SHA256SUMS'])
    cpSync(join(root, path), join(checkout, path), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(checkout, 'node_modules'));
  bundle = join(checkout, 'dist', bundleNameOf(checkout) as string);
  cpSync(realpathSync(join(root, 'dist/current')), bundle, { recursive: true });
  mkdirSync(join(checkout, 'data'));
});
afterAll(() => rmSync(checkout, { recursive: true, force: true }));
beforeEach(() => {
  put(SOURCE, text);
  const soon = new Date(Date.now() + 1_000);
  utimesSync(bundle, soon, soon);
});

/** Puts a file in place as git does. */
function put(path: string, content: string): void {
  writeFileSync(join(checkout, 'unfinished'), content);
  renameSync(join(checkout, 'unfinished'), join(checkout, path));
}
/** The sources of a later version. */
function update(content = `${text}// later\n`): void {
  const past = new Date(Date.now() - 60_000);
  utimesSync(bundle, past, past);
  put(SOURCE, content);
}

/** What a program of the bundle says where no store answers. */
async function said(program: string, ...args: readonly string[]): Promise<string> {
  const nowhere = { DATABASE_URL: 'postgresql://a@127.0.0.1:1/a', REDIS_URL: 'redis://127.0.0.1:1' };
  const env = {
    SALLYPORT_ENV_FILE: '',
    SALLYPORT_DATA_DIR: join(checkout, 'data'),
    STORE_WAIT_SECONDS: '1',
    ...nowhere,
  };
  const { stdout, stderr } = await run(process.execPath, [join(bundle, `${program}.mjs`), ...args], {
    env,
    timeout: 30_000,
  }).catch((err) => err);
  return `${stdout}${stderr}`;
}
const FIX = () => `run "npm run build" in ${checkout}, and start again`;

test('the bundle that the test copied has the name of its sources', () => {
  expect(bundle.endsWith(bundleNameOf(root) as string)).toBe(true);
  expect(existsSync(join(bundle, 'api.mjs'))).toBe(true);
});

test('a bundle of its sources is not outdated, nor if they were put there again, nor without them', () => {
  expect(isOutdated(checkout, bundle)).toBe(false);
  update(text);
  expect(isOutdated(checkout, bundle)).toBe(false);
  update();
  expect(isOutdated(checkout, bundle)).toBe(true);
  renameSync(join(checkout, 'jobs'), join(checkout, 'elsewhere'));
  expect(isOutdated(checkout, bundle)).toBe(false);
  renameSync(join(checkout, 'elsewhere'), join(checkout, 'jobs'));
});

test('a source that is removed, and packages that change, make it outdated too', () => {
  update(text);
  rmSync(join(checkout, SOURCE));
  expect(isOutdated(checkout, bundle)).toBe(true);
  update(text);
  put('package-lock.json', '{}');
  expect(isOutdated(checkout, bundle)).toBe(true);
  cpSync(join(root, 'package-lock.json'), join(checkout, 'package-lock.json'));
  expect(isOutdated(checkout, bundle)).toBe(false);
});

test('a process warns in one line, with a code and the command that builds', async () => {
  update();
  const lines = (await said('api')).split('\n').filter((line) => line.includes('older than its sources'));
  expect(lines.map((line) => JSON.parse(line))).toEqual([
    expect.objectContaining({ level: 'warn', code: 'sources_newer', fix: FIX() }),
  ]);
});

test('migrate, status and doctor say it too', async () => {
  update();
  for (const words of [['migrate'], ['cli', 'status'], ['cli', 'doctor']])
    expect(await said(...(words as [string]))).toContain(FIX());
});

test('nothing is said by the bundle of these sources', async () => {
  for (const words of [['api'], ['cli', 'status'], ['cli', 'doctor']])
    expect(await said(...(words as [string]))).not.toContain('npm run build');
});
