// Runs the blocks of docs/how-to/check-tokens.md for Spring, nginx and Apache with the real programs, where they are.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { randomFreePort } from '#services/platform/local/ports.ts';
import { onPath } from '#tools/checks/debian-package.ts';
import { eventually } from '#tools/testing/eventually.ts';
import { openBrowser } from '#tools/testing/flows/oauth-browser.ts';
import { newSignedIn } from '#tools/testing/flows/signed-in.ts';
import { type ApiCopy, type ApiHarness, openApiHarness } from '#tools/testing/harness/api.ts';
import { challengeOf, LOOPBACK_REDIRECT, newOAuthClient, newVerifier } from '#tools/testing/harness/oauth.ts';
import { send } from '#tools/testing/http-client.ts';
import { testFolder } from '#tools/testing/test-folder.ts';

const root = resolve(import.meta.dirname, '../../..');
const page = readFileSync(join(root, 'docs/how-to/check-tokens.md'), 'utf8');
const block = (language: string): string =>
  new RegExp(`\`\`\`${language}\n([\\s\\S]*?)\`\`\``).exec(page)?.[1] as string;

const SPRING = join(root, 'tools/testing/fixtures/spring');
const MODULES = '/usr/lib/apache2/modules';
const maven = onPath('mvn');
const nginx = onPath('nginx', `${process.env.PATH}:/usr/sbin`);
const apache = existsSync(`${MODULES}/mod_oauth2.so`) ? onPath('apache2', `${process.env.PATH}:/usr/sbin`) : undefined;

const folder = testFolder();

/** The application of the fixture with the class of the page; undefined where Maven lacks what it needs. */
function springJar(): string | undefined {
  if (maven === undefined) return undefined;
  const project = join(folder, 'spring');
  cpSync(SPRING, project, { recursive: true });
  writeFileSync(join(project, 'src/main/java/app/AccessTokens.java'), block('java'));
  const built = spawnSync(maven, ['-o', '-q', '-B', 'package'], { cwd: project, encoding: 'utf8' });
  // A class of the page that does not compile is a fault of the page, not of the machine.
  if (built.stdout.includes('COMPILATION ERROR')) throw new Error(built.stdout);
  return built.status === 0 ? join(project, 'target/tasks.jar') : undefined;
}
const jar = springJar();
if (jar === undefined)
  console.warn(
    'SKIPPED: tokens at Spring: Maven has no Spring Boot here. Run: mvn -f tools/testing/fixtures/spring dependency:go-offline package',
  );
if (nginx === undefined) console.warn('SKIPPED: tokens at nginx: no nginx here');
if (apache === undefined) console.warn('SKIPPED: tokens at Apache: no apache2 with libapache2-mod-oauth2 here');

let harness: ApiHarness;
let api: ApiCopy;
/** The service behind a gateway. */
let service: Server;
let issuer: string;
const programs: ChildProcess[] = [];
beforeAll(async () => {
  const port = await randomFreePort();
  issuer = `http://localhost:${port}`;
  harness = await openApiHarness();
  api = await harness.startCopy({ hashes: false, publicUrl: issuer, port });
  service = createServer((_request, response) => response.end('tasks')).listen(0, '127.0.0.1');
  await once(service, 'listening');
});
afterAll(async () => {
  await Promise.all(programs.map((program) => program.kill() && once(program, 'exit')));
  service?.close();
  await harness?.close();
});

const servicePort = (): number => (service.address() as AddressInfo).port;

function start(program: string, args: readonly string[], env: Record<string, string> = {}): void {
  programs.push(spawn(program, args, { stdio: 'ignore', env: { PATH: process.env.PATH, ...env } }));
}

/** The access token and the ID token of a user who signed in through a client. */
async function signedIn(): Promise<{ access_token: string; id_token: string }> {
  const client = await newOAuthClient([api], 'none', ['authorization_code']);
  const codeVerifier = newVerifier();
  const browser = openBrowser(api.url, issuer);
  for (const pair of (await newSignedIn(api)).cookie.split('; ')) {
    const equals = pair.indexOf('=');
    browser.cookies.set(pair.slice(0, equals), pair.slice(equals + 1));
  }
  const consent = await browser.open(
    `/oauth2/authorize?${new URLSearchParams({
      client_id: client.client_id,
      redirect_uri: LOOPBACK_REDIRECT,
      response_type: 'code',
      scope: 'openid',
      code_challenge: challengeOf(codeVerifier),
      code_challenge_method: 'S256',
    })}`,
  );
  const { leftFor } = await browser.submit(consent, { decision: 'allow', scope: ['openid'] });
  const { body } = await send(api.url, 'POST', '/oauth2/token', {
    form: {
      grant_type: 'authorization_code',
      client_id: client.client_id,
      code: leftFor?.searchParams.get('code') ?? '',
      redirect_uri: LOOPBACK_REDIRECT,
      code_verifier: codeVerifier,
    },
  });
  return body;
}

