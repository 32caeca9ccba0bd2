import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createFakeIssuer } from '../src/testing.ts';

const PACKAGE = resolve(import.meta.dirname, '..');
const MODULES = resolve(PACKAGE, '../../node_modules');
const manifest = JSON.parse(readFileSync(join(PACKAGE, 'package.json'), 'utf8')) as {
  readonly exports: Readonly<Record<string, unknown>>;
  readonly dependencies: Readonly<Record<string, string>>;
};
const subpaths = Object.keys(manifest.exports).filter((path) => !path.endsWith('.json'));

let folder: string;
/** The project of a stranger: outside of the repository, with nothing but the package. */
let project: string;

async function run(command: string, args: readonly string[], cwd: string): Promise<string> {
  const { PATH, HOME } = process.env;
  const env = { PATH, HOME, npm_config_cache: join(folder, 'cache'), npm_config_update_notifier: 'false' };
  const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (part: Buffer) => (output += part));
  const code = await new Promise((done, fail) => child.once('error', fail).once('close', done));
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}: ${output}`);
  return output;
}

const pack = (from: string): Promise<string> =>
  run('npm', ['pack', from, '--ignore-scripts', '--silent', '--pack-destination', folder], folder).then((name) =>
    join(folder, name.trim()),
  );

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-package-'));
  const [built, cache] = [join(folder, 'built'), join(folder, 'cache')];
  project = join(folder, 'project');
  for (const path of [built, cache, project]) mkdirSync(path);
  for (const name of ['package.json', 'README.md', 'LICENSE']) cpSync(join(PACKAGE, name), join(built, name));
  const config = join(PACKAGE, 'tsconfig.build.json');
  await run(join(MODULES, '.bin/tsc'), ['-p', config, '--outDir', join(built, 'dist')], folder);
  const tarballs = [await pack(built), await pack(join(MODULES, 'jose'))];
  writeFileSync(join(project, 'package.json'), '{"private":true,"type":"module"}');
  await run('npm', ['install', '--offline', '--no-audit', '--no-fund', '--ignore-scripts', ...tarballs], project);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs a program of the project. */
function program(name: string, text: string): Promise<string> {
  writeFileSync(join(project, name), text);
  return run(process.execPath, [name], project);
}

const blockOf = (name: string): string => {
  const readme = readFileSync(join(PACKAGE, 'README.md'), 'utf8');
  return new RegExp(`\`\`\`ts ${name}\n([\\s\\S]*?)\`\`\``).exec(readme)?.[1] as string;
};

test('the package contains what was built, and brings jose alone', () => {
  const installed = join(project, 'node_modules/@sallyport/verifier');
  expect(readdirSync(installed).sort()).toEqual(['LICENSE', 'README.md', 'dist', 'package.json']);
  expect(Object.keys(manifest.dependencies)).toEqual(['jose']);
  expect(readdirSync(join(project, 'node_modules')).filter((name) => !name.startsWith('.'))).toEqual([
    '@sallyport',
    'jose',
  ]);
});

test('each subpath can be imported outside of the repository', async () => {
  const lines = subpaths.map((path) => {
    const name = path.replace('.', '@sallyport/verifier');
    return `console.log('${path}', Object.keys(await import('${name}')).join(' '));`;
  });
  const output = await program('imports.mjs', lines.join('\n'));
  expect(output.trim().split('\n')).toEqual([
    '. CODES DEFAULTS VerifierError authOf authenticate createApiKeyVerifier createVerifier requireAuthorization writeFeedFile',
    './fastify authOf protect',
    './express authOf protect',
    './next authOf guard withAuth',
    './hono authOf protect',
    './testing createFakeIssuer',
  ]);
});

