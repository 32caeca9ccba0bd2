import { expect, test } from 'vitest';
import type { Ports } from '#services/core/ports.ts';
import { refreshToken } from '#services/core/tokens/refresh/refresh-token.ts';
import { newPassword } from '#tools/testing/flows/flows.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { opened } from '#tools/testing/opened.ts';
import { anonymous, openFactorsHarness } from '../factors/factors-harness.ts';
import { LOAD_USER_DOMAIN, type LoadUser, seedLoadUsers } from './seed-load-users.ts';

const harness = opened(openFactorsHarness);

const password = newPassword();
/** More than one transaction's worth. */
const COUNT = 1_001;

/** Seeds, counting the hashes that it computes. */
async function seed(count: number, given = password): Promise<{ users: LoadUser[]; hashes: number }> {
  let hashes = 0;
  const { hasher } = harness.deps;
  const counting: Ports['hasher'] = {
    ...hasher,
    hash: (...args) => {
      hashes += 1;
      return hasher.hash(...args);
    },
  };
  const users = await seedLoadUsers({ ...harness.deps, hasher: counting }, { count, password: given }, testCaller);
  return { users, hashes };
}

const presentedBy = { clientId: null, isAuthenticated: false };
const refresh = (user: LoadUser) =>
  refreshToken(harness.deps, { refreshToken: user.refreshToken, presentedBy }, anonymous);

test('seeds more users than one transaction takes, with one digest, a session and a family each, every row audited', async () => {
  const { users, hashes } = await seed(COUNT);
  expect(hashes).toBe(1);
  expect(new Set(users.map(({ userId }) => userId)).size).toBe(COUNT);
  expect(users.every(({ email }) => email.endsWith(`@${LOAD_USER_DOMAIN}`))).toBe(true);
  const [stored] = await harness.rows`
    SELECT count(*)::int AS accounts, count(DISTINCT a.password)::int AS digests, min(a.password) AS digest
    FROM users u JOIN accounts a ON a."userId" = u.id
      WHERE u.email LIKE ${`%@${LOAD_USER_DOMAIN}`} AND u.name = 'Load test user'`;
  expect(stored).toMatchObject({ accounts: COUNT, digests: 1 });
  expect(await harness.deps.hasher.verify(password, stored.digest, { clientPrefix: 'test', knownDevice: true })).toBe(
    true,
  );
  const events = await harness.rows`SELECT type, count(DISTINCT target_id)::int AS targets FROM audit_outbox
    WHERE actor_kind = ${testCaller.kind} AND type IN ('user.created', 'session.created', 'token.family_created')
      GROUP BY type ORDER BY type`;
  expect(events).toEqual([
    { type: 'session.created', targets: COUNT },
    { type: 'token.family_created', targets: COUNT },
    { type: 'user.created', targets: COUNT },
  ]);
});

test('each seeded refresh token gives a pair for its own user and session, once', async () => {
  const { users } = await seed(3);
  for (const user of users) {
    const pair = await refresh(user);
    const claims = JSON.parse(Buffer.from(pair.access_token.split('.')[1]!, 'base64url').toString());
    expect(claims).toMatchObject({ sub: user.userId, sid: user.sessionId, amr: ['pwd'] });
    expect(pair.refresh_token).not.toBe(user.refreshToken);
  }
  const [one, other] = users;
  expect(one!.refreshToken).not.toBe(other!.refreshToken);
});

test('seeding again keeps users and password, computes no hash, and leaves the earlier sessions alive', async () => {
  const first = (await seed(3)).users;
  const { users: second, hashes } = await seed(3);
  expect([hashes, second.map(({ userId }) => userId)]).toEqual([0, first.map(({ userId }) => userId)]);
  expect(new Set([...first, ...second].map(({ sessionId }) => sessionId)).size).toBe(6);
  await expect(refresh(first[0]!)).resolves.toHaveProperty('access_token');
  await expect(refresh(second[0]!)).resolves.toHaveProperty('access_token');
});

test('a disabled user gets no refresh token', async () => {
  const { users } = await seed(3);
  await harness.rows`UPDATE users SET "disabledAt" = now() WHERE id = ${users[1]!.userId}`;
  expect((await seed(3)).users.map(({ userId }) => userId)).toEqual([users[0]!.userId, users[2]!.userId]);
});
