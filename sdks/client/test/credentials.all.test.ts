// About: sdks/
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, resolve } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { environmentOf, findPython, PYTHON_PACKAGE, pythonIn } from '../../../tools/checks/python-environment.ts';
import { newProofMaker } from '../../../tools/testing/fakes/dpop.ts';
import { claimsIn } from '../../../tools/testing/flows/flows.ts';
import { newSignedIn } from '../../../tools/testing/flows/signed-in.ts';
import { API_URL, openApiHarness } from '../../../tools/testing/harness/api.ts';
import { askToken, codeForm, codeOf, newOAuthClient, newVerifier } from '../../../tools/testing/harness/oauth.ts';
import { opened } from '../../../tools/testing/opened.ts';
import { testFolder } from '../../../tools/testing/test-folder.ts';
import { openCredentialStore } from '../src/credentials.ts';

const OF_EACH_LANGUAGE = 12;
/** Each needs a new access token, so there are at least as many refreshes. */
const ROUNDS = 24;
/** What happens to every second refresh, until the list ends: its process dies, or its answer is lost. */
const FAULTS = [...Array(2)].flatMap(() => ['before', 'during', 'answered', 'received', 'lost'] as const);

const TOKEN_URL = `${API_URL}/oauth2/token`;
const harness = opened(openApiHarness);
const api = opened(() => harness.startCopy({ hashes: false }));
const other = opened(() => harness.startCopy({ hashes: false, env: { DPOP_REQUIRE_NONCE: 'true' } }));
const user = opened(() => newSignedIn(api));
const app = opened(() => newOAuthClient([api, other], 'none', ['authorization_code', 'refresh_token']));
const folder = testFolder();
let python: string;
beforeAll(() => {
  python = pythonIn(environmentOf(findPython(), [join(PYTHON_PACKAGE, 'requirements-runtime.txt')]));
}, 600_000);

/** Passes requests on to the API, but for its faults; counts the refreshes of living processes at one moment. */
async function openProxy(api: string, faults: (typeof FAULTS)[number][]) {
  const seen = { refreshes: 0, now: 0, most: 0, killed: new Set<number>() };
  const pass = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { 'x-pid': pid, connection: _, host: __, 'transfer-encoding': ___, ...headers } = request.headers;
    const body = await buffer(request);
    const isRefresh = request.url === '/oauth2/token';
    const [, claims] = String(headers.dpop).split('.');
    // Without its nonce a proof uses up no refresh token.
    const isCounted = isRefresh && (claims === undefined || Buffer.from(claims, 'base64url').includes('"nonce"'));
    if (isRefresh) seen.most = Math.max(seen.most, ++seen.now);
    const fault = isCounted && ++seen.refreshes % 2 === 0 ? faults.shift() : undefined;
    const end = (): void => void (isRefresh && --seen.now);
    const kill = (): void => {
      seen.killed.add(Number(pid));
      process.kill(Number(pid), 'SIGKILL');
    };
    if (fault === 'before' || fault === 'during') {
      end();
      kill();
    }
    if (fault === 'before') return void response.destroy();
    const sent = { method: request.method as string, headers: headers as Record<string, string> };
    const answer = await fetch(api + request.url, { ...sent, ...(body.length > 0 && { body }) });
    const content = await answer.text();
    if (fault === 'during') return void response.destroy();
    end();
    if (fault === 'answered') kill();
    if (fault === 'answered' || fault === 'lost') return void response.destroy();
    for (const name of ['content-type', 'dpop-nonce', 'www-authenticate', 'retry-after', 'date'])
      if (answer.headers.has(name)) response.setHeader(name, answer.headers.get(name) as string);
    response.writeHead(answer.status).end(content);
    if (fault === 'received') kill();
  };
  const server = createServer(
    (request, response) => void pass(request, response).catch((err) => response.destroy(err)),
  );
  await once(server.listen(0, '127.0.0.1'), 'listening');
  onTestFinished(() => void server.close());
  return { seen, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

/** A sign-in of the public client; with a key, its private JWK is a member. */
async function signIn(isBound: boolean): Promise<string> {
  const maker = newProofMaker();
  const verifier = newVerifier();
  const form = codeForm(await codeOf(api, user, app.client_id, verifier), verifier);
  const { body } = await askToken(api, app, form, isBound ? { dpop: maker.proof('POST', TOKEN_URL) } : {});
  expect(body).toMatchObject({ token_type: isBound ? 'DPoP' : 'Bearer', refresh_token: expect.any(String) });
  return JSON.stringify({ ...body, ...(isBound && { dpop_jwk: maker.privateKey.export({ format: 'jwk' }) }) });
}

/** A process; when it has printed something or ended, and what it printed until it ended. */
function start([command, ...args]: readonly string[], env: Record<string, string>) {
  const paths = { PATH: process.env.PATH, PYTHONPATH: join(PYTHON_PACKAGE, 'src'), PYTHONDONTWRITEBYTECODE: '1' };
  const child = spawn(command as string, args, { cwd: folder, env: { ...paths, ...env } });
  let printed = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (part: Buffer) => (printed += part));
  // Of a process that ended before it was told to begin.
  child.stdin.on('error', () => {});
  const ended = once(child, 'close').then(([code]) => ({
    pid: Number(child.pid),
    code: code as number | null,
    printed,
  }));
  return { stdin: child.stdin, ready: Promise.race([once(child.stdout, 'data'), ended]), ended };
}

