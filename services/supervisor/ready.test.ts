import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { testFolder } from '#tools/testing/test-folder.ts';
import { banner, describeAuditHead, describeKeyRing, nextSteps, type ReadyState, readyLine, tour } from './ready.ts';

const login = { email: 'demo@example.test', password: `it's "quoted" $HOME \\ and spaced` };
const admin = { email: 'admin@example.test', password: 'of the administrator' };
let folder: string;
let server: Server;
let api: string;
let seen: { path: string; bearer: string | undefined; body: string }[];

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const part of request) text += part;
  return text;
}

beforeEach(async () => {
  folder = testFolder(onTestFinished);
  seen = [];
  server = createServer(async (request, response) => {
    seen.push({ path: request.url ?? '', bearer: request.headers.authorization, body: await bodyOf(request) });
    if (request.url === '/v1/audit/log/checkpoint') response.end('audit.example/1\n7\ncm9vdA==\n\nsignature\n');
    else if (request.url === '/.well-known/jwks.json') response.end('{"keys":[{"kid":"k1","alg":"RS256"}]}');
    else response.end('{"tokens":{"access_token":"abc.def-1.ghi_2","refresh_token":"other"}}');
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  api = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(() => {
  vi.unstubAllEnvs();
  server.close();
});

const state = (): ReadyState => {
  const credentialsFile = join(folder, 'dev-credentials.json');
  writeFileSync(credentialsFile, JSON.stringify({ user: login, admin }));
  return {
    api,
    publicUrl: api,
    mcp: 'http://127.0.0.1:2/mcp',
    metrics: 'http://127.0.0.1:1/metrics',
    credentialsFile,
    pids: { api: 1, worker: 2 },
    hasWorker: true,
  };
};

test('the ready line has exactly the members of the contract', () => {
  const { credentialsFile } = state();
  expect(JSON.parse(readyLine(state()))).toEqual({
    event: 'ready',
    api,
    mcp: 'http://127.0.0.1:2/mcp',
    metrics: 'http://127.0.0.1:1/metrics',
    credentials_file: credentialsFile,
    pids: { api: 1, worker: 2 },
  });
});

test('the configured public URL is the address that is printed for browsers; the ready line has both', () => {
  const given = { ...state(), publicUrl: 'https://auth.example.test/id' };
  expect(JSON.parse(readyLine(given))).toMatchObject({ api, public_url: given.publicUrl });
  expect(nextSteps(given)).toMatch(/^ready: open https:\/\/auth\.example\.test\/id\/ in a browser; reference: https:/);
  const lines = banner(given, '', '').filter((line) => /^ {2}(API|docs|OpenAPI|JWKS|mails) /.test(line));
  expect(lines.filter((line) => line.includes(`${given.publicUrl}/`))).toHaveLength(5);
});

test('the ready line and the banner name the tasks API if it runs', () => {
  const tasks = 'http://127.0.0.1:8000';
  expect(JSON.parse(readyLine({ ...state(), tasks }))).toMatchObject({ tasks });
  const lines = banner({ ...state(), tasks }, '', '');
  expect(lines.length).toBeLessThanOrEqual(30);
  expect(lines.join('\n')).toContain(`tasks     ${tasks}`);
});

test('the banner has at most thirty lines and names every address, the key ring, the audit head, the workers, the mails and the login', async () => {
  const lines = banner(state(), await describeKeyRing(api), await describeAuditHead(api));
  expect(lines.length).toBeLessThanOrEqual(30);
  const text = lines.join('\n');
  for (const part of [
    `console   ${api}/console  (${admin.email}  ${admin.password})`,
    '/docs',
    '/openapi.json',
    '/.well-known/jwks.json',
    ':1/metrics',
    'MCP       http://127.0.0.1:2/mcp',
    'k1 (RS256)',
    '1 alive',
    `mails     ${api}/dev/mail  (npx sallyport mail show)`,
    'Ctrl-C stops everything',
    'audit     audit.example/1  size 7, root cm9vdA==',
    login.email,
  ])
    expect(text).toContain(part);
});

test('a start without the console names none', () => {
  vi.stubEnv('SALLYPORT_LEAVE_OUT', 'mcp,console');
  expect(banner(state(), '', '').join('\n')).not.toContain('/console');
});

test('with SMTP configured no mails are shown', () => {
  vi.stubEnv('SMTP_URL', 'smtp://127.0.0.1:25');
  expect(banner(state(), '', '').join('\n')).not.toContain('mails');
  expect(nextSteps(state())).not.toContain('mails');
});

test('a start without a terminal says where to go, how to get the demo login, where mails are, and how to stop; it shows no password', () => {
  expect(nextSteps(state())).toBe(
    `ready: open ${api}/ in a browser; reference: ${api}/docs; demo login: npx sallyport demo env; mails: ${api}/dev/mail; stop: Ctrl-C, or kill -TERM ${process.pid}`,
  );
  const production = { ...state(), credentialsFile: join(folder, 'absent.json') };
  expect(nextSteps(production)).toBe(
    `ready: open ${api}/ in a browser; reference: ${api}/docs; stop: Ctrl-C, or kill -TERM ${process.pid}`,
  );
});

test('a start without workers says that jobs wait', () =>
  expect(banner({ ...state(), hasWorker: false }, '', '').join('\n')).toContain('workers   none here'));

test('without credentials the banner shows no file, login or tour', () => {
  const absent = { ...state(), credentialsFile: join(folder, 'absent.json') };
  expect(JSON.parse(readyLine(absent))).not.toHaveProperty('credentials_file');
  const text = banner(absent, '', '').join('\n');
  expect(text).not.toContain('login');
  expect(text).not.toContain('TOKEN');
});

test('a key ring or an audit head that cannot be read is reported as unreadable', async () => {
  expect(await describeKeyRing('http://127.0.0.1:1')).toMatch(/^not readable/);
  expect(await describeAuditHead('http://127.0.0.1:1')).toMatch(/^not readable/);
});

test('the audit head of a new installation is waited for, up to a limit', async () => {
  let asked = 0;
  server.removeAllListeners('request');
  server.on('request', (_request, response) => {
    asked += 1;
    response.statusCode = asked < 3 ? 404 : 200;
    response.end('audit.example/1\n1\ncm9vdA==\n');
  });
  expect(await describeAuditHead(api)).toContain('size 1,');
  asked = Number.NEGATIVE_INFINITY;
  expect(await describeAuditHead(api, 150)).toBe('no event sealed yet');
});

test('the five lines, pasted into a shell, carry the login unchanged and the token through validate, revoke, validate', async () => {
  const lines = tour(api, login, `${folder}/it's data`);
  expect(lines).toHaveLength(5);
  // The last line needs a whole installation: the test of the README's tour runs it.
  expect(lines[4]).toContain('audit prove 0');
  await promisify(execFile)('/bin/sh', ['-ec', lines.slice(0, 4).join('\n')]);
  expect(seen.map(({ path }) => path)).toEqual([
    '/api/auth/signin',
    '/v1/tokens/validate',
    '/v1/tokens/revoke',
    '/v1/tokens/validate',
  ]);
  expect(JSON.parse(seen[0]!.body)).toEqual(login);
  expect(seen.slice(1).map(({ bearer }) => bearer)).toEqual(Array(3).fill('Bearer abc.def-1.ghi_2'));
  expect(JSON.parse(seen[2]!.body)).toEqual({ token: 'abc.def-1.ghi_2', reason: 'tour' });
});
