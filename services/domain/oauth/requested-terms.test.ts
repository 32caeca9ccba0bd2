import { expect, test } from 'vitest';
import type { Client } from '../access/access-directory.ts';
import type { HasTokenSettings } from '../tokens/token-settings.ts';
import { requestedScopes } from './requested-terms.ts';

const MCP = 'https://mcp.example/mcp';
const settings = (mcpAudience: string | undefined) => ({ tokenSettings: { mcpAudience } }) as HasTokenSettings;
const client = { scopes: ['openid', 'notes:read', 'own.sessions'] } as unknown as Client;

test('own scopes are granted for the MCP server, and left out for every other audience', () => {
  for (const scope of [undefined, 'openid notes:read own.sessions']) {
    expect(requestedScopes(settings(MCP), client, scope, MCP)).toEqual(['openid', 'notes:read', 'own.sessions']);
    for (const [mcp, audience] of [
      [MCP, 'https://api.example'],
      [MCP, null],
      [undefined, 'https://api.example'],
      [undefined, null],
    ] as const)
      expect(requestedScopes(settings(mcp), client, scope, audience)).toEqual(['openid', 'notes:read']);
  }
});

test('a request that leaves no scope, names one that is not registered, or is malformed, is refused', () => {
  const of = (scope: string | undefined, audience: string | null = MCP, at = client) =>
    requestedScopes(settings(MCP), at, scope, audience);
  expect(of('own.sessions')).toEqual(['own.sessions']);
  expect(of('own.sessions', 'https://api.example')).toBeNull();
  expect(of('openid own.signoffs')).toBeNull();
  for (const malformed of ['', ' openid', 'openid  email', 'a"b']) expect(of(malformed)).toBeNull();
  expect(of(undefined, MCP, { scopes: [] } as unknown as Client)).toBeNull();
  expect(of('openid openid')).toEqual(['openid']);
});
