import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ApiCopy } from '../../../platform/testing/api-copy.ts';
import type { TestUser } from '../../../platform/testing/flows/flows.ts';
import { newSignedIn } from '../../../platform/testing/flows/signed-in.ts';
import type { ClientCredentials } from '../../../platform/testing/http-client.ts';
import { type Json, send } from '../../../platform/testing/http-client.ts';
import { overtaken } from '../../../platform/testing/overtaken.ts';
import { testCaller } from '../../../platform/testing/ports.ts';
import { type ApiWorld, openApiWorld } from '../../../platform/testing/worlds/api-world.ts';
import {
  browserOf,
  challengeOf,
  LOOPBACK_REDIRECT,
  newOAuthClient,
  newVerifier,
} from '../../../platform/testing/worlds/oauth-world.ts';
import type { AuthorizationRequest } from './authorization-request.ts';
import { authorize } from './authorize.ts';
import { answerError, requestOver } from './authorize-step.ts';
import { decideConsent } from './decide-consent.ts';
import { readAuthorizationRequest } from './pushed-requests.ts';

let world: ApiWorld;
let api: ApiCopy;
let user: TestUser;
let site: ClientCredentials;
let ports: ApiCopy['ports'];
beforeAll(async () => {
  world = await openApiWorld();
  api = await world.startCopy({ hashes: false, env: { CLIENT_DOCUMENTS: 'true', CLIENT_DOCUMENTS_PRIVATE: 'true' } });
  ports = api.ports;
  user = await newSignedIn(api);
  site = await newOAuthClient([api], 'client_secret_basic', ['authorization_code']);
});
afterAll(() => world?.close());

const requestOf = (clientId: string, members: Record<string, string> = {}): Record<string, string> => ({
  client_id: clientId,
  redirect_uri: LOOPBACK_REDIRECT,
  response_type: 'code',
  scope: 'openid',
  state: 's',
  code_challenge: challengeOf(newVerifier()),
  code_challenge_method: 'S256',
  ...members,
});
const queryOf = (clientId: string, members: Record<string, string> = {}): string =>
  new URLSearchParams(requestOf(clientId, members)).toString();

test('max_age: a login that is younger will do, and an older one is asked for anew', async () => {
  const input = { query: queryOf(site.client_id, { max_age: '3600' }), cookie: user.cookie };
  expect((await authorize(ports, input, testCaller)).kind).toBe('consent');
  const later = { ...ports, clock: { ...ports.clock, now: () => Date.now() + 2 * 3_600_000 } };
  expect((await authorize(later, input, testCaller)).kind).toBe('login');
  const without = { ...input, query: queryOf(site.client_id) };
  expect((await authorize(later, without, testCaller)).kind).toBe('consent');
});

test('a client of our own house gets its code and nobody is asked; where it could be another one, they are', async () => {
  const house = await newOAuthClient([api], 'client_secret_basic', ['authorization_code']);
  const app = await newOAuthClient([api], 'none', ['authorization_code']);
  await world.rows('UPDATE oauth_clients SET "skipConsent" = true WHERE "clientId" = ANY ($1)', [
    [house.client_id, app.client_id],
  ]);
  await ports.access.load();
  const cookie = user.cookie;
  const step = await authorize(ports, { query: queryOf(house.client_id), cookie }, testCaller);
  expect(step.kind === 'redirect' && new URL(step.location).searchParams.get('code')).toMatch(/^[\w-]{43}$/);
  expect((await authorize(ports, { query: queryOf(app.client_id), cookie }, testCaller)).kind).toBe('consent');
});

test('a pushed request that was refused meanwhile, in another tab, is over: its client gets one answer', async () => {
  const pushed = await send(api.url, 'POST', '/oauth2/par', { basic: site, form: requestOf(site.client_id) });
  const query = new URLSearchParams({ client_id: site.client_id, request_uri: pushed.body.request_uri }).toString();
  const tabs: AuthorizationRequest[] = [];
  for (let tab = 0; tab < 2; tab += 1) {
    const parsed = await readAuthorizationRequest(ports, query);
    if (parsed.kind === 'request') tabs.push(parsed.request);
  }
  const refuse = (request: AuthorizationRequest) =>
    answerError(ports, ports.sql, request, 'login_required', 'the user must sign in');
  const [first, second] = [await refuse(tabs[0]!), await refuse(tabs[1]!)];
  expect(first.kind === 'redirect' && new URL(first.location).searchParams.get('error')).toBe('login_required');
  expect(second).toBe(requestOver);
});

test('an answer that finds its pushed request used up when it is written is none, whatever it was', async () => {
  const house = await newOAuthClient([api], 'client_secret_basic', ['authorization_code']);
  await world.rows('UPDATE oauth_clients SET "skipConsent" = true WHERE "clientId" = $1', [house.client_id]);
  await ports.access.load();
  const used = 'DELETE FROM oauth_pushed_requests WHERE $1::text IS NOT NULL';
  const decide = (query: string, isAllowed: boolean) =>
    decideConsent(ports, { query, cookie: user.cookie, isAllowed, scopes: ['openid'] }, testCaller);
  for (const answer of [
    (query: string) => authorize(ports, { query, cookie: user.cookie }, testCaller),
    (query: string) => decide(query, true),
    (query: string) => decide(query, false),
  ]) {
    const pushed = await send(api.url, 'POST', '/oauth2/par', { basic: house, form: requestOf(house.client_id) });
    const query = new URLSearchParams({ client_id: house.client_id, request_uri: pushed.body.request_uri }).toString();
    expect(await overtaken(api.stores.pools.main, user.id, used, () => answer(query))).toBe(requestOver);
  }
  expect(await world.rows('SELECT 1 FROM oauth_codes WHERE client_id = $1', [house.client_id])).toEqual([]);
  const decided = `SELECT 1 FROM audit_outbox WHERE type LIKE 'oauth.%' AND client_id = $1`;
  expect(await world.rows(decided, [house.client_id])).toEqual([]);
});

test('a consent form sent after the session ended agrees to nothing: sign in first', async () => {
  const decision = { query: queryOf(site.client_id), cookie: undefined, isAllowed: true, scopes: ['openid'] };
  const step = await decideConsent(ports, decision, testCaller);
  expect(step.kind).toBe('login');
  expect(await world.rows('SELECT 1 FROM oauth_consents WHERE client_id = $1', [site.client_id])).toEqual([]);
});

test('a session that ends while its consent is written agrees to nothing, whatever is remembered of its cookie', async () => {
  const own = await newSignedIn(api);
  const decision = { query: queryOf(site.client_id), cookie: own.cookie, isAllowed: true, scopes: ['openid'] };
  const step = await overtaken(api.stores.pools.main, own.id, 'DELETE FROM sessions WHERE "userId" = $1', () =>
    decideConsent(ports, decision, testCaller),
  );
  expect(step.kind).toBe('login');
  expect(await world.rows('SELECT 1 FROM oauth_consents WHERE user_id = $1', [own.id])).toEqual([]);
});

test('a client whose document has no name is shown by its host', async () => {
  let document: Json;
  const server: Server = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(document));
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  try {
    const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    const url = `http://${host}/client.json`;
    document = { client_id: url, redirect_uris: [LOOPBACK_REDIRECT] };
    const page = await browserOf(api, user).open(`/oauth2/authorize?${queryOf(url)}`);
    expect([page.status, page.leftFor], page.text).toEqual([200, null]);
    expect(ports.access.client(url)?.name).toBe(host);
  } finally {
    server.close();
  }
});