test.each(['nodenext', 'bundler'])(
  'the types of each subpath are found under moduleResolution %s',
  async (resolution) => {
    const imports = subpaths.map(
      (path, at) => `import * as m${at} from '${path.replace('.', '@sallyport/verifier')}';\nvoid m${at};`,
    );
    const use = `import { createVerifier, type VerifyResult } from '@sallyport/verifier';
const result: VerifyResult = await createVerifier({ issuer: 'https://auth.example', feed: 'off' }).verify('x');
const sub: string = result.ok ? result.claims.sub : result.code;
// @ts-expect-error a result that may be a refusal has no claims
void result.claims;
// @ts-expect-error HS256 is the only algorithm with a shared secret
createVerifier({ issuer: 'https://auth.example', algorithms: ['none'] });
void sub;`;
    writeFileSync(join(project, 'types.mts'), [...imports, use].join('\n'));
    const module = resolution === 'bundler' ? 'esnext' : 'nodenext';
    const strict = '--noEmit --strict --exactOptionalPropertyTypes --lib es2023,dom --target es2023'.split(' ');
    const args = [...strict, '--module', module, '--moduleResolution', resolution, 'types.mts'];
    await run(join(MODULES, '.bin/tsc'), args, project);
  },
);

test('the README code that verifies a token runs as printed', async () =>
  expect(await program('verify.ts', blockOf('verify'))).toBe('ada\n'));

test('the README code of a test without a server prints what its comments say', async () => {
  const block = blockOf('testing');
  const said = [...block.matchAll(/\/\/ (\w+)/g)].map(([, word]) => word);
  const printed = (await program('testing.ts', block)).trim().split('\n');
  // The verifier's own log has a line when it goes stale.
  expect(printed.filter((line) => !line.startsWith('Sallyport verifier: '))).toEqual(said);
  expect(said).toEqual(['active', 'active', 'revoked', 'revocation_state_stale']);
});

const listen = (server: Server): Promise<string> =>
  new Promise((done) =>
    server.listen(0, '127.0.0.1', () => done(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)),
  );

test('the how-to shows the code of the README', () => {
  const page = readFileSync(resolve(PACKAGE, '../../docs/how-to/check-tokens.md'), 'utf8');
  expect(page).toContain(`\`\`\`ts\n${blockOf('fastify')}\`\`\``);
});

test('the README code of a first protected route has at most 12 lines, and protects it', async () => {
  const block = blockOf('fastify');
  expect(block.trim().split('\n').length).toBeLessThanOrEqual(12);
  let answer: (path: string, authorization: string | undefined) => Promise<Response>;
  const api = createServer(async (request, response) => {
    const { status, headers, ...body } = await answer(request.url ?? '', request.headers.authorization).then(
      async (made) => ({ status: made.status, headers: Object.fromEntries(made.headers), text: await made.text() }),
    );
    response.writeHead(status, headers).end(body.text);
  });
  const issuerUrl = await listen(api);
  const issuer = await createFakeIssuer({ issuer: issuerUrl });
  answer = (path, authorization) =>
    issuer.fetch(issuerUrl + path, { headers: authorization === undefined ? {} : { authorization } });
  const free = createServer();
  const port = new URL(await listen(free)).port;
  await new Promise((done) => free.close(done));
  symlinkSync(join(MODULES, 'fastify'), join(project, 'node_modules/fastify'));
  writeFileSync(join(project, 'route.ts'), block);
  const { audience, clientId, clientSecret } = issuer.options;
  const settings = { ISSUER: issuerUrl, AUDIENCE: audience, CLIENT_ID: clientId, CLIENT_SECRET: clientSecret };
  const child = spawn(process.execPath, ['route.ts'], {
    cwd: project,
    env: { PATH: process.env.PATH, PORT: port, ...settings },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const get = async (token?: string): Promise<[number, unknown]> => {
    const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const response = await fetch(`http://127.0.0.1:${port}/tasks`, { headers });
    return [response.status, await response.json()];
  };
  try {
    await expect
      .poll(() =>
        get().then(
          ([status]) => status,
          () => 0,
        ),
      )
      .toBe(401);
    const token = await issuer.mint({ sub: 'ada' });
    expect(await get(token)).toEqual([200, { owner: 'ada' }]);
    expect((await get(await issuer.mint({ aud: 'https://other.test' })))[0]).toBe(401);
    await issuer.revoke(token);
    await expect.poll(() => get(token).then(([status]) => status)).toBe(401);
  } finally {
    const ended = new Promise((done) => child.once('exit', done));
    child.kill();
    await ended;
    api.closeAllConnections();
    await new Promise((done) => api.close(done));
  }
});
