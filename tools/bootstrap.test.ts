import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { root } from './bootstrap.mjs';

const run = promisify(execFile);
let clone: string;

/**
 * A small clone: our real scripts, and a package whose only dependency is a local folder named `node` that runs this
 * Node, so that npm installs it without a network.
 */
beforeEach(() => {
  clone = realpathSync(mkdtempSync(join(tmpdir(), 'sallyport-clone-')));
  const files = ['tools/bootstrap.mjs', 'tools/launch.mjs', 'tools/sallyport.mjs', 'tools/system-node.mjs'];
  for (const path of [
    ...files,
    ...['bundle-sources', 'file-lock'].map((name) => `services/platform/local/${name}.mjs`),
  ])
    cpSync(join(root, path), join(clone, path));
  write('vendor/node/package.json', JSON.stringify({ name: 'node', version: '1.0.0', bin: { node: 'node.sh' } }));
  write('vendor/node/node.sh', `#!/bin/sh\nexec '${process.execPath}' "$@"\n`);
  chmodSync(join(clone, 'vendor/node/node.sh'), 0o755);
  writeLock('1.0.0');
  write('dist/current/cli.mjs', 'console.log(JSON.stringify(process.argv.slice(2)), process.versions.node);\n');
});
afterEach(() => rmSync(clone, { recursive: true, force: true }));

function write(path: string, content: string): void {
  mkdirSync(join(clone, path, '..'), { recursive: true });
  writeFileSync(join(clone, path), content);
}

function writeLock(version: string): void {
  const own = { name: 'small', version, dependencies: { node: 'file:vendor/node' } };
  write('package.json', JSON.stringify({ ...own, type: 'module', private: true }));
  const packages = {
    '': own,
    'node_modules/node': { resolved: 'vendor/node', link: true },
    'vendor/node': { name: 'node', version: '1.0.0', bin: { node: 'node.sh' } },
  };
  write('package-lock.json', JSON.stringify({ name: 'small', version, lockfileVersion: 3, requires: true, packages }));
}

const sallyport = (...args: string[]): Promise<{ stdout: string; stderr: string }> =>
  run(process.execPath, [join(clone, 'tools/sallyport.mjs'), ...args], { cwd: clone });

describe('a bare clone', () => {
  test('the first run installs with messages and forwards its arguments; the second installs nothing and prints no message', async () => {
    const first = await sallyport('start', '--a b');
    expect(first.stdout).toBe(`["start","--a b"] ${process.versions.node}\n`);
    expect(first.stderr).toMatch(/installing dependencies[\s\S]*dependencies installed/);
    const installedAt = statSync(join(clone, 'node_modules/.package-lock.json')).mtimeMs;
    const second = await sallyport('start', '--a b');
    expect(second).toEqual({ stdout: first.stdout, stderr: '' });
    expect(statSync(join(clone, 'node_modules/.package-lock.json')).mtimeMs).toBe(installedAt);
  });

  test('two concurrent first runs install once', async () => {
    const [one, two] = await Promise.all([sallyport(), sallyport()]);
    expect((one.stderr + two.stderr).match(/dependencies installed/g)).toHaveLength(1);
    expect(one.stdout).toBe(two.stdout);
  });

  test('a changed lock installs again, unless the installed packages already match it', async () => {
    await sallyport();
    writeLock('1.0.1');
    expect((await sallyport()).stderr).toBe('');
    writeFileSync(
      join(clone, 'package-lock.json'),
      readFileSync(join(clone, 'package-lock.json'), 'utf8').replace(
        '"version":"1.0.0","bin"',
        '"version":"1.0.2","bin"',
      ),
    );
    write('vendor/node/package.json', JSON.stringify({ name: 'node', version: '1.0.2', bin: { node: 'node.sh' } }));
    expect((await sallyport()).stderr).toContain('dependencies installed');
  });

  test('after the installation npx finds the command without a registry', async () => {
    await sallyport();
    const answer = await run('npx', ['--offline', 'sallyport', 'status'], { cwd: clone });
    expect(answer.stdout).toBe(`["status"] ${process.versions.node}\n`);
  });

  test('a failed installation names its fix, ends with 1, and the next run retries it', async () => {
    const lock = readFileSync(join(clone, 'package-lock.json'), 'utf8');
    write('package-lock.json', JSON.stringify({ lockfileVersion: 3, packages: {} }));
    await expect(sallyport()).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringContaining('fix: npm must reach'),
    });
    write('package-lock.json', lock);
    expect((await sallyport()).stdout).toContain('[]');
  });

  test('the client is generated once per schema, by the Prisma of node_modules without its engine', async () => {
    await sallyport();
    write('node_modules/prisma/package.json', '{"version":"7.0.0"}');
    write(
      'node_modules/prisma/build/index.js',
      `require('node:fs').appendFileSync(${JSON.stringify(join(clone, 'generated.log'))},
        process.argv.slice(2).join(' ') + ' ' + process.env.PRISMA_SCHEMA_ENGINE_BINARY + '\\n');`,
    );
    write('prisma/schema/a.prisma', 'model A {}');
    const generated = (): number => readFileSync(join(clone, 'generated.log'), 'utf8').trim().split('\n').length;
    expect((await sallyport()).stderr).toContain('generating the Prisma client');
    expect(readFileSync(join(clone, 'generated.log'), 'utf8')).toBe(
      `generate --schema ${join(clone, 'prisma/schema')} /bin/true\n`,
    );
    expect((await sallyport()).stderr).toBe('');
    expect(generated()).toBe(1);
    write('prisma/schema/nested/b.prisma', 'model B {}');
    await sallyport();
    expect(generated()).toBe(2);
  });
});

