import { execFileSync, spawn } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { newPerson, type Person } from '../../../tools/testing/flows/people.ts';
import { newSignedIn } from '../../../tools/testing/flows/signed-in.ts';
import { type ApiCopy, type ApiHarness, openApiHarness } from '../../../tools/testing/harness/api.ts';
import { askToken, codeForm, codeOf, newOAuthClient, newVerifier } from '../../../tools/testing/harness/oauth.ts';
import { basicHeader, type ClientCredentials } from '../../../tools/testing/http-client.ts';
import { testFolder } from '../../../tools/testing/test-folder.ts';
import { createClient } from '../src/index.ts';

const PACKAGE = resolve(import.meta.dirname, '..');

let harness: ApiHarness;
let copy: ApiCopy;
let credentials: ClientCredentials;
let ada: Person;
beforeAll(async () => {
  harness = await openApiHarness();
  copy = await harness.startCopy({ hashes: false });
  credentials = await harness.newClient(['tokens:issue', 'tokens:read', 'audit:read', 'revocations:read']);
  ada = await newPerson(copy);
});
afterAll(() => harness?.close());

test('the API answers an operation with its type, and a refusal with its code', async () => {
  const api = createClient({ url: copy.url });
  const valid = await api('POST /v1/tokens/validate', { body: { token: ada.bearer } });
  expect(valid).toMatchObject({ ok: true, status: 200, data: { active: true, claims: { sub: ada.id } } });
  const pair = await api('POST /v1/tokens/refresh', { body: { refresh_token: ada.refreshToken } });
  if (!pair.ok) throw new Error(pair.code);
  const authorization = `Bearer ${pair.data.access_token}`;
  const revoked = await api('POST /v1/tokens/revoke', {
    body: { token: pair.data.access_token, reason: 'tried' },
    authorization,
  });
  expect(revoked).toMatchObject({ ok: true, data: { epoch: expect.any(Number) } });
  expect(await api('POST /v1/tokens/validate', { body: { token: pair.data.access_token } })).toMatchObject({
    data: { active: false, reason: 'revoked' },
  });
  const refused = await api('POST /v1/tokens/refresh', { body: { refresh_token: 'none' } });
  expect(refused).toMatchObject({ ok: false, status: 401, code: 'refresh_token_invalid' });
  const invalid = await api('POST /v1/tokens/refresh', { body: {} as never });
  expect(invalid).toMatchObject({ ok: false, status: 400, code: 'request_invalid' });
});

test('credentials, path, query and text answers reach the API as it expects them', async () => {
  const api = createClient({ url: copy.url, authorization: basicHeader(credentials) });
  expect(await api('GET /v1/audit/events', { query: { limit: 1 } })).toMatchObject({ ok: true, status: 200 });
  expect(await api('GET /v1/tokens/{token_id}', { path: { token_id: '../keys' } })).toMatchObject({ ok: false });
  expect(await api('GET /.well-known/jwks.json')).toMatchObject({ data: { keys: [{ kty: 'RSA' }] } });
  const feed = await api('GET /v1/revocations', { query: { since: 0 } });
  expect(feed.ok && feed.data).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+$/);
  expect(await createClient({ url: copy.url })('GET /v1/tokens/stats')).toMatchObject({ ok: false, status: 401 });
});

test('when the answer to a creating POST is lost, the repetition gets that answer, and nothing is created twice', async () => {
  let requests = 0;
  const api = createClient({
    url: copy.url,
    authorization: basicHeader(credentials),
    sleep: async () => {},
    fetch: async (...all) => {
      const response = await fetch(...all);
      requests += 1;
      if (requests > 1) return response;
      await response.arrayBuffer();
      throw new TypeError('connection reset');
    },
  });
  const families = async () =>
    Number((await harness.rows`SELECT count(*) FROM refresh_families WHERE user_id = ${ada.id}`)[0].count);
  const before = await families();
  const pair = await api('POST /v1/tokens', { body: { user_id: ada.id } });
  expect(pair).toMatchObject({ ok: true, status: 201, data: { token_type: 'Bearer' } });
  expect([requests, (await families()) - before]).toEqual([2, 1]);
});

test('the built package compiles strictly and runs with the code of its README in a project of its own', async () => {
  const folder = testFolder(onTestFinished);
  const installed = join(folder, 'node_modules/@sallyport/client');
  mkdirSync(installed, { recursive: true });
  const config = join(PACKAGE, 'tsconfig.build.json');
  const tsc = resolve(PACKAGE, '../../node_modules/.bin/tsc');
  execFileSync(tsc, ['-p', config, '--outDir', join(installed, 'dist')], { stdio: 'inherit' });
  cpSync(join(PACKAGE, 'package.json'), join(installed, 'package.json'));
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  const readme = readFileSync(join(PACKAGE, 'README.md'), 'utf8');
  const names = [...readme.matchAll(/```ts (\w+)\n([\s\S]*?)```/g)].map(([, name = '', block = '']) => {
    writeFileSync(join(folder, `${name}.ts`), block);
    return `${name}.ts`;
  });
  const types = resolve(PACKAGE, '../../node_modules/@types');
  const strictly = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2022', '--types', 'node'];
  execFileSync(tsc, [...strictly, '--typeRoots', types, ...names], { cwd: folder, stdio: 'inherit' });
  const other = await newPerson(copy);
  const env = { PATH: process.env.PATH, API: copy.url, REFRESH_TOKEN: other.refreshToken };
  const run = (more: object = {}) => runIn(folder, 'refresh.ts', { ...env, ...more });
  expect(await run()).toBe(`signed in as ${other.id}\n`);
  expect(await run({ REFRESH_TOKEN: 'none' })).toBe('sign in again: refresh_token_invalid\n');

  const app = await newOAuthClient([copy], 'none', ['authorization_code', 'refresh_token']);
  const user = await newSignedIn(copy);
  const verifier = newVerifier();
  const form = codeForm(await codeOf(copy, user, app.client_id, verifier), verifier);
  const [CLIENT_ID, STORE] = [app.client_id, join(folder, 'own/credentials')];
  const share = (more: object = {}) => runIn(folder, 'credentials.ts', { ...env, CLIENT_ID, STORE, ...more });
  expect(await share()).toBe('sign_in_required\n');
  const TOKENS = JSON.stringify((await askToken(copy, app, form)).body);
  for (const more of [{ TOKENS }, {}]) expect(await share(more)).toBe(`signed in as ${user.id}\n`);
});

/** Runs the program of a folder beside the API, which this process serves. */
async function runIn(cwd: string, file: string, env: NodeJS.ProcessEnv): Promise<string> {
  const child = spawn(process.execPath, [file], { cwd, env, stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (part: Buffer) => (output += part));
  await new Promise((done) => child.once('close', done));
  return output;
}
