import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startOidcProvider, type TestProvider } from '../../../platform/testing/counterparts/oidc-provider.ts';
import { createTestDatabase, type TestDatabase, testRedisUrl } from '../../../platform/testing/stores.ts';
import { type IdentityWorld, startIdentityWorld } from '../../../platform/testing/worlds/identity-world.ts';
import type { Caller } from '../../ports.ts';
import { personCaller } from '../finish-login.ts';
import { spendLoginFailures } from '../guard/forgive-login.ts';
import { type CallbackAnswer, handleOAuthCallback } from './handle-oauth-callback.ts';
import { unlinkAccount } from './linked-accounts.ts';
import { createSocialProviders, type Profile } from './providers.ts';
import { type Recognised, recogniseUser } from './recognise-user.ts';
import { startSocialSignIn } from './start-social-sign-in.ts';

const OWN = 'http://api.sallyport.test';
let database: TestDatabase;
let world: IdentityWorld;
let oidc: TestProvider;
let ports: IdentityWorld['deps'];

beforeAll(async () => {
  oidc = await startOidcProvider([`${OWN}/api/auth/callback/company`]);
  database = await createTestDatabase();
  world = await startIdentityWorld({
    databaseUrl: database.url,
    redisUrl: testRedisUrl(),
    // A poll may wait for a busy machine.
    env: { REVOCATION_STALENESS_MS: '60000' },
  });
  const { issuer, clientId, clientSecret } = oidc;
  const company = { issuer, clientId, clientSecret, allowPrivateAddresses: true };
  ports = { ...world.deps, socialProviders: createSocialProviders({ company }, OWN) };
});
afterAll(async () => {
  await world?.close();
  await database?.drop();
  await oidc?.close();
});

const caller = { kind: 'anonymous', request: { ip: '', userAgent: '', traceId: '', traceparent: '' } } as const;
const rows = async (text: string, values: unknown[] = []) => (await world.pool.query(text, values)).rows;

async function somebody(): Promise<{ id: string; email: string }> {
  const id = randomUUID();
  const email = `${id}@people.test`;
  await rows('INSERT INTO users (id, email, "emailVerified") VALUES ($1, $2, now())', [id, email]);
  return { id, email };
}
const profileOf = (email: string): Profile => ({
  providerId: 'company',
  accountId: randomUUID(),
  email,
  isEmailVerified: true,
  name: 'Ada',
  tokens: {},
});
const recognise = (email: string): Promise<Recognised> =>
  ports.transact((tx) => recogniseUser(tx, ports, profileOf(email), caller));

/** `change` happens once the request waits for the user, whom it has found before: later than any look of its own. */
async function changedMeanwhile<T>(userId: string, change: string, request: () => Promise<T>): Promise<T> {
  const holder = await world.pool.connect();
  try {
    await holder.query('BEGIN');
    await holder.query('SELECT 1 FROM users WHERE id = $1 FOR NO KEY UPDATE', [userId]);
    const [{ pid }] = (await holder.query('SELECT pg_backend_pid() AS pid')).rows;
    const asked = request();
    asked.catch(() => {});
    const waiting = 'SELECT 1 FROM pg_stat_activity WHERE $1::int = ANY (pg_blocking_pids(pid))';
    await expect.poll(async () => (await rows(waiting, [pid])).length, { timeout: 60_000 }).toBe(1);
    await holder.query(change, [userId]);
    await holder.query('COMMIT');
    return await asked;
  } finally {
    await holder.query('ROLLBACK');
    holder.release();
  }
}