test('a package that was removed from node_modules is reported with the fix', async () => {
  await sallyport();
  rmSync(join(clone, 'node_modules/node/package.json'));
  write(
    'package.json',
    readFileSync(join(clone, 'package.json'), 'utf8').replace('"dependencies":{', '"dependencies":{"pino":"1.0.0",'),
  );
  await expect(sallyport()).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/node_modules is incomplete: pino, node missing\n {2}fix: npm ci \(in /),
  });
});

describe('a bundle', () => {
  const SOURCES = ['cli', 'jobs', 'observability', 'services'];
  /** Copies a source, as the bundler of the product does with much ado, and does something to the clone before it ends. */
  const bundler = (and = ''): void =>
    write(
      'tools/bundle.mjs',
      `import { appendFileSync, cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
      mkdirSync(process.argv[2], { recursive: true });
      const text = readFileSync('cli/main.ts', 'utf8');
      appendFileSync('bundled.log', text);
      ${and}
      writeFileSync(process.argv[2] + '/cli.mjs', text);\n`,
    );
  const bundles = (): string[] => readdirSync(join(clone, 'dist')).filter((name) => name !== 'current');
  const bundledTimes = (): number => readFileSync(join(clone, 'bundled.log'), 'utf8').trim().split('\n').length;

  beforeEach(() => {
    rmSync(join(clone, 'dist'), { recursive: true });
    for (const folder of SOURCES) write(`${folder}/main.ts`, '');
    write('cli/main.ts', 'console.log("one");\n');
    write('node_modules/rolldown/package.json', '{}');
    // npm would remove what the lock does not name.
    write('node_modules/.bin/node', `#!/bin/sh\nexec '${process.execPath}' "$@"\n`);
    chmodSync(join(clone, 'node_modules/.bin/node'), 0o755);
    write('node_modules/node/package.json', '{"name":"node","version":"99.0.0","bin":"node.sh"}');
    const lock = JSON.parse(readFileSync(join(clone, 'package-lock.json'), 'utf8')) as object;
    write('node_modules/.package-lock.json', JSON.stringify(lock));
    bundler();
  });

  test('is made once for the same sources, again for others, and found again for those of before', async () => {
    expect(await sallyport()).toEqual({ stdout: 'one\n', stderr: 'sallyport: bundling the programs …\n' });
    expect(await sallyport()).toEqual({ stdout: 'one\n', stderr: '' });
    write('cli/main.ts', 'console.log("two");\n');
    expect((await sallyport()).stdout).toBe('two\n');
    write('cli/main.ts', 'console.log("one");\n');
    expect(await sallyport()).toEqual({ stdout: 'one\n', stderr: '' });
    expect(bundledTimes()).toBe(2);
  });

  test('of sources that change while it is made is dropped, and made again of what they are then', async () => {
    bundler(`if (text.includes('one')) writeFileSync('cli/main.ts', 'console.log("two");\\n');`);
    expect((await sallyport()).stdout).toBe('two\n');
    expect(bundles()).toEqual([readlinkSync(join(clone, 'dist/current'))]);
    // No bundle has the name of the sources of before, so they are bundled anew.
    bundler();
    write('cli/main.ts', 'console.log("one");\n');
    expect((await sallyport()).stdout).toBe('one\n');
  });

  test('whose sources never rest is refused with the fix, and nothing half is left to run', async () => {
    bundler(`appendFileSync('cli/main.ts', '// more\\n');`);
    await expect(sallyport()).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/the sources change while they are bundled\n {2}fix: start again when/),
    });
    expect(bundles().filter((name) => name !== 'unfinished')).toEqual([]);
  });

  test('that fails keeps the one of before', async () => {
    await sallyport();
    const before = readlinkSync(join(clone, 'dist/current'));
    bundler('process.exit(3);');
    await expect(sallyport()).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining('exit code 3') });
    expect(readlinkSync(join(clone, 'dist/current'))).toBe(before);
  });

  test('is made once by two starts at the same time', async () => {
    const [one, two] = await Promise.all([sallyport(), sallyport()]);
    expect([one.stdout, two.stdout]).toEqual(['one\n', 'one\n']);
    expect(bundledTimes()).toBe(1);
  });

  test('of another checkout does not change this one', async () => {
    const other = `${clone}-other`;
    await sallyport();
    try {
      cpSync(clone, other, { recursive: true, verbatimSymlinks: true });
      writeFileSync(join(other, 'cli/main.ts'), 'console.log("other");\n');
      const answers = await Promise.all([
        run(process.execPath, [join(other, 'tools/sallyport.mjs')], { cwd: other }),
        sallyport(),
      ]);
      expect(answers.map(({ stdout }) => stdout)).toEqual(['other\n', 'one\n']);
    } finally {
      rmSync(other, { recursive: true });
    }
  });

  test('runs from a folder that cannot be written, and is refused there with the fix when its sources are newer', async () => {
    await sallyport();
    chmodSync(clone, 0o555);
    // A user who may not write: root may, whatever the mode.
    const user = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
    const asUser = (): Promise<{ stdout: string; stderr: string }> =>
      run(process.execPath, [join(clone, 'tools/sallyport.mjs')], { cwd: clone, ...user });
    try {
      expect((await asUser()).stdout).toBe('one\n');
      write('cli/main.ts', 'console.log("two");\n');
      await expect(asUser()).rejects.toMatchObject({
        code: 1,
        stderr: expect.stringMatching(
          /what runs here is older than its sources.*EACCES.*\n {2}fix: run "npm ci" and "npm run build"/,
        ),
      });
    } finally {
      chmodSync(clone, 0o755);
    }
  });
});

