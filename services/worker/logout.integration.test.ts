import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { sendLogoutTokensJob } from '#jobs/contracts/oauth.ts';
import { createClient } from '#services/core/access/create-client.ts';
import { eventually } from '#tools/testing/eventually.ts';
import type { TestUser } from '#tools/testing/flows/flows.ts';
import { newSignedIn } from '#tools/testing/flows/signed-in.ts';
import { API_URL, type ApiCopy, type ApiHarness, openApiHarness } from '#tools/testing/harness/api.ts';
import { composeJobs } from '#tools/testing/harness/job.ts';
import { askToken, browserOf, codeForm, codeOf, LOOPBACK_REDIRECT, newVerifier } from '#tools/testing/harness/oauth.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { type ClientCredentials, send } from '#tools/testing/http-client.ts';
import type { Composed } from './compose.ts';

const ROOT = resolve(import.meta.dirname, '../..');

type Ended = { readonly sub: string; readonly sid: string };
type CreateLogoutReceiver = (options: {
  readonly api: string;
  readonly issuer?: string;
  readonly clientId: string;
  readonly end: (ended: Ended) => Promise<void>;
}) => RequestListener;

/** Whose sessions the client ended, and every token that it was sent. */
const ended: Ended[] = [];
const received: string[] = [];
let answer: RequestListener;
const client = createServer((request, response) => answer(request, response));
let folder: string;
let harness: ApiHarness;
let api: ApiCopy;
let worker: Composed;
let site: ClientCredentials;
const clientUrl = () => `http://127.0.0.1:${(client.address() as AddressInfo).port}/logout`;

/** The receiver that the page shows. */
async function receiverOfPage(): Promise<CreateLogoutReceiver> {
  const page = await readFile(join(ROOT, 'docs/how-to/sign-users-out.md'), 'utf8');
  const [, code = ''] = /```js receiver\n([\s\S]*?)```/.exec(page) ?? [];
  await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  await writeFile(join(folder, 'logout.mjs'), code);
  return (await import(join(folder, 'logout.mjs'))).createLogoutReceiver;
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sallyport-logout-'));
  await new Promise<void>((done) => client.listen(0, '127.0.0.1', done));
  harness = await openApiHarness();
  api = await harness.startCopy({ hashes: false });
  const made = await createClient(
    api.ports,
    {
      name: 'Tasks',
      grant_types: ['authorization_code'],
      scopes: ['openid'],
      redirect_uris: [LOOPBACK_REDIRECT],
      backchannel_logout_uri: clientUrl(),
    },
    testCaller,
  );
  await api.ports.access.load();
  site = { client_id: made.clientId, client_secret: made.clientSecret as string };
  const createLogoutReceiver = await receiverOfPage();
  const listener = createLogoutReceiver({
    api: api.url,
    issuer: API_URL,
    clientId: site.client_id,
    end: async (one) => void ended.push(one),
  });
  answer = (request, response) => {
    let form = '';
    request.on('data', (part: Buffer) => {
      form += part.toString();
    });
    request.on('end', () => received.push(new URLSearchParams(form).get('logout_token') ?? ''));
    listener(request, response);
  };
  const env = { BETTER_AUTH_URL: API_URL, BACKCHANNEL_LOGOUT_PRIVATE: 'true' };
  worker = await composeJobs(harness, [sendLogoutTokensJob], { env, dataDir: folder });
  await worker.start();
});
afterAll(async () => {
  await worker?.drain(5_000);
  await harness?.close();
  client.close();
  await rm(folder, { recursive: true, force: true });
});
beforeEach(() => {
  ended.length = 0;
  received.length = 0;
});

/** A user who is signed in to the client, and the ID token. */
async function newSignedInToSite(): Promise<{ readonly user: TestUser; readonly idToken: string }> {
  const user = await newSignedIn(api);
  const verifier = newVerifier();
  const answered = await askToken(api, site, codeForm(await codeOf(api, user, site.client_id, verifier), verifier));
  expect(answered.status).toBe(200);
  return { user, idToken: answered.body.id_token };
}
const leave = async ({ cookie }: TestUser): Promise<void> => {
  const left = await send(api.url, 'POST', '/api/auth/signout', { cookie, headers: { origin: API_URL } });
  expect(left.status).toBe(200);
};
const eventsOf = (user: TestUser) =>
  harness.rows`SELECT outcome, actor_kind, client_id, detail FROM audit_outbox
    WHERE type = 'oauth.logout_token_sent' AND target_id = ${user.sessionId}`;

describe('a client with the receiver of sign-users-out.md', () => {
  test('is told by a worker when the user signs out, with the sid of the ID token', async () => {
    const { user, idToken } = await newSignedInToSite();
    await leave(user);
    await eventually('the client to end its session', async () => ended.length > 0);
    expect(ended).toEqual([{ sub: user.id, sid: decodeJwt(idToken).sid }]);
    await eventually('the result to be recorded', async () => (await eventsOf(user)).length > 0);
    expect(await eventsOf(user)).toEqual([
      { outcome: 'ok', actor_kind: 'system', client_id: site.client_id, detail: { attempts: 1 } },
    ]);
    expect(received).toHaveLength(1);
  });

  test('is told when it signs the user out itself (RP-Initiated Logout)', async () => {
    const { user, idToken } = await newSignedInToSite();
    await browserOf(api, user).open(`/oauth2/end_session?id_token_hint=${idToken}`);
    await eventually('the client to end its session', async () => ended.length > 0);
    expect(ended).toEqual([{ sub: user.id, sid: user.sessionId }]);
  });

  test('token confusion: refuses an ID token, an access token, and a logout token of another client, issuer, type or event', async () => {
    const { user, idToken } = await newSignedInToSite();
    const claims = {
      iss: API_URL,
      sub: user.id,
      aud: site.client_id,
      sid: user.sessionId,
      iat: Math.floor(Date.now() / 1_000),
      exp: Math.floor(Date.now() / 1_000) + 60,
      jti: 'j',
      events: { 'http://schemas.openid.net/event/backchannel-logout': {} },
    };
    const signed = (changes: object, typ = 'logout+jwt') => api.ports.keyRing.sign({ typ }, { ...claims, ...changes });
    const tell = async (token: string): Promise<number> => {
      const body = new URLSearchParams({ logout_token: token });
      return (await fetch(clientUrl(), { method: 'POST', body })).status;
    };
    for (const token of [
      idToken,
      user.tokens.access_token,
      'no token',
      await signed({ aud: 'another' }),
      await signed({ iss: 'https://evil.example' }),
      await signed({ exp: claims.iat - 60 }),
      await signed({ events: { 'https://evil.example/event': {} } }),
      await signed({ nonce: 'n' }),
      await signed({ sid: undefined }),
      await signed({}, 'JWT'),
    ])
      expect(await tell(token)).toBe(400);
    expect(ended).toEqual([]);
    expect(await tell(await signed({}))).toBe(204);
    expect(ended).toHaveLength(1);
  });
});
