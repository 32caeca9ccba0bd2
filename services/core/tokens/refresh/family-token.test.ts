import { expect, test } from 'vitest';
import type { AccessDirectory } from '#services/core/access/access-directory.ts';
import type { Redis } from '#services/core/ports.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { goodClaims, tokenHarness } from '#tools/testing/harness/token.ts';
import type { MintedToken } from '../access-token.ts';
import { readTokenMetadata } from '../metadata/token-metadata.cache.ts';
import { familyTokenFacts, rememberToken } from './family-token.ts';

const access = {
  rolesAt: (roles: readonly string[]) => roles,
  application: () => undefined,
  permissionsOf: () => new Set(['keys:manage', 'tokens:read']),
  client: (clientId: string) => ({
    scopes: clientId === 'stranger' ? ['openid', 'email', 'profile', 'tokens:read'] : ['openid', 'email'],
    origin: clientId === 'stranger' ? 'registration' : 'admin',
  }),
} as unknown as AccessDirectory;

const family = {
  familyId: 'f',
  userId: 'u',
  sessionId: 's',
  audience: 'https://api.test',
  email: 'u@people.test',
  isEmailVerified: false,
  roles: ['admin'],
  authTime: 1_800_000_000,
  userEpoch: 0,
  clientEpoch: 0,
};
const permissions = (clientId: string, scope: string): readonly string[] =>
  familyTokenFacts(access, { ...family, clientId, scope } as Parameters<typeof familyTokenFacts>[1]).permissions ?? [];

test('the first-party client has every permission of the user, and fewer if it requests a smaller scope', () => {
  expect(permissions('sallyport', 'email openid')).toEqual(['keys:manage', 'tokens:read']);
  expect(permissions('sallyport', 'openid')).toEqual([]);
  expect(permissions('sallyport', 'openid tokens:read')).toEqual(['tokens:read']);
});

test('another client sees the address with the scope email and the roles with profile; the first-party client sees both', () => {
  const seen = (clientId: string, scope: string) => {
    const { user } = familyTokenFacts(access, { ...family, clientId, scope } as Parameters<typeof familyTokenFacts>[1]);
    return [user?.email, user?.roles];
  };
  expect(seen('other', 'openid')).toEqual([null, null]);
  expect(seen('other', 'openid email')).toEqual(['u@people.test', null]);
  expect(seen('other', 'openid profile emails')).toEqual([null, ['admin']]);
  expect(seen('sallyport', 'openid')).toEqual(['u@people.test', ['admin']]);
  // A client that registered itself never sees roles: they show an attacker which users have privileges.
  expect(seen('stranger', 'openid profile email')).toEqual(['u@people.test', null]);
});

test('a pair that another client issued without a sign-in names no roles, whatever its scope', () => {
  const rolesOf = (clientId: string) => {
    const issued = { ...family, clientId, scope: 'openid profile', authTime: 0 };
    return familyTokenFacts(access, issued as Parameters<typeof familyTokenFacts>[1]).user?.roles;
  };
  expect(['other', 'sallyport'].map(rolesOf)).toEqual([null, ['admin']]);
});

test('an unvetted client has the scope that the current settings allow and no permissions, whatever was granted', () => {
  const of = (clientId: string, scope: string) =>
    familyTokenFacts(access, { ...family, clientId, scope } as Parameters<typeof familyTokenFacts>[1]);
  expect(of('stranger', 'openid tasks:read email').scope).toBe('openid email');
  expect(of('stranger', 'tasks:read').scope).toBe('');
  expect(of('stranger', 'openid tokens:read').permissions).toEqual([]);
  expect(of('other', 'openid tasks:read').scope).toBe('openid tasks:read');
  const unknown = { ...access, client: () => undefined } as unknown as AccessDirectory;
  const facts = { ...family, clientId: 'unknown', scope: 'tokens:read' } as Parameters<typeof familyTokenFacts>[1];
  expect(familyTokenFacts(unknown, facts).permissions).toEqual([]);
});

test('another client has the user’s permissions that its scope names', () => {
  expect(permissions('other', 'openid email')).toEqual([]);
  expect(permissions('other', 'tokens:read tokens:issue')).toEqual(['tokens:read']);
});

test('metadata is stored for the remaining lifetime of a token, and not for an expired token of a repeated response', async () => {
  const { ports, token, at } = tokenHarness();
  const sent: { readonly ttlSeconds: number }[] = [];
  const redis = {
    setMany: async (entries: typeof sent) => void sent.push(...entries),
    getMany: async (keys: readonly string[]) => keys.map(() => null),
  } as unknown as Redis;
  const remember = async (afterSeconds: number): Promise<void> => {
    at(afterSeconds);
    const minted = { token: token(), claims: goodClaims(), expiresIn: 900 } as unknown as MintedToken;
    rememberToken({ ...ports, redis }, minted, testCaller);
    // Sends the waiting batch.
    await readTokenMetadata({ ...ports, redis }, []);
  };
  await remember(890);
  expect(sent.map(({ ttlSeconds }) => ttlSeconds)).toEqual([10]);
  await remember(900);
  await remember(1_800);
  expect(sent).toHaveLength(1);
});
