import { randomUUID } from 'node:crypto';
import { calculateJwkThumbprint, decodeJwt, decodeProtectedHeader } from 'jose';
import { beforeAll, expect, test } from 'vitest';
import { newProofMaker } from '#tools/testing/fakes/dpop.ts';
import { patiently } from '#tools/testing/flows/flows.ts';
import { challengeOf, codeForm, LOOPBACK_REDIRECT, newVerifier } from '#tools/testing/harness/oauth.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { type ClientCredentials, type Json, send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';
import { ID_JAG } from '../core/access/assertion-shapes.ts';
import { type CreateClientInput, createClient } from '../core/access/create-client.ts';
import { JWT_BEARER, TOKEN_EXCHANGE } from '../core/access/grant-shapes.ts';
import { openClientsHarness } from './clients-harness.ts';

/** A server for which an administrator names no scopes. */
const UNSCOPED = 'https://unscoped.example';
const open = () => openClientsHarness({ CLIENT_DOCUMENTS_PRIVATE: 'true' });
/** The identity provider of a company, and an MCP server of another house with its authorization server. */
const [idp, chat] = [opened(open), opened(open)];
/** One MCP client, as each of them knows it. */
let [atIdp, another, atChat]: ClientCredentials[] = [];

async function register({ api }: typeof idp, input: Partial<CreateClientInput>): Promise<ClientCredentials> {
  const made = await createClient(api.ports, { name: 'Agent', grant_types: [], ...input }, testCaller);
  await api.ports.access.load();
  return { client_id: made.clientId, client_secret: made.clientSecret as string };
}

beforeAll(async () => {
  const [issuer, server] = [idp, chat].map(({ api }) => api.ports.publicUrl) as [string, string];
  const accepts = [{ issuer, jwks_uri: `${issuer}/.well-known/jwks.json`, provider: 'work' }];
  const scopes = ['own.sessions', 'own.events'];
  const at = { grant_types: [JWT_BEARER], audiences: [chat.mcpUrl], identity_assertions: { accepts }, scopes };
  atChat = await register(chat, at);
  const issued = { issuer: server, client_id: atChat.client_id, scopes: ['own.sessions'], resources: [chat.mcpUrl] };
  const unscoped = { issuer: UNSCOPED, client_id: 'agent', scopes: [] };
  const atHome = {
    grant_types: ['authorization_code', TOKEN_EXCHANGE, JWT_BEARER],
    scopes: ['openid', 'email'],
    redirect_uris: [LOOPBACK_REDIRECT],
    // A mistake of its administrator: it would take its own assertions back.
    identity_assertions: { accepts, issues: [issued, unscoped, { issuer, client_id: 'agent', scopes: ['email'] }] },
  };
  atIdp = await register(idp, { ...atHome, client_id: 'agent' });
  another = await register(idp, atHome);
  const link = `INSERT INTO accounts (id, "userId", "providerId", "accountId") VALUES ($1, $2, 'work', $3)`;
  for (const { owner, user } of [idp, chat]) await owner.raw(link, [randomUUID(), user.id, idp.user.id]);
});

const ask = ({ api }: typeof idp, basic: ClientCredentials | undefined, form: Json, headers = {}) =>
  send(api.url, 'POST', '/oauth2/token', { ...(basic && { basic }), form, headers });

/** Signs the user in at the identity provider; returns the answer to the code. */
async function signIn(client = atIdp, scope = 'openid email'): Promise<Json> {
  const verifier = newVerifier();
  const query = {
    client_id: client?.client_id as string,
    response_type: 'code',
    redirect_uri: LOOPBACK_REDIRECT,
    scope,
    code_challenge: challengeOf(verifier),
    code_challenge_method: 'S256',
  };
  const back = await idp.signIn(new URL(`/oauth2/authorize?${new URLSearchParams(query)}`, idp.api.url));
  return (await ask(idp, client, codeForm(back.searchParams.get('code') as string, verifier))).body;
}

const exchange = (idToken: string, changes: Json = {}, client = atIdp, headers = {}) => {
  const form = {
    grant_type: TOKEN_EXCHANGE,
    requested_token_type: ID_JAG,
    subject_token: idToken,
    subject_token_type: 'urn:ietf:params:oauth:token-type:id_token',
    audience: chat.api.ports.publicUrl,
    ...changes,
  };
  return ask(idp, client, form, headers);
};
const redeem = (assertion: string, at = chat, client = atChat) =>
  ask(at, client, { grant_type: JWT_BEARER, assertion });
const call = async (bearer: string, name: string) => {
  const json = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name, arguments: {} } };
  const headers = { accept: 'application/json, text/event-stream', 'mcp-protocol-version': '2025-11-25' };
  return (await patiently(() => send(chat.api.url, 'POST', '/mcp', { json, bearer, headers }))).text;
};

