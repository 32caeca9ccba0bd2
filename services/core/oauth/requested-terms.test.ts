import { describe, expect, test } from 'vitest';
import type { Client, HasAccess } from '../access/access-directory.ts';
import type { HasTokenSettings } from '../tokens/token-settings.ts';
import { requestedAudience, requestedScopes } from './requested-terms.ts';

const API = 'https://api.example';
const MCP = 'https://api.example/mcp';
const OLD = 'https://mcp.example/mcp';
const SCOPES = ['openid', 'email', 'notes:read', 'own.sessions', 'own.signoffs', 'keys:manage'];
const settings = (...mcpAudiences: string[]) =>
  ({
    tokenSettings: { audience: API, mcpAudiences },
    access: { isScope: (name: string) => SCOPES.includes(name) },
  }) as unknown as HasTokenSettings & HasAccess;
const client = {
  origin: 'admin',
  scopes: ['openid', 'notes:read', 'own.sessions'],
  audiences: [MCP, OLD],
} as unknown as Client;

test('own scopes are granted for both addresses of the MCP server, and left out for every other audience', () => {
  for (const scope of [undefined, 'openid notes:read own.sessions']) {
    for (const audience of [MCP, OLD])
      expect(requestedScopes(settings(MCP, OLD), client, scope, audience)).toEqual({
        scopes: ['openid', 'notes:read', 'own.sessions'],
      });
    for (const [mcp, audience] of [
      [[MCP, OLD], API],
      [[MCP, OLD], null],
      [[], API],
      [[], null],
    ] as const)
      expect(requestedScopes(settings(...mcp), client, scope, audience)).toEqual({ scopes: ['openid', 'notes:read'] });
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

describe('a request that names no resource', () => {
  const unvetted = { ...client, origin: 'registration' } as Client;
  const audienceOf = (by: Client, scope: string | undefined, ...mcp: string[]) =>
    requestedAudience(settings(...mcp), by, undefined, scope);

  test('is for the MCP server if a client that registered itself asks for own scopes, by name or by default', () => {
    expect(audienceOf(unvetted, 'openid own.sessions', MCP, OLD)).toBe(MCP);
    expect(audienceOf(unvetted, undefined, MCP, OLD)).toBe(MCP);
  });

  test('is for the API if it asks for none, if an administrator registered the client, and without an MCP server', () => {
    expect(audienceOf(unvetted, 'openid', MCP)).toBe(API);
    expect(audienceOf(client, 'openid own.sessions', MCP)).toBe(API);
    expect(audienceOf(unvetted, 'openid own.sessions')).toBe(API);
  });
});