test.each([
  ['bearer tokens', false],
  ['tokens bound to a DPoP key, with nonces', true],
] as const)(
  'processes of both languages share a sign-in, refresh one at a time, and end it by no death (%s)',
  async (kind, isBound) => {
    const { seen, url } = await openProxy(isBound ? other.url : api.url, [...FAULTS]);
    const env = { STORE: join(folder, kind, 'credentials'), API: API_URL, VIA: url, CLIENT_ID: app.client_id };
    const programs = [
      [python, join(PYTHON_PACKAGE, 'tests/credential_process.py')],
      [process.execPath, resolve(import.meta.dirname, 'credential-process.ts')],
    ] as const;
    const tokens = await signIn(isBound);
    expect(await start(programs[0], { ...env, TOKENS: tokens }).ended).toMatchObject({ code: 0, printed: '' });
    // Written by Python, read by TypeScript.
    const store = openCredentialStore({ path: env.STORE, url: API_URL, clientId: env.CLIENT_ID });
    const first = await store.accessToken();
    expect(first).toBe(JSON.parse(tokens).access_token);

    const children = programs.flatMap((program) =>
      Array.from({ length: OF_EACH_LANGUAGE }, () => start(program, { ...env, ROUNDS: String(ROUNDS) })),
    );
    await Promise.all(children.map(({ ready }) => ready));
    for (const { stdin } of children) stdin.write('\n');
    const lived = (await Promise.all(children.map(({ ended }) => ended))).filter(({ pid }) => !seen.killed.has(pid));
    for (const { code, printed } of lived) expect([printed, code]).toEqual([`ready\n${user.id}\n`, 0]);
    expect([seen.most, seen.killed.size, lived.length]).toEqual([1, 8, 2 * OF_EACH_LANGUAGE - 8]);

    const last = await store.accessToken();
    const { fid } = claimsIn(last);
    expect([fid, last === first]).toEqual([claimsIn(first).fid, false]);
    const outcomes = await harness.rows`SELECT outcome, count(*)::int FROM audit_outbox
      WHERE target_id = ${fid} AND type LIKE 'token.refresh%' GROUP BY outcome`;
    const repeated = outcomes.filter(({ outcome }) => outcome !== 'rotated');
    const others = repeated.filter(({ outcome }) => outcome !== 'grace' && outcome !== 'lost_answer');
    expect(others).toEqual([]);
    // After an answer that was lost, alone or with its process, the next request repeats it.
    expect(repeated.reduce((sum, { count }) => sum + count, 0)).toBeGreaterThanOrEqual(4);
    const families = await harness.rows`SELECT revoked_at FROM refresh_families WHERE id = ${fid}`;
    expect(families).toEqual([{ revoked_at: null }]);
  },
);

test('the example of the Python package runs', async () => {
  const [, block = ''] =
    /```python credentials\n([\s\S]*?)```/.exec(readFileSync(join(PYTHON_PACKAGE, 'README.md'), 'utf8')) ?? [];
  const env = { API: api.url, CLIENT_ID: app.client_id, STORE: join(folder, 'example/credentials') };
  const run = (more: Record<string, string> = {}) => start([python, '-c', block], { ...env, ...more }).ended;
  expect((await run()).printed).toBe('sign_in_required\n');
  const signedIn = `signed in as ${user.id}\n`;
  expect((await run({ TOKENS: await signIn(false) })).printed).toBe(signedIn);
  expect((await run()).printed).toBe(signedIn);
});