test('an employee who is signed in at the company calls a tool of the other house, without a page there', async () => {
  expect((await send(chat.api.url, 'GET', '/.well-known/oauth-authorization-server')).body).toMatchObject({
    authorization_grant_profiles_supported: ['urn:ietf:params:oauth:grant-profile:id-jag'],
    grant_types_supported: expect.arrayContaining([JWT_BEARER]),
    identity_chaining_requested_token_types_supported: [ID_JAG],
  });
  const { id_token: idToken } = await signIn();
  const { body } = await exchange(idToken, { resource: chat.mcpUrl, scope: 'own.sessions own.events' });
  const { access_token: assertion, ...rest } = body;
  expect(rest).toEqual({ issued_token_type: ID_JAG, token_type: 'N_A', expires_in: 300, scope: 'own.sessions' });
  expect(decodeProtectedHeader(assertion).typ).toBe('oauth-id-jag+jwt');
  const claims = decodeJwt(assertion);
  expect(claims).toMatchObject({ iss: idp.api.ports.publicUrl, sub: idp.user.id, aud: chat.api.ports.publicUrl });
  expect(claims).toMatchObject({ client_id: atChat?.client_id, resource: chat.mcpUrl, scope: 'own.sessions' });
  expect(claims).toMatchObject({ exp: (claims.iat as number) + 300, acr: 'aal1', amr: ['pwd'], email: idp.user.email });
  const { access_token: token, scope } = (await redeem(assertion)).body;
  expect(scope).toBe('own.sessions');
  expect(await call(token, 'list_my_sessions')).toMatch(/"sessions":/);
  expect(await call(token, 'list_my_events'), 'a scope that the company withheld').not.toMatch(/"events":/);
  expect((await redeem(assertion)).body.error, 'replayed').toBe('invalid_grant');
  const events = `SELECT outcome FROM audit_outbox WHERE type = 'oauth.identity_asserted'`;
  const logged = await Promise.all([idp, chat].map(({ owner }) => owner.raw(events)));
  expect(logged).toEqual([[{ outcome: 'issued' }], [{ outcome: 'redeemed' }]]);
});

test('an assertion has the scopes that are named, the address if the sign-in has the scope email, and the key that the client proved', async () => {
  const [{ id_token: idToken }, maker] = [await signIn(atIdp, 'openid'), newProofMaker()];
  const dpop = maker.proof('POST', `${idp.api.ports.publicUrl}/oauth2/token`);
  const { access_token: assertion, scope } = (await exchange(idToken, { audience: UNSCOPED }, atIdp, { dpop })).body;
  const claims = decodeJwt(assertion);
  expect([claims.aud, claims.cnf, scope]).toEqual([UNSCOPED, { jkt: await calculateJwkThumbprint(maker.jwk) }, '']);
  for (const absent of ['scope', 'resource', 'email', 'email_verified']) expect(claims).not.toHaveProperty(absent);
  expect(decodeJwt((await exchange(idToken)).body.access_token)).not.toHaveProperty('cnf');
});

test('the company issues for what its administrator named, of its ID token for this client, and takes none back', async () => {
  const { id_token: idToken, access_token: accessToken } = await signIn();
  const refused = async (changes: Json, client = atIdp) => (await exchange(idToken, changes, client)).body.error;
  for (const changes of [
    { audience: 'https://other.example' },
    { audience: '' },
    { resource: 'https://other.example' },
  ])
    expect(await refused(changes)).toBe('invalid_target');
  expect(await refused({ scope: 'own.events' })).toBe('invalid_scope');
  const details = JSON.stringify([{ type: 'note' }]);
  expect(await refused({ authorization_details: details })).toBe('invalid_authorization_details');
  const own = (await exchange(idToken, { audience: idp.api.ports.publicUrl })).body.access_token;
  const type = 'urn:ietf:params:oauth:token-type:access_token';
  for (const changes of [
    { subject_token: accessToken },
    { subject_token: own },
    { subject_token_type: type },
    { actor_token: accessToken, actor_token_type: type },
  ])
    expect(await refused(changes)).toBe('invalid_request');
  expect((await redeem(own, idp, atIdp)).body.error).toBe('invalid_grant');
  expect((await send(idp.api.url, 'GET', '/oauth2/userinfo', { bearer: own })).status).toBe(401);
  expect(await refused({}, another), 'the ID token of another client').toBe('invalid_request');
  const { id_token: its } = await signIn(another);
  const asked = async () => (await exchange(its, {}, another)).status;
  expect(await asked()).toBe(200);
  const owned = `INSERT INTO agents (client_id, owner_id, expires_at) VALUES ($1, $2, now() + interval '1 day')`;
  await idp.owner.raw(owned, [another?.client_id, idp.user.id]);
  await idp.api.ports.access.load();
  expect(await asked(), 'an agent').toBe(400);
  for (const end of [`UPDATE oauth_clients SET "tokenEpoch" = "tokenEpoch" + 1`, 'DELETE FROM sessions']) {
    const { id_token: live } = await signIn();
    expect((await exchange(live)).status).toBe(200);
    await idp.owner.raw(end);
    expect((await exchange(live)).body.error, end).toBe('invalid_request');
  }
});