describe('an address that somebody here has proved', () => {
  test('is theirs', async () => {
    const { id, email } = await somebody();
    expect(await recognise(email)).toEqual({ userId: id, isNewUser: false });
  });

  test.each([
    ['deleted', 'DELETE FROM users WHERE id = $1'],
    ['disabled', 'UPDATE users SET "disabledAt" = now() WHERE id = $1'],
    ['given another address', `UPDATE users SET email = 'next-' || email WHERE id = $1`],
  ])('opens nothing where its account was %s while it was recognised', async (_what, change) => {
    const { id, email } = await somebody();
    await expect(changedMeanwhile(id, change, () => recognise(email))).rejects.toMatchObject({
      code: 'login_refused',
    });
    expect(await rows('SELECT 1 FROM accounts WHERE "userId" = $1', [id])).toEqual([]);
    expect(await rows('SELECT 1 FROM users WHERE email = $1 AND id <> $2', [email, id])).toEqual([]);
  });
});

describe('coming back', () => {
  const signIn = async (sub: string): Promise<CallbackAnswer> => {
    const begun = await startSocialSignIn(ports, { provider: 'company' }, caller);
    const back = await oidc.signIn(begun.url, { sub, email: `${sub}@people.test`, email_verified: true });
    const { state = '', code, iss: issuer } = Object.fromEntries(back.searchParams);
    const cookie = begun.setCookie[0]?.split(';', 1)[0];
    return handleOAuthCallback(ports, { provider: 'company', state, code, issuer, cookie }, caller);
  };

  test('to an account that was disabled since it was linked opens no session', async () => {
    const sub = randomUUID();
    const userId = (await signIn(sub)).result?.user.id as string;
    await rows('UPDATE users SET "disabledAt" = now() WHERE id = $1', [userId]);
    await expect(signIn(sub)).rejects.toMatchObject({ code: 'login_refused' });
    expect(await rows('SELECT 1 FROM sessions WHERE "userId" = $1', [userId])).toEqual([]);
  });

  test('to one that an incident had closed before it was disabled is refused as disabled, and leaves the refusal alone', async () => {
    const sub = randomUUID();
    const userId = (await signIn(sub)).result?.user.id as string;
    await ports.transact((tx) => spendLoginFailures(tx, ports, { userId, email: `${sub}@people.test` }));
    await expect(signIn(sub)).rejects.toMatchObject({ code: 'login_locked' });
    await rows('UPDATE users SET "disabledAt" = now() WHERE id = $1', [userId]);
    const events = () => rows(`SELECT outcome FROM audit_outbox WHERE type = 'user.login' ORDER BY id`);
    const before = await events();
    await expect(signIn(sub)).rejects.toMatchObject({ code: 'login_refused' });
    expect((await events()).slice(before.length)).toEqual([{ outcome: 'refused' }]);
  });

  test('from a provider that is not configured any more is 404, and no event of a sign-in that failed', async () => {
    const events = () => rows(`SELECT count(*)::int AS count FROM audit_outbox WHERE type = 'user.login'`);
    const before = await events();
    await expect(handleOAuthCallback(ports, { provider: 'gone', state: 's', code: 'c' }, caller)).rejects.toMatchObject(
      { code: 'social_provider_unknown' },
    );
    expect(await events()).toEqual(before);
  });
});

test('of two accounts at one provider the named one is unlinked, and no other', async () => {
  const { id, email } = await somebody();
  const [one, two] = [profileOf(email), profileOf(email)];
  for (const profile of [one, two]) await ports.transact((tx) => recogniseUser(tx, ports, profile, caller));
  const sessionId = randomUUID();
  await rows(`INSERT INTO sessions (id, "userId", "expiresAt", token) VALUES ($1, $2, now() + interval '1 hour', $1)`, [
    sessionId,
    id,
  ]);
  const unlink = (accountId: string) =>
    unlinkAccount(ports, { providerId: 'company', accountId }, { ...personCaller(id, caller), sessionId } as Caller);
  await expect(unlink(randomUUID())).rejects.toMatchObject({ code: 'linked_account_unknown' });
  expect(await unlink(two.accountId)).toEqual({ status: 'unlinked' });
  expect(await rows('SELECT "accountId" FROM accounts WHERE "userId" = $1', [id])).toEqual([
    { accountId: one.accountId },
  ]);
});
