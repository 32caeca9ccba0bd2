import { beforeAll, describe, expect, test } from 'vitest';
import { send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';
import { OWN_SCOPES } from '../core/authority/own-scopes.ts';
import { openMcpHarness } from './mcp-harness.ts';
import { toolsOf } from './tools.ts';

const PAGE = 'https://inspector.example';
const harness = opened(() => openMcpHarness());
let origin: string;
beforeAll(async () => {
  ({ origin } = new URL(harness.mcpUrl));
});

const METADATA = '/.well-known/oauth-protected-resource/mcp';

test('the metadata and the challenge name the scopes of the tools that read an account, and no permission', async () => {
  const tools = await toolsOf({ leftOut: [] });
  const named = tools.flatMap(({ need }) => (need !== null && 'own' in need ? need.own : []));
  expect([...new Set(named)].sort()).toEqual([...OWN_SCOPES].sort());
  const bare = await harness.post({ jsonrpc: '2.0', id: 1, method: 'ping' });
  expect(bare.headers.get('www-authenticate')).toContain(`, scope="${OWN_SCOPES.join(' ')}"`);
  for (const [at, resource] of [
    [origin, harness.mcpUrl],
    [harness.api.url, `${harness.api.ports.publicUrl}/mcp`],
  ] as const)
    expect((await send(at, 'GET', METADATA)).body).toMatchObject({ resource, scopes_supported: OWN_SCOPES });
});

test('a token for either address of the server is accepted, and one for the API is not', async () => {
  const ping = { jsonrpc: '2.0', id: 1, method: 'ping' };
  const { publicUrl } = harness.api.ports;
  const statusFor = async (resource: string) =>
    (await harness.post(ping, { token: await harness.tokenOf(['keys:read'], resource) })).status;
  expect([await statusFor(harness.mcpUrl), await statusFor(`${publicUrl}/mcp`)]).toEqual([200, 200]);
  expect(await statusFor(publicUrl)).toBe(401);
});

describe('a client of a revision before 2025-06-18', () => {
  test('finds the authorization server at the origin of the MCP server, and at its path', async () => {
    const own = (await send(harness.api.url, 'GET', '/.well-known/oauth-authorization-server')).body;
    for (const path of ['', '/mcp'])
      expect((await send(origin, 'GET', `/.well-known/oauth-authorization-server${path}`)).body).toEqual(own);
    const openId = (await send(harness.api.url, 'GET', '/.well-known/openid-configuration')).body;
    for (const path of ['/.well-known/openid-configuration', '/mcp/.well-known/openid-configuration'])
      expect((await send(origin, 'GET', path)).body).toEqual(openId);
  });
});

describe('a page of another origin', () => {
  const preflight = (path: string, from: string, asked: string, headers: string) =>
    send(origin, 'OPTIONS', path, {
      headers: { origin: from, 'access-control-request-method': asked, 'access-control-request-headers': headers },
    });

  test('reads the public documents, also after a preflight', async () => {
    for (const path of [METADATA, '/.well-known/oauth-authorization-server', '/.well-known/openid-configuration']) {
      const read = await send(origin, 'GET', path, { headers: { origin: PAGE, 'mcp-protocol-version': '2025-11-25' } });
      expect([read.status, read.headers.get('access-control-allow-origin')]).toEqual([200, '*']);
      const asked = await preflight(path, PAGE, 'GET', 'mcp-protocol-version');
      expect([asked.status, asked.headers.get('access-control-allow-origin')]).toEqual([204, '*']);
      expect(asked.headers.get('access-control-allow-headers')).toContain('mcp-protocol-version');
    }
  });

  test('sends messages only if it is trusted, with every header of the protocol', async () => {
    const names = ['authorization', 'content-type', 'last-event-id', 'mcp-method', 'mcp-name'];
    const sent = [...names, 'mcp-protocol-version', 'mcp-session-id'].join(', ');
    const refused = await preflight('/mcp', PAGE, 'POST', sent);
    expect([refused.status, refused.headers.get('access-control-allow-origin')]).toEqual([403, null]);
    const allowed = await preflight('/mcp', harness.api.ports.publicUrl, 'POST', sent);
    expect(allowed.status).toBe(204);
    const allows = allowed.headers.get('access-control-allow-headers')?.split(', ') ?? [];
    expect(sent.split(', ').filter((name) => !allows.includes(name))).toEqual([]);
  });
});