async function revoke(token: string): Promise<void> {
  const { status } = await send(api.url, 'POST', '/v1/tokens/revoke', {
    bearer: token,
    json: { token, reason: 'a test' },
  });
  expect(status).toBe(200);
}

/** The status of the guarded address; 0 while nothing listens. */
const statusAt = (port: number, bearer?: string): Promise<number> =>
  fetch(`http://127.0.0.1:${port}/tasks`, {
    headers: bearer === undefined ? {} : { authorization: `Bearer ${bearer}` },
  })
    .then(({ status }) => status)
    .catch(() => 0);
const listens = (port: number): Promise<unknown> =>
  eventually('the program listens', async () => (await statusAt(port)) !== 0);

describe.skipIf(jar === undefined)('Spring', () => {
  test('accepts an access token, and refuses none, a forged one and an ID token', async () => {
    const port = await randomFreePort();
    const properties = block('properties').replaceAll('https://auth.example', issuer).trim().split('\n');
    start('java', ['-jar', jar as string, `--server.port=${port}`, ...properties.map((line) => `--${line}`)]);
    await listens(port);
    const { access_token, id_token } = await signedIn();
    expect(await statusAt(port, access_token)).toBe(200);
    expect(await statusAt(port)).toBe(401);
    expect(await statusAt(port, `${access_token.slice(0, -8)}AAAAAAAA`)).toBe(401);
    expect(await statusAt(port, id_token)).toBe(401);
  });
});

/** What each gateway must do with the tokens of a user. */
async function guards(port: number): Promise<void> {
  await listens(port);
  const { access_token } = await signedIn();
  expect(await statusAt(port, access_token)).toBe(200);
  expect(await statusAt(port)).toBe(401);
  expect(await statusAt(port, `${access_token.slice(0, -8)}AAAAAAAA`)).toBe(401);
  await revoke(access_token);
  // Apache keeps an answer for a second.
  await eventually('the revoked token is refused', async () => (await statusAt(port, access_token)) === 401);
}

describe.skipIf(nginx === undefined)('nginx', () => {
  test('passes requests with a valid token on, and none with a revoked one', async () => {
    const port = await randomFreePort();
    const locations = block('nginx')
      .replace('https://auth.example', api.url)
      .replace('http://127.0.0.1:8000', `http://127.0.0.1:${servicePort()}`);
    const prefix = join(folder, 'nginx');
    mkdirSync(prefix);
    writeFileSync(
      join(prefix, 'nginx.conf'),
      `daemon off; pid ${prefix}/pid; error_log ${prefix}/error.log;
      events {}
      http {
        access_log off; client_body_temp_path ${prefix}/body; proxy_temp_path ${prefix}/proxy;
        fastcgi_temp_path ${prefix}/fastcgi; uwsgi_temp_path ${prefix}/uwsgi; scgi_temp_path ${prefix}/scgi;
        server { listen 127.0.0.1:${port}; ${locations} }
      }`,
    );
    start(nginx as string, ['-p', prefix, '-c', join(prefix, 'nginx.conf'), '-e', join(prefix, 'error.log')]);
    await guards(port);
  });
});

describe.skipIf(apache === undefined)('Apache', () => {
  test('passes requests with a valid token on, and none with a revoked one', async () => {
    const port = await randomFreePort();
    const { client_id, client_secret } = await harness.newClient(['tokens:introspect']);
    const location = block('apache')
      .replace('https://auth.example', api.url)
      .replace('CLIENT_ID', client_id)
      .replace('CLIENT_SECRET', client_secret);
    const prefix = join(folder, 'apache');
    mkdirSync(prefix);
    const load = (name: string): string => `LoadModule ${name}_module ${MODULES}/mod_${name}.so`;
    writeFileSync(
      join(prefix, 'apache.conf'),
      `ServerName localhost
      Listen 127.0.0.1:${port}
      PidFile ${prefix}/pid
      ErrorLog ${prefix}/error.log
      DefaultRuntimeDir ${prefix}
      Mutex file:${prefix}
      ${['mpm_event', 'authz_core', 'authz_user', 'authn_core', 'proxy', 'proxy_http', 'oauth2'].map(load).join('\n')}
      ${location}
      ProxyPass "/tasks" "http://127.0.0.1:${servicePort()}/"`,
    );
    start(apache as string, ['-X', '-f', join(prefix, 'apache.conf')]);
    await guards(port);
  });
});
