import { expect, test } from 'vitest';
import { clientSecretHash } from '#services/core/access/access-directory.ts';
import { newEmail } from '#tools/testing/flows/flows.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { opened } from '#tools/testing/opened.ts';
import { openFactorsHarness } from '../factors/factors-harness.ts';
import { type SeedClient, type SeedUser, seedDemo } from './seed-demo.ts';

const harness = opened(openFactorsHarness);

const admission = { clientPrefix: 'test', knownDevice: true };
const client: SeedClient = {
  clientId: 'demo',
  clientSecret: 'demo secret',
  name: 'Demo',
  grant_types: ['client_credentials'],
  redirect_uris: ['https://app.example.test/back'],
  scopes: ['openid'],
  credential_scopes: ['tokens:read'],
  audiences: ['https://api.example.test'],
};
const seedUser = (changes: Partial<SeedUser> = {}): SeedUser => ({
  email: newEmail(),
  name: 'Ada',
  password: harness.password,
  roles: [],
  ...changes,
});
const seed = (users: readonly SeedUser[], given = client) =>
  seedDemo(harness.deps, { users, client: given }, testCaller);
const personOf = async (email: string) =>
  (
    await harness.rows`SELECT u.id, u.name, u."emailVerified" IS NOT NULL AS proven, a.password,
        ARRAY(SELECT role FROM user_roles WHERE user_id = u.id ORDER BY role) AS roles
      FROM users u JOIN accounts a ON a."userId" = u.id WHERE u.email = ${email}`
  )[0];
const clientOf = async () =>
  (await harness.rows`SELECT secret_hash, scopes, "updatedAt" FROM oauth_clients WHERE "clientId" = 'demo'`)[0];

test('creates users and client: verified addresses, working passwords, roles, and the secret as a hash', async () => {
  const [person, admin] = [seedUser(), seedUser({ name: 'Grace', roles: ['admin'] })];
  await seed([person, admin]);
  const made = await personOf(person.email);
  expect(made).toMatchObject({ name: 'Ada', proven: true });
  expect(await harness.deps.hasher.verify(harness.password, made.password, admission)).toBe(true);
  expect((await personOf(admin.email)).roles).toEqual(expect.arrayContaining(['admin']));
  expect(made.roles).not.toContain('admin');
  expect(await clientOf()).toMatchObject({ secret_hash: clientSecretHash('demo secret'), scopes: ['openid'] });
});

test('running again changes no digest and writes no event', async () => {
  const person = seedUser({ roles: ['auditor'] });
  await seed([person]);
  const before = [await personOf(person.email), await clientOf()];
  const events = () => harness.rows`SELECT count(*)::int AS count FROM audit_outbox`;
  const written = await events();
  await seed([person]);
  expect([await personOf(person.email), await clientOf()]).toEqual(before);
  expect(await events()).toEqual(written);
});

test('resets changed users and clients to the scenario', async () => {
  const person = seedUser();
  await seed([person]);
  const before = await personOf(person.email);
  await harness.rows`UPDATE accounts SET password = NULL WHERE "userId" = ${before.id}`;
  await seed([{ ...person, name: 'Grace', roles: ['auditor'] }], { ...client, clientSecret: 'another secret' });
  const after = await personOf(person.email);
  expect(after).toMatchObject({ id: before.id, name: 'Grace' });
  expect(after.roles).toContain('auditor');
  expect(await harness.deps.hasher.verify(harness.password, after.password, admission)).toBe(true);
  expect((await clientOf()).secret_hash).toBe(clientSecretHash('another secret'));
});

test('after the password in the scenario changed, it opens the account', async () => {
  const person = seedUser();
  await seed([person]);
  await seed([{ ...person, password: 'quite another password' }]);
  const { password: digest } = await personOf(person.email);
  expect(await harness.deps.hasher.verify('quite another password', digest, admission)).toBe(true);
});

test('two concurrent starts create each user and client once', async () => {
  const person = seedUser({ roles: ['auditor'] });
  const given = { ...client, clientId: 'demo-twice' };
  await Promise.all([seed([person], given), seed([person], given)]);
  expect(await harness.rows`SELECT 1 FROM users WHERE email = ${person.email}`).toHaveLength(1);
  expect(await harness.rows`SELECT 1 FROM oauth_clients WHERE "clientId" = 'demo-twice'`).toHaveLength(1);
});
