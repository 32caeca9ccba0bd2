import { expect, test } from 'vitest';
import { challengeOf, newVerifier } from '#tools/testing/harness/oauth.ts';
import { type Json, send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';
import { OWN_SCOPES } from '../core/authority/own-scopes.ts';
import { openClientsHarness } from './clients-harness.ts';

const harness = opened(() => openClientsHarness());

type Published = {
  /** The body of its registration, as the client publishes it. */
  readonly registers: Readonly<Record<string, unknown>>;
  /** Where it wants the answer; a port of the moment where it listens on one. */
  readonly returnsTo: string;
  /** Which scopes it asks for: those of the challenge, all of the authorization server, or none by name. */
  readonly asks: 'challenge' | 'everything' | 'nothing';
  /** Its first message. */
  readonly revision: string;
};

const CODE = { grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'] };
const PUBLIC = { ...CODE, token_endpoint_auth_method: 'none' };

/** Sources: microsoft/vscode `oauth.ts`; erp-mafia/accounted#2225; modelcontextprotocol/inspector `auth.ts`; google-gemini/gemini-cli `oauth-provider.ts`; opencode `oauth-provider.ts`. */
const published: Readonly<Record<string, Published>> = {
  'VS Code': {
    registers: {
      ...PUBLIC,
      client_name: 'Visual Studio Code',
      client_uri: 'https://code.visualstudio.com',
      grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
      redirect_uris: [
        'https://insiders.vscode.dev/redirect',
        'https://vscode.dev/redirect',
        'http://127.0.0.1/',
        'http://127.0.0.1:33418/',
      ],
      scope: OWN_SCOPES.join(' '),
      application_type: 'native',
    },
    returnsTo: 'http://127.0.0.1:53117/',
    asks: 'challenge',
    revision: '2025-11-25',
  },
  'VS Code, which falls back to all scopes of the authorization server': {
    registers: { ...PUBLIC, client_name: 'Visual Studio Code', redirect_uris: ['http://127.0.0.1/'] },
    returnsTo: 'http://127.0.0.1:53118/',
    asks: 'everything',
    revision: '2025-06-18',
  },
  Cursor: {
    registers: {
      ...PUBLIC,
      client_name: 'Cursor',
      redirect_uris: [
        'cursor://anysphere.cursor-mcp/oauth/callback',
        'https://www.cursor.com/agents/mcp/oauth/callback',
        'http://localhost:8787/callback',
      ],
      application_type: 'web',
    },
    returnsTo: 'http://localhost:8787/callback',
    asks: 'challenge',
    revision: '2025-11-25',
  },
  'the MCP Inspector': {
    registers: {
      ...PUBLIC,
      client_name: 'MCP Inspector',
      client_uri: 'https://github.com/modelcontextprotocol/inspector',
      redirect_uris: ['http://localhost:6274/oauth/callback', 'http://localhost:6274/oauth/callback/debug'],
      scope: '',
    },
    returnsTo: 'http://localhost:6274/oauth/callback',
    asks: 'challenge',
    revision: '2025-11-25',
  },
  'Gemini CLI': {
    registers: {
      ...PUBLIC,
      client_name: 'Gemini CLI MCP Client',
      redirect_uris: ['http://localhost:7777/oauth/callback'],
      code_challenge_method: ['S256'],
      scope: '',
    },
    returnsTo: 'http://localhost:7777/oauth/callback',
    asks: 'nothing',
    revision: '2025-06-18',
  },
  OpenCode: {
    registers: {
      ...PUBLIC,
      client_name: 'OpenCode',
      client_uri: 'https://opencode.ai',
      redirect_uris: ['http://127.0.0.1:19876/mcp/oauth/callback'],
    },
    returnsTo: 'http://127.0.0.1:19876/mcp/oauth/callback',
    asks: 'challenge',
    revision: '2025-11-25',
  },
};

const get = async (url: string, headers = {}): Promise<Json> => {
  const { origin, pathname } = new URL(url);
  const answer = await send(origin, 'GET', pathname, { headers });
  expect(answer.status, url).toBe(200);
  return answer.body;
};
const post = (message: object, token?: string) =>
  send(harness.api.url, 'POST', '/mcp', {
    json: message,
    headers: { accept: 'application/json, text/event-stream' },
    ...(token === undefined ? {} : { bearer: token }),
  });

/** The message of an answer, in JSON or in a stream. */
const messageIn = ({ text }: { readonly text: string }): Json => JSON.parse(text.replace(/^[\s\S]*?data: /, ''));

/** From the challenge to the documents, as every client goes. */
async function discover(revision: string) {
  const params = { protocolVersion: revision, capabilities: {}, clientInfo: { name: 'client', version: '1' } };
  const first = { jsonrpc: '2.0', id: 0, method: 'initialize', params };
  const challenge = (await post(first)).headers.get('www-authenticate') ?? '';
  const named = (name: string) => new RegExp(`${name}="([^"]+)"`).exec(challenge)?.[1] as string;
  const headers = { 'mcp-protocol-version': revision };
  const resource = await get(named('resource_metadata'), headers);
  const [issuer] = resource.authorization_servers;
  const server = await get(`${issuer}/.well-known/oauth-authorization-server`, headers);
  expect([resource.resource, server.issuer]).toEqual([harness.mcpUrl, issuer]);
  return { first, server, resource, scope: named('scope') };
}

test.each(Object.entries(published))('%s registers, signs a user in, calls and refreshes', async (_name, client) => {
  const { first, server, resource, scope } = await discover(client.revision);
  const registered = await send(harness.api.url, 'POST', '/oauth2/register', { json: client.registers });
  expect(registered.status, JSON.stringify(registered.body)).toBe(201);
  const named = client.registers.redirect_uris as readonly string[];
  expect(registered.body.redirect_uris).toEqual(named.filter((uri) => !uri.startsWith('cursor:')));
  const { client_id } = registered.body;

  const asked = { challenge: scope, everything: server.scopes_supported.join(' '), nothing: undefined }[client.asks];
  const verifier = newVerifier();
  const authorization = new URL(server.authorization_endpoint);
  authorization.search = String(
    new URLSearchParams({
      client_id,
      response_type: 'code',
      redirect_uri: client.returnsTo,
      state: 'a+b/c=&',
      code_challenge: challengeOf(verifier),
      code_challenge_method: 'S256',
      resource: resource.resource,
      ...(asked === undefined ? {} : { scope: asked }),
    }),
  );
  const returned = await harness.signIn(authorization);
  expect(returned.href.startsWith(client.returnsTo)).toBe(true);
  expect(returned.searchParams.get('state')).toBe('a+b/c=&');
  const code = returned.searchParams.get('code') as string;
  const form = { grant_type: 'authorization_code', code, redirect_uri: client.returnsTo, code_verifier: verifier };
  const ask = (fields: Record<string, string>) =>
    send(harness.api.url, 'POST', '/oauth2/token', { form: { ...fields, client_id, resource: resource.resource } });
  const tokens = (await ask(form)).body;
  // What was granted is said, and it is no more than an application may ask a user for.
  expect(tokens.scope.split(' ')).toEqual(expect.arrayContaining([...OWN_SCOPES]));
  expect(tokens.scope).not.toMatch(/:/);

  const opened = await post(first, tokens.access_token);
  expect(messageIn(opened).result.protocolVersion, opened.text).toBe(client.revision);
  const listed = await post({ jsonrpc: '2.0', id: 1, method: 'tools/list', params: {} }, tokens.access_token);
  expect(listed.text).toContain('list_my_sessions');
  const again = (await ask({ grant_type: 'refresh_token', refresh_token: tokens.refresh_token })).body;
  const params = { name: 'list_my_sessions', arguments: {} };
  const called = await post({ jsonrpc: '2.0', id: 2, method: 'tools/call', params }, again.access_token);
  expect(messageIn(called).result.isError ?? false, called.text).toBe(false);
});

test('twenty clients that register the same body are twenty clients, and each signs its user in', async () => {
  const json = published.Cursor?.registers as object;
  const registered = await Promise.all(
    Array.from({ length: 20 }, () => send(harness.api.url, 'POST', '/oauth2/register', { json })),
  );
  expect(registered.filter(({ status }) => status !== 201).map(({ text }) => text)).toEqual([]);
  const ids = registered.map(({ body }) => body.client_id);
  expect(new Set(ids).size).toBe(20);
  const codes = await Promise.all(
    ids.map(async (client_id) => {
      const verifier = newVerifier();
      const query = new URLSearchParams({
        client_id: String(client_id),
        response_type: 'code',
        redirect_uri: 'http://localhost:8787/callback',
        code_challenge: challengeOf(verifier),
        code_challenge_method: 'S256',
        resource: harness.mcpUrl,
        scope: 'own.sessions',
      });
      const returned = await harness.signIn(new URL(`${harness.api.url}/oauth2/authorize?${query}`));
      const form = {
        grant_type: 'authorization_code',
        code: returned.searchParams.get('code') as string,
        redirect_uri: 'http://localhost:8787/callback',
        code_verifier: verifier,
        client_id: String(client_id),
      };
      return (await send(harness.api.url, 'POST', '/oauth2/token', { form })).body.access_token;
    }),
  );
  const lists = await Promise.all(
    codes.map((token) => post({ jsonrpc: '2.0', id: 1, method: 'tools/list', params: {} }, token)),
  );
  expect(lists.map(({ status }) => status)).toEqual(Array(20).fill(200));
});
