import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { randomFreePort } from '../services/platform/local/ports.ts';

const main = new URL('./main.ts', import.meta.url).pathname;
let dataDir: string;
beforeEach(() => {
  dataDir = join(mkdtempSync(join(tmpdir(), 'sallyport-cli-')), 'data');
});
afterEach(() => rmSync(join(dataDir, '..'), { recursive: true, force: true }));

/** Runs the command line and returns its exit code and output. */
function sallyport(
  args: string[],
  env: NodeJS.ProcessEnv = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  const { DATABASE_URL: _database, REDIS_URL: _redis, ...own } = process.env;
  return new Promise((done) => {
    execFile(
      process.execPath,
      [main, ...args],
      { env: { ...own, SALLYPORT_DATA_DIR: dataDir, ...env } },
      (err, stdout, stderr) => done({ code: err ? Number(err.code) : 0, stdout, stderr }),
    );
  });
}

describe('exit codes', () => {
  test.each([
    [['nonsense']],
    [['status', '--nonsense']],
    [['--nonsense']],
    [['keys', 'nonsense']],
    [['keys', 'list', '--nonsense']],
  ])('%j is a usage error: 2, and nothing on stdout', async (args) => {
    const answer = await sallyport(args);
    expect([answer.code, answer.stdout]).toEqual([2, '']);
    expect(answer.stderr).not.toBe('');
  });

  test('--help ends with 0', async () => {
    const answer = await sallyport(['--help']);
    expect(answer.code).toBe(0);
    for (const verb of ['start', 'status', 'doctor', 'keys', 'token']) expect(answer.stdout).toContain(`\n  ${verb}`);
  });

  test.each(['--version', '-V'])('%s prints the version of package.json, and ends with 0', async (option) => {
    const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
      version: string;
    };
    expect(await sallyport([option])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
  });

  test('status with nothing running ends with 3, prints one line of JSON to stdout and the fix to stderr', async () => {
    const answer = await sallyport(['--json', 'status']);
    expect(answer.code).toBe(3);
    expect(JSON.parse(answer.stdout)).toEqual({
      data_dir: dataDir,
      running: [],
      postgres: 'not running here',
      redis: 'not running here',
    });
    expect(answer.stdout.trimEnd().split('\n')).toHaveLength(1);
    expect(answer.stderr).toContain('npm start');
  });

  test('a start with settings that the profile refuses ends with 5, names the variable and its fix, and changes nothing', async () => {
    const answer = await sallyport(['start'], { SALLYPORT_PROFILE: 'production', BETTER_AUTH_SECRET: '' });
    expect([answer.code, answer.stdout]).toEqual([5, '']);
    expect(answer.stderr).toMatch(/BETTER_AUTH_SECRET is not set under production\n {2}fix: generate one/);
    expect(existsSync(dataDir)).toBe(false);
  });

  test.each(['start', 'keys'])(
    '%s with an unreadable setting ends with 5, even under a launcher that holds an IPC channel',
    async (verb) => {
      const child = spawn(process.execPath, [main, ...(verb === 'keys' ? ['keys', 'list'] : ['start'])], {
        env: { ...process.env, SALLYPORT_DATA_DIR: dataDir, JWT_ACCESS_EXPIRY: 'abc' },
        stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      });
      let said = '';
      child.stderr?.on('data', (part) => {
        said += part;
      });
      const [code] = await once(child, 'close');
      expect(said).toMatch(/JWT_ACCESS_EXPIRY must be a whole number.*\n {2}fix: /);
      expect(said).not.toContain('    at ');
      expect(code).toBe(5);
    },
  );

  test('a start with an unreadable value is refused, and the message names the variable', async () => {
    const answer = await sallyport(['start'], { PORT: 'many' });
    expect(answer.code).toBe(5);
    expect(answer.stderr).toMatch(/PORT .*whole number/);
  });

  test('a start with a database that does not answer ends with 3, and the message holds no password', async () => {
    const port = await randomFreePort();
    const answer = await sallyport(['start'], {
      DATABASE_URL: `postgres://u:hidden-word@127.0.0.1:${port}/d`,
      REDIS_URL: `redis://127.0.0.1:${port}`,
      STORE_WAIT_SECONDS: '1',
    });
    expect([answer.code, answer.stdout]).toEqual([3, '']);
    expect(answer.stderr).toContain(
      `PostgreSQL at 127.0.0.1:${port} does not answer: connection refused (ECONNREFUSED); given up after 1 s`,
    );
    expect(answer.stderr).not.toContain('hidden-word');
  });

  test('start --dry-run prints what a start would do, and does nothing', async () => {
    const answer = await sallyport(['start', '--dry-run', '--json']);
    expect(answer.code).toBe(0);
    expect(JSON.parse(answer.stdout)).toMatchObject({ data_dir: dataDir, postgres: 'embedded', redis: 'private' });
    expect(existsSync(dataDir)).toBe(false);
    const given = await sallyport(['start', '--dry-run', '--json'], {
      DATABASE_URL: 'postgres://u:secret@h/d',
      REDIS_URL: 'redis://h',
    });
    expect(JSON.parse(given.stdout)).toMatchObject({ postgres: 'DATABASE_URL', redis: 'REDIS_URL' });
    expect(given.stdout).not.toContain('secret');
  });

  test('start names the file of settings that it read; variables that are set take precedence', async () => {
    mkdirSync(dataDir);
    const file = join(dataDir, 'own.env');
    writeFileSync(file, 'DATABASE_URL=postgres://u@h/d\nREDIS_URL=redis://h\nPORT=many\n');
    const answer = await sallyport(['start', '--dry-run', '--json'], { SALLYPORT_ENV_FILE: file, PORT: '3000' });
    expect(answer.stderr).toContain(`variables that are not set are read from ${file}`);
    expect(JSON.parse(answer.stdout)).toMatchObject({ postgres: 'DATABASE_URL', redis: 'REDIS_URL' });
    const quiet = await sallyport(['config', 'explain', 'PORT'], { SALLYPORT_ENV_FILE: file });
    expect(quiet.stdout).toContain('must be a whole number');
    expect(quiet.stderr).not.toContain(file);
    writeFileSync(file, 'PORT 3000\n');
    const refused = await sallyport(['start', '--dry-run'], { SALLYPORT_ENV_FILE: file });
    expect(refused.code).toBe(5);
    expect(refused.stderr).toContain(`line 1 of ${file} is not a setting\n  fix: `);
  });
});