describe('the launcher', () => {
  /** Counts the signals it receives, and exits with 40 + count at SIGUSR2 or when the channel closes. */
  const counter = `
    let count = 0;
    const end = (why) => { console.log(why, count); process.exit(40 + count); };
    process.on('SIGTERM', () => { count += 1; console.log('got one'); });
    process.on('SIGINT', () => { count += 1; console.log('got one'); });
    process.on('SIGHUP', () => end('ended'));
    process.on('disconnect', () => end('disconnected'));
    setInterval(() => {}, 1000);
    console.log('up', process.pid);
  `;
  let launcher: ChildProcess;
  let out: string;

  beforeEach(async () => {
    write('dist/current/cli.mjs', counter);
    await run(process.execPath, [join(clone, 'tools/bootstrap.mjs')]);
    launcher = spawn(process.execPath, [join(clone, 'tools/sallyport.mjs')], {
      detached: true,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    out = '';
    launcher.stdout!.on('data', (part: Buffer) => {
      out += part;
    });
    await said(/up \d+/);
  });

  async function said(pattern: RegExp): Promise<void> {
    while (!pattern.test(out)) await once(launcher.stdout!, 'data');
  }

  test.each(['SIGTERM', 'SIGINT'] as const)(
    '%s to it or to its group reaches the command exactly once, and it returns the exit code of the command',
    async (signal) => {
      process.kill(-launcher.pid!, signal);
      await said(/got one/);
      launcher.kill(signal);
      await said(/got one\s+got one/);
      launcher.kill('SIGHUP');
      expect(await once(launcher, 'exit')).toEqual([42, null]);
      expect(out).toContain('ended 2');
    },
  );

  test('after SIGKILL of the launcher the command does not keep running', async () => {
    process.kill(-launcher.pid!, 'SIGKILL');
    await said(/disconnected 0/);
    // Only the command still holds the pipe, which closes when the command ends.
    if (!launcher.stdout!.closed) await once(launcher.stdout!, 'close');
  });
});
