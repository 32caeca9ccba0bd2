import { describe, expect, test } from 'vitest';
import { AUDIENCE, goodClaims, NOW, tokenHarness } from '#tools/testing/harness/token.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import type { AccessDirectory, Client } from '../access/access-directory.ts';
import { type ExchangeTerms, exchangedClaims, subjectTokenOf } from './exchanged-claims.ts';

const harness = tokenHarness();
const NOTES = 'https://notes.test';
const notes = { name: 'notes' };
const ports = {
  ...harness.ports,
  access: {
    isScope: (name: string) => name !== 'groups',
    application: (audience: string) => (audience === NOTES ? notes : undefined),
  } as AccessDirectory,
  confirmState: async () => true,
  random: { bytes: Buffer.alloc, uuid: () => 'new-id' },
};
const OTHER = 'https://tasks.test/api';
const client = {
  clientId: 'service',
  scopes: ['openid', 'email', 'tasks:read'],
  audiences: ['*', OTHER],
  tokenEpoch: 7,
  origin: 'admin',
} as unknown as Client;
const nothing = { keys: {}, scope: undefined, resource: undefined, audience: undefined };

const exchanged = async (claims: Record<string, unknown> = {}, terms: Partial<ExchangeTerms> = {}, by = client) =>
  exchangedClaims(ports, by, await subjectTokenOf(ports, by, harness.token(claims)), { ...nothing, ...terms });
const actors = (depth: number): object => ({ sub: 'x', ...(depth > 1 ? { act: actors(depth - 1) } : {}) });

describe('tokens that a service may exchange (RFC 8693)', () => {
  test.each([
    ['for this installation', {}],
    ['for an audience registered for the service', { aud: OTHER }],
    ['that has passed through three services', { act: actors(3) }],
  ])('a service can exchange a token %s', async (_name, claims) => {
    expect((await subjectTokenOf(ports, client, harness.token(claims))).sub).toBe(goodClaims().sub);
  });

  test.each([
    ['for another audience, even if the client is registered for *', { aud: 'https://elsewhere.test' }],
    ['of a client', { fid: undefined, sub: 'sallyport' }],
    ['that has passed through four services', { act: actors(4) }],
    ['that has expired', { exp: NOW - 60 }],
    ['bound to a certificate', { cnf: { 'x5t#S256': 'x'.repeat(43) } }],
  ])(
    'a service cannot exchange any of these tokens: %s (CVE-2026-56668, ZITADEL: a client exchanged tokens that were not for it)',
    async (_name, claims) =>
      expect(await outcomeOf(subjectTokenOf(ports, client, harness.token(claims)))).toBe('subject_token_invalid'),
  );
});

describe('an agent', () => {
  const agentOf = (ownerId: string) => ({ ...client, agent: { ownerId, untilMs: 0 } }) as Client;

  test('exchanges tokens of its owner, and of no other user', async () => {
    const sub = goodClaims().sub as string;
    expect((await subjectTokenOf(ports, agentOf(sub), harness.token({}))).sub).toBe(sub);
    expect(await outcomeOf(subjectTokenOf(ports, agentOf('another'), harness.token({})))).toBe('subject_token_invalid');
  });
});

describe('an exchanged token', () => {
  test('an exchanged token names the acting client and its subject token, and has no longer lifetime and no more scope (CVE-2026-96460, Keycloak: repeated exchanges renewed a token for ever)', async () => {
    const made = await exchanged(
      { scope: 'openid tasks:read keys:manage', permissions: ['tasks:read', 'keys:manage'], exp: NOW + 30, bip: 'b' },
      { audience: OTHER },
    );
    expect(made).toMatchObject({
      aud: OTHER,
      client_id: 'service',
      scope: 'openid tasks:read',
      permissions: ['tasks:read'],
      exp: NOW + 30,
      jti: 'new-id',
      ce: 7,
      act: { sub: 'service' },
      origins: [{ jti: goodClaims().jti, client_id: 'sallyport', ce: 1 }],
    });
    for (const member of ['email', 'roles', 'bip', 'cnf']) expect(made).not.toHaveProperty(member);
  });

  test('names every service it has passed through, nearest first', async () => {
    const before = [{ jti: 'j', client_id: 'c', ce: 2 }];
    const made = await exchanged({ act: actors(1), origins: before, ce: undefined, scope: 'email' });
    expect(made.act).toEqual({ sub: 'service', act: { sub: 'x' } });
    expect(made.origins).toEqual([{ jti: goodClaims().jti, client_id: 'sallyport', ce: 0 }, ...before]);
    expect(made).toMatchObject({ email: 'person@people.test', email_verified: false, aud: AUDIENCE });
  });

  test('has the user’s roles with the scope profile, but never for an unvetted client', async () => {
    const wide = { ...client, scopes: ['profile'] };
    const subject = { scope: 'profile', roles: ['admin'] };
    expect(await exchanged(subject, {}, wide)).toMatchObject({ roles: ['admin'] });
    expect(await exchanged(subject, {}, { ...wide, origin: 'document' })).not.toHaveProperty('roles');
  });

  test('is bound to the key that its client proved', async () => {
    expect((await exchanged({}, { keys: { x5t: 'thumb' } })).cnf).toEqual({ 'x5t#S256': 'thumb' });
    expect((await exchanged({}, { keys: { jkt: 'key', x5t: 'thumb' } })).cnf).toEqual({ jkt: 'key' });
  });

  test.each([
    ['a scope that the subject token lacks', {}, { scope: 'openid tasks:read' }, 'scope_invalid'],
    ['a subject token with no scope of the client', { scope: 'keys:manage' }, {}, 'scope_invalid'],
    ['a subject token without scopes', { scope: undefined, permissions: undefined }, {}, 'scope_invalid'],
    ['a resource that is not a URI', {}, { resource: 'tasks' }, 'target_invalid'],
    ['resource and audience that differ', {}, { resource: OTHER, audience: AUDIENCE }, 'target_invalid'],
  ])('is not issued for %s', async (_name, claims, terms, code) => {
    expect(await outcomeOf(exchanged(claims, terms as Partial<ExchangeTerms>))).toBe(code);
  });

  test('carries rights of the installation to no application, and those of an application nowhere else', async () => {
    const by = { ...client, scopes: ['profile', 'tasks:read'], audiences: [OTHER, NOTES] };
    const rights = { scope: 'profile tasks:read', permissions: ['tasks:read'], roles: ['auditor'] };
    const carried = async (from: string, audience: string) => {
      const { permissions, roles } = await exchanged({ ...rights, aud: from }, { audience }, by);
      return [permissions, roles];
    };
    const all = [['tasks:read'], ['auditor']];
    expect(await carried(AUDIENCE, OTHER)).toEqual(all);
    expect(await carried(NOTES, NOTES)).toEqual(all);
    expect(await carried(AUDIENCE, NOTES)).toEqual([[], undefined]);
    expect(await carried(NOTES, AUDIENCE)).toEqual([[], undefined]);
  });

  test('has no permissions if the subject token has none', async () => {
    expect((await exchanged({ permissions: undefined })).permissions).toEqual([]);
    expect((await exchanged({}, { resource: OTHER, audience: OTHER })).aud).toBe(OTHER);
  });
});
