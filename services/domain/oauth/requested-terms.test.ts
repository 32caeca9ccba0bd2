import { expect, test } from 'vitest';
import type { Client, HasAccess } from '../access/access-directory.ts';
import type { HasTokenSettings } from '../tokens/token-settings.ts';
import { requestedScopes } from './requested-terms.ts';

const MCP = 'https://mcp.example/mcp';
const SCOPES = ['openid', 'email', 'notes:read', 'own.sessions', 'own.signoffs', 'keys:manage'];
const settings = (mcpAudience: string | undefined) =>
  ({
    tokenSettings: { mcpAudience },
    access: { isScope: (name: string) => SCOPES.includes(name) },
  }) as unknown as HasTokenSettings & HasAccess;
const client = { scopes: ['openid', 'notes:read', 'own.sessions'] } as unknown as Client;

test('own scopes are granted for the MCP server, and left out for every other audience', () => {
  for (const scope of [undefined, 'openid notes:read own.sessions']) {
    expect(requestedScopes(settings(MCP), client, scope, MCP)).toEqual({
      scopes: ['openid', 'notes:read', 'own.sessions'],
    });
    for (const [mcp, audience] of [
      [MCP, 'https://api.example'],
      [MCP, null],
      [undefined, 'https://api.example'],
      [undefined, null],
    ] as const)
      expect(requestedScopes(settings(mcp), client, scope, audience)).toEqual({ scopes: ['openid', 'notes:read'] });
  }
});

const of = (scope: string | undefined, at: Partial<Client> = {}, audience: string | null = MCP) =>
  requestedScopes(settings(MCP), { ...client, ...at }, scope, audience);

test('a request that leaves no scope, or is malformed, is refused', () => {
  expect(of('own.sessions').scopes).toEqual(['own.sessions']);
  expect(of('own.sessions', {}, 'https://api.example').why).toContain('no scope');
  for (const malformed of ['', ' openid', 'openid  email', 'a"b']) expect(of(malformed).why).toContain('malformed');
  expect(of(undefined, { scopes: [] }).why).toContain('no scope');
  expect(of('openid openid').scopes).toEqual(['openid']);
});

test('a scope that is no scope here is ignored; a request of such scopes alone is refused with the nearest one', () => {
  expect(of('openid groups offline_access notes:read').scopes).toEqual(['openid', 'notes:read']);
  expect(of('groups').why).toBe('The client may not request the scope groups.');
  expect(of('note:read').why).toBe('The client may not request the scope note:read. Did you mean notes:read?');
});

test('a scope of this installation that the client lacks is refused by name, and left out if it registered itself', () => {
  expect(of('openid own.signoffs').why).toBe(
    'The client may not request the scope own.signoffs. Did you mean own.sessions?',
  );
  for (const origin of ['registration', 'document'] as unknown as Client['origin'][]) {
    expect(of('openid own.signoffs keys:manage groups', { origin }).scopes).toEqual(['openid']);
    expect(of('keys:manage', { origin }).why).toContain('keys:manage');
  }
});
