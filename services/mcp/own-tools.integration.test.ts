import { beforeAll, describe, expect, test } from 'vitest';
import type { TestUser } from '#tools/testing/flows/flows.ts';
import { newSignedIn } from '#tools/testing/flows/signed-in.ts';
import { browserOf, challengeOf, newVerifier } from '#tools/testing/harness/oauth.ts';
import { type Json, send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';
import { OWN_SCOPES } from '../core/authority/own-scopes.ts';
import { openMcpHarness } from './mcp-harness.ts';

const harness = opened(() => openMcpHarness());
let clientId: string;
let user: TestUser;
beforeAll(async () => {
  const json = { client_name: 'Editor', redirect_uris: [REDIRECT], token_endpoint_auth_method: 'none' };
  clientId = (await send(harness.api.url, 'POST', '/oauth2/register', { json })).body.client_id;
  user = await newSignedIn(harness.api);
});

const REDIRECT = 'http://127.0.0.1/callback';
const TOOLS = {
  'own.sessions': 'list_my_sessions',
  'own.events': 'list_my_events',
  'own.signoffs': 'list_my_signoffs',
  'own.applications': 'list_my_applications',
  'own.api_keys': 'list_my_api_keys',
} as const;
/** Tools that need nothing. */
const FOR_ALL = ['read_component_progress'];

const consentPath = (verifier: string, resource = harness.mcpUrl): string => {
  const asked = { client_id: clientId, redirect_uri: REDIRECT, response_type: 'code', resource, prompt: 'consent' };
  const proof = { code_challenge: challengeOf(verifier), code_challenge_method: 'S256' };
  return `/oauth2/authorize?${new URLSearchParams({ ...asked, ...proof })}`;
};

/** The consent page that the user sees, and the tokens after it. @param ticked what the user leaves ticked */
async function connect(ticked: readonly string[], { resource = harness.mcpUrl, by = user } = {}) {
  const verifier = newVerifier();
  const browser = browserOf(harness.api, by);
  const page = await browser.open(consentPath(verifier, resource));
  const { leftFor } = await browser.submit(page, { decision: 'allow', scope: [...ticked] });
  const form = {
    grant_type: 'authorization_code',
    code: leftFor?.searchParams.get('code') ?? '',
    redirect_uri: REDIRECT,
    code_verifier: verifier,
    resource,
    client_id: clientId,
  };
  const { body } = await send(harness.api.url, 'POST', '/oauth2/token', { form });
  return { page, token: String(body.access_token), scope: String(body.scope) };
}

const toolsOf = async (token: string): Promise<string[]> => {
  const client = await harness.connect(token);
  const { tools } = await client.listTools();
  await client.close();
  return tools.map(({ name }) => name).sort();
};
const call = async (token: string, name: string): Promise<Json> => {
  const client = await harness.connect(token);
  const { structuredContent, isError } = await client.callTool({ name, arguments: {} });
  await client.close();
  return { ...(structuredContent as object), isError };
};

describe('an application that registered itself, after the user allowed it', () => {
  test('has the tools of the scopes that the consent page named in words, and no other', async () => {
    const { page, token, scope } = await connect(['openid', ...OWN_SCOPES]);
    expect(page.text).toContain('see where you are signed in');
    expect(page.text).toContain('see the names of your API keys');
    expect(page.text).not.toMatch(/use <code>own/);
    expect(scope.split(' ').sort()).toEqual(['openid', ...OWN_SCOPES].sort());
    expect(await toolsOf(token)).toEqual([...FOR_ALL, ...Object.values(TOOLS)].sort());
  });

  test('reads with them what is the user’s, and nothing of another user', async () => {
    const { token } = await connect(['openid', ...OWN_SCOPES]);
    const other = await newSignedIn(harness.api);
    const key = { name: 'backup', permissions: [] };
    for (const { tokens } of [user, other])
      await send(harness.api.url, 'POST', '/v1/api-keys', { bearer: tokens.access_token, json: key });
    const { sessions } = await call(token, 'list_my_sessions');
    expect(sessions).toMatchObject([{ id: user.sessionId, user_id: user.id, current: true }]);
    expect((await call(token, 'list_my_applications')).consents).toMatchObject([{ client_name: 'Editor' }]);
    const { api_keys } = await call(token, 'list_my_api_keys');
    expect(api_keys).toMatchObject([{ name: 'backup', state: 'live' }]);
    expect(JSON.stringify(api_keys)).not.toMatch(/secret|permissions/);
    expect(await call(token, 'list_my_signoffs')).toMatchObject({ signoffs: [], next: null });
    // Nothing is sealed here.
    expect(await call(token, 'list_my_events')).toMatchObject({ events: [], next: null });
  });

  test('does not have a tool whose scope the user did not tick, and a call says which scope and what to do', async () => {
    const { token } = await connect(['openid', 'own.sessions']);
    expect(await toolsOf(token)).toEqual([...FOR_ALL, 'list_my_sessions'].sort());
    expect(await call(token, 'list_my_api_keys')).toMatchObject({
      isError: true,
      code: 'scope_not_granted',
      detail: expect.stringContaining('own.api_keys'),
      fix: expect.stringContaining('consent page'),
    });
    expect(await call(token, 'list_signing_keys')).toMatchObject({
      isError: true,
      code: 'permission_missing',
      detail: expect.stringContaining('keys:read'),
    });
  });

  test('asks for no such scope where it signs users in for another resource', async () => {
    const resource = harness.api.ports.tokenSettings.audience;
    const { page, scope } = await connect(['openid', ...OWN_SCOPES], { resource });
    expect(page.text).not.toContain('see where you are signed in');
    expect(scope).toBe('openid');
  });

  test('is refused at once when the user withdraws the consent', async () => {
    const by = await newSignedIn(harness.api);
    const { token } = await connect(['openid', 'own.sessions'], { by });
    expect(await call(token, 'list_my_sessions')).toMatchObject({ next: null });
    const bearer = by.tokens.access_token;
    expect((await send(harness.api.url, 'DELETE', `/v1/consents/${clientId}`, { bearer })).status).toBe(204);
    const ping = { jsonrpc: '2.0', id: 1, method: 'ping' };
    await expect.poll(async () => (await harness.post(ping, { token })).status).toBe(401);
  });

  test('names what it wants in German to a user who reads German', async () => {
    const sent = { cookie: user.cookie, headers: { 'accept-language': 'de' } };
    const { text } = await send(harness.api.url, 'GET', consentPath(newVerifier()), sent);
    expect(text).toContain('sehen, wo Sie angemeldet sind');
    expect(text).toContain('die Freigaben sehen, um die Sie gebeten haben');
  });
});

test('a sign-off that the user asked for is the user’s own, through whichever application', async () => {
  const { token } = await connect(['openid', 'own.signoffs']);
  const insert = `INSERT INTO signoffs (id, act, title, arguments, arguments_sha256, requested_by_kind, requested_by, client_id,
      barred_users, required_roles, quorum, no_open_incident, requested_at, expires_at)
    VALUES (gen_random_uuid(), 'release.deploy', $2, '{}', encode(sha256('{}'), 'hex'), 'user', $1, 'sallyport', '{}',
      '{tech_lead}', 1, false, now(), now() + interval '1 day')`;
  await harness.rows(insert, [user.id, 'Mine']);
  await harness.rows(insert, [(await newSignedIn(harness.api)).id, 'Another user’s']);
  expect((await call(token, 'list_my_signoffs')).signoffs).toMatchObject([{ title: 'Mine', state: 'pending' }]);
});
