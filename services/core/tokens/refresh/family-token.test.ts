import { expect, test } from 'vitest';
import type { AccessDirectory } from '#services/core/access/access-directory.ts';
import type { Redis } from '#services/core/ports.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { goodClaims, tokenHarness } from '#tools/testing/harness/token.ts';
import type { MintedToken } from '../access-token.ts';
import { readTokenMetadata } from '../metadata/token-metadata.cache.ts';
import { familyTokenFacts, idleSecondsOf, rememberToken } from './family-token.ts';

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
  family_id: 'f',
  user_id: 'u',
  session_id: 's',
  audience: 'https://api.test',
  email: 'u@people.test',
  is_email_verified: false,
  roles: ['admin'],
  auth_time: 1_800_000_000,
  user_epoch: 0,
  client_epoch: 0,
};
const factsOf = (clientId: string, scope: string, changes: object = {}, from = access) =>
  familyTokenFacts(from, { ...family, client_id: clientId, scope, ...changes });
const permissions = (clientId: string, scope: string): readonly string[] => factsOf(clientId, scope).permissions ?? [];

test('the first-party client has every permission of the user, and fewer if it requests a smaller scope', () => {
  expect(permissions('sallyport', 'email openid')).toEqual(['keys:manage', 'tokens:read']);
  expect(permissions('sallyport', 'openid')).toEqual([]);
  expect(permissions('sallyport', 'openid tokens:read')).toEqual(['tokens:read']);
});

test('another client sees the address with the scope email and the roles with profile; the first-party client sees both', () => {
  const seen = (clientId: string, scope: string) => {
    const { user } = factsOf(clientId, scope);
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
  const rolesOf = (clientId: string) => factsOf(clientId, 'openid profile', { auth_time: 0 }).user?.roles;
  expect(['other', 'sallyport'].map(rolesOf)).toEqual([null, ['admin']]);
});

test('an unvetted client has the scope that the current settings allow and no permissions, whatever was granted', () => {
  expect(factsOf('stranger', 'openid tasks:read email').scope).toBe('openid email');
  expect(factsOf('stranger', 'tasks:read').scope).toBe('');
  expect(factsOf('stranger', 'openid tokens:read').permissions).toEqual([]);
  expect(factsOf('other', 'openid tasks:read').scope).toBe('openid tasks:read');
  const unknown = { ...access, client: () => undefined } as unknown as AccessDirectory;
  expect(factsOf('unknown', 'tokens:read', {}, unknown).permissions).toEqual([]);
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

test.each([
  { acr: 'aal2', refreshTokenSeconds: 604_800, twoFactorIdleSeconds: 3_600, rests: 3_600 },
  { acr: 'aal2', refreshTokenSeconds: 600, twoFactorIdleSeconds: 3_600, rests: 600 },
  { acr: 'aal2', refreshTokenSeconds: 604_800, twoFactorIdleSeconds: 0, rests: 604_800 },
  { acr: 'aal1', refreshTokenSeconds: 604_800, twoFactorIdleSeconds: 3_600, rests: 604_800 },
  { acr: null, refreshTokenSeconds: 604_800, twoFactorIdleSeconds: 3_600, rests: 604_800 },
])(
  'with acr $acr, refresh tokens of $refreshTokenSeconds s and a two-factor idle limit of $twoFactorIdleSeconds s, a family may be idle for $rests s',
  (row) => expect(idleSecondsOf(row, row.acr)).toBe(row.rests),
);
