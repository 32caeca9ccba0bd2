import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { Caller } from '#services/core/ports.ts';
import { startOidcProvider } from '#tools/testing/fakes/oidc-provider.ts';
import { insertPerson, openSessionFor } from '#tools/testing/flows/signed-in.ts';
import { openPeopleHarness, type PeopleHarness } from '#tools/testing/harness/people.ts';
import { made, opened } from '#tools/testing/opened.ts';
import { userHeld, whileItWaits } from '#tools/testing/overtaken.ts';
import { issueCode } from '../mail/one-time-codes.ts';
import { userCaller } from '../sign-in/finish-sign-in.ts';
import { accountKeyOf } from '../sign-in/sign-in-counters.ts';
import { disablePasswordSignIn } from '../sign-in/sign-in-guard.ts';
import { type CallbackAnswer, handleOAuthCallback } from './handle-oauth-callback.ts';
import { listLinkedAccounts, unlinkAccount } from './linked-accounts.ts';
import type { Profile } from './profile.ts';
import { createSocialProviders } from './providers.ts';
import { type Recognised, recogniseUser } from './recognise-user.ts';
import { startSocialSignIn } from './start-social-sign-in.ts';

const OWN = 'http://api.sallyport.test';

const oidc = opened(() => startOidcProvider([`${OWN}/api/auth/callback/company`]));
const harness = opened(openPeopleHarness);
const ports = made(() => {
  const { issuer, clientId, clientSecret } = oidc;
  const company = { issuer, clientId, clientSecret, allowPrivateAddresses: true };
  return { ...harness.deps, socialProviders: createSocialProviders({ company }, OWN) };
});

const caller = { kind: 'anonymous', request: { ip: '', userAgent: '', traceId: '', traceparent: '' } } as const;
const rows: PeopleHarness['rows'] = (...asked) => harness.rows(...asked);

const waitingMails = async (): Promise<string[]> =>
  (await rows`SELECT template FROM mail_outbox ORDER BY created_at, id`).map(({ template }) => template);

async function newUser(): Promise<{ id: string; email: string }> {
  const id = randomUUID();
  const email = `${id}@people.test`;
  await rows`INSERT INTO users (id, email, "emailVerified") VALUES (${id}, ${email}, now())`;
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

/** `change` runs while the request waits for the user it has already found, after all its earlier reads. */
const meanwhile = <T>(id: string, change: string, request: () => Promise<T>): Promise<T> =>
  whileItWaits(harness.pool, [userHeld(id)], request, (holder) => holder.query(change, [id]));

describe('an address verified here', () => {
  test('finds its user in any case, keeps the other sign-in methods, and a mail notifies the user of the new one', async () => {
    const { id, email } = await newUser();
    await rows`INSERT INTO accounts (id, "accountId", "providerId", "userId", password)
      VALUES (${id}, ${id}, 'credential', ${id}, 'x')`;
    const { sessionId } = await openSessionFor({ ports }, id);
    const before = await waitingMails();
    expect(await recognise(email.toUpperCase())).toEqual({ userId: id, isNewUser: false });
    expect(await rows`SELECT "providerId" FROM accounts WHERE "userId" = ${id} ORDER BY 1`).toEqual([
      { providerId: 'company' },
      { providerId: 'credential' },
    ]);
    expect(await rows`SELECT id FROM sessions WHERE "userId" = ${id}`).toEqual([{ id: sessionId }]);
    expect((await waitingMails()).slice(before.length)).toEqual(['account_linked']);
  });

  test.each([
    ['a letter whose lower case is ASCII', 'mar\u212a', 'people.test'],
    ['such a letter in its domain', 'mark', 'people.\u212ark.test'],
    ['a letter of full width', '\uff4dark', 'people.test'],
    ['a dotless i', 'm\u0131lk', 'people.test'],
  ])('never matches a provider’s account with %s', async (_what, name, domain) => {
    const [tag, id] = [randomUUID(), randomUUID()];
    const given = `${name}-${tag}@${domain}`;
    const email = given.normalize('NFKC').replace('\u0131', 'i').toLowerCase();
    expect(email).toMatch(/^[!-~]+$/);
    await rows`INSERT INTO users (id, email, "emailVerified") VALUES (${id}, ${email}, now())`;
    await expect(recognise(given)).rejects.toMatchObject({ code: 'social_email_unproven' });
    expect(await rows`SELECT 1 FROM accounts WHERE "userId" = ${id}`).toEqual([]);
    expect(await rows`SELECT id FROM users WHERE email LIKE ${`%${tag}%`}`).toEqual([{ id }]);
  });

  test.each([
    ['deleted', 'DELETE FROM users WHERE id = $1'],
    ['disabled', 'UPDATE users SET "disabledAt" = now() WHERE id = $1'],
    ['given another address', `UPDATE users SET email = 'next-' || email WHERE id = $1`],
  ])('opens no session if its account was %s in the meantime', async (_what, change) => {
    const { id, email } = await newUser();
    await expect(meanwhile(id, change, () => recognise(email))).rejects.toMatchObject({ code: 'login_refused' });
    expect(await rows`SELECT 1 FROM accounts WHERE "userId" = ${id}`).toEqual([]);
    expect(await rows`SELECT 1 FROM users WHERE email = ${email} AND id <> ${id}`).toEqual([]);
  });
});

test('an internationalised domain is one address in both of its forms', async () => {
  const [tag, id] = [randomUUID(), randomUUID()];
  const email = `ana-${tag}@xn--mnchen-3ya.example`;
  await rows`INSERT INTO users (id, email, "emailVerified") VALUES (${id}, ${email}, now())`;
  expect((await recognise(`Ana-${tag}@München.example`)).userId).toBe(id);
  expect(await rows`SELECT id FROM users WHERE email LIKE ${`%${tag}%`}`).toEqual([{ id }]);
});

test('no statement stores a non-ASCII address', async () => {
  const write = (email: string) => rows`INSERT INTO users (id, email) VALUES (${randomUUID()}, ${email})`;
  await expect(write(`mar\u212a-${randomUUID()}@people.test`)).rejects.toMatchObject({
    constraint: 'users_email_ascii',
  });
  await expect(write(`mark-${randomUUID()}@people.test`)).resolves.toEqual([]);
});

describe('an address not verified here', () => {
  test('an address verified by a provider removes password, other sign-in methods, factors, roles, codes and sessions of the account that registered it first (CVE-2026-53516, Better Auth: a provider’s account was linked to an account that an attacker had registered before)', async () => {
    const id = randomUUID();
    const email = `${id}@people.test`;
    const userId = await insertPerson({ stores: { pools: { main: harness.pool } } }, email, 'x');
    await rows`INSERT INTO accounts (id, "accountId", "providerId", "userId")
      VALUES (${id}, ${id}, 'other', ${userId})`;
    await rows`INSERT INTO user_roles (user_id, role) VALUES (${userId}, 'compliance')`;
    await rows`INSERT INTO invitations (id, user_id) VALUES (${randomUUID()}, ${userId})`;
    await ports.transact((tx) =>
      issueCode(tx, ports, { id, purpose: 'reset_password', userId, userEpoch: 0, email, lifeSeconds: 600 }),
    );
    await openSessionFor({ ports }, userId);
    await rows`INSERT INTO two_factors (id, "userId", secret, "backupCodes", verified)
      VALUES (${id}, ${userId}, 'x', '[]', true)`;

    expect(await recognise(email)).toEqual({ userId, isNewUser: false });

    expect(await rows`SELECT "providerId" FROM accounts WHERE "userId" = ${userId}`).toEqual([
      { providerId: 'company' },
    ]);
    for (const left of [
      'SELECT 1 FROM sessions WHERE "userId" = $1',
      'SELECT 1 FROM refresh_families WHERE user_id = $1 AND revoked_at IS NULL',
      'SELECT 1 FROM two_factors WHERE "userId" = $1',
      'SELECT 1 FROM invitations WHERE user_id = $1',
      'SELECT 1 FROM one_time_codes WHERE user_id = $1',
    ])
      expect(await rows(left, [userId]), left).toEqual([]);
    expect(await rows`SELECT roles, "emailVerified" IS NOT NULL AS proved FROM users WHERE id = ${userId}`).toEqual([
      { roles: ['user'], proved: true },
    ]);
    const events =
      await rows`SELECT outcome FROM audit_outbox WHERE type = 'user.email_verified' AND target_id = ${userId}`;
    expect(events).toEqual([{ outcome: 'ok' }]);
  });

  test('creates an account, and clears failures counted for the address before', async () => {
    const email = `${randomUUID()}@people.test`;
    const counter = accountKeyOf(ports, email);
    await rows`INSERT INTO login_failures (key, failures) VALUES (${counter}, 100)`;
    const { userId, isNewUser } = await recognise(email);
    expect(isNewUser).toBe(true);
    expect(await rows`SELECT email, name FROM users WHERE id = ${userId}`).toEqual([{ email, name: 'Ada' }]);
    expect(await rows`SELECT 1 FROM login_failures WHERE key = ${counter}`).toEqual([]);
  });

  test.each([
    ['is missing', { email: null }],
    ['is not verified by the provider either', { isEmailVerified: false }],
    ['is not an address', { email: 'ada at people.test' }],
  ])(
    'no user is found or created by an address that its provider has not verified: it %s (CVE-2026-55216, Logto: addresses that a provider had not verified were linked)',
    async (_what, changes) => {
      const profile = { ...profileOf(`${randomUUID()}@people.test`), ...changes };
      await expect(ports.transact((tx) => recogniseUser(tx, ports, profile, caller))).rejects.toMatchObject({
        code: 'social_email_unproven',
      });
      expect(await rows`SELECT 1 FROM accounts WHERE "accountId" = ${profile.accountId}`).toEqual([]);
      expect(await rows`SELECT 1 FROM users WHERE email = ${profile.email}`).toEqual([]);
    },
  );
});

describe('a linked account', () => {
  test('is found by the provider’s account id even after its address changed; its tokens are replaced and sealed', async () => {
    const profile = {
      ...profileOf(`${randomUUID()}@people.test`),
      tokens: { accessToken: 'first', scopes: ['a', 'b'] },
    };
    const first = await ports.transact((tx) => recogniseUser(tx, ports, profile, caller));
    const [before] = await rows`SELECT * FROM accounts WHERE "userId" = ${first.userId}`;
    const moved = { ...profile, email: null, isEmailVerified: false, tokens: { accessToken: 'second' } };
    expect(await ports.transact((tx) => recogniseUser(tx, ports, moved, caller))).toEqual({
      userId: first.userId,
      isNewUser: false,
    });
    const [after] = await rows`SELECT * FROM accounts WHERE "userId" = ${first.userId}`;
    expect(after.id).toBe(before.id);
    expect(after.accessToken).not.toBe(before.accessToken);
    expect(JSON.stringify([before, after])).not.toMatch(/first|second/);
  });

  test('that was unlinked in the meantime opens no session and is not linked again: social_sign_in_refused', async () => {
    const profile = profileOf(`${randomUUID()}@people.test`);
    const { userId } = await ports.transact((tx) => recogniseUser(tx, ports, profile, caller));
    const again = () => ports.transact((tx) => recogniseUser(tx, ports, profile, caller));
    const takeAway = 'DELETE FROM accounts WHERE "userId" = $1';
    await expect(meanwhile(userId, takeAway, again)).rejects.toMatchObject({ code: 'social_sign_in_refused' });
    expect(await rows`SELECT 1 FROM accounts WHERE "userId" = ${userId}`).toEqual([]);
  });
});

describe('callbacks', () => {
  const signIn = async (sub: string): Promise<CallbackAnswer> => {
    const begun = await startSocialSignIn(ports, { provider: 'company' }, caller);
    const back = await oidc.signIn(begun.url, { sub, email: `${sub}@people.test`, email_verified: true });
    const { state = '', code, iss: issuer } = Object.fromEntries(back.searchParams);
    const cookie = begun.setCookie[0]?.split(';', 1)[0];
    return handleOAuthCallback(ports, { provider: 'company', state, code, issuer, cookie }, caller);
  };

  test('for an account disabled since it was linked opens no session (CVE-2025-53942, authentik: a deactivated user signed in by a linked provider)', async () => {
    const sub = randomUUID();
    const userId = (await signIn(sub)).result?.user.id as string;
    await rows`UPDATE users SET "disabledAt" = now() WHERE id = ${userId}`;
    await expect(signIn(sub)).rejects.toMatchObject({ code: 'login_refused' });
    expect(await rows`SELECT 1 FROM sessions WHERE "userId" = ${userId}`).toEqual([]);
  });

  test('for an account locked by an incident and then disabled is refused as disabled, and records only the refusal', async () => {
    const sub = randomUUID();
    const userId = (await signIn(sub)).result?.user.id as string;
    await ports.transact((tx) => disablePasswordSignIn(tx, ports, { userId, email: `${sub}@people.test` }));
    await expect(signIn(sub)).rejects.toMatchObject({ code: 'login_locked' });
    await rows`UPDATE users SET "disabledAt" = now() WHERE id = ${userId}`;
    const events = () => rows`SELECT outcome FROM audit_outbox WHERE type = 'user.login' ORDER BY id`;
    const before = await events();
    await expect(signIn(sub)).rejects.toMatchObject({ code: 'login_refused' });
    expect((await events()).slice(before.length)).toEqual([{ outcome: 'refused' }]);
  });

  test('a callback from a provider that is no longer configured is 404, without an event of a failed sign-in (CVE-2026-3009, Keycloak: a sign-in went on at a provider that was disabled)', async () => {
    const events = () => rows`SELECT count(*)::int AS count FROM audit_outbox WHERE type = 'user.login'`;
    const before = await events();
    await expect(handleOAuthCallback(ports, { provider: 'gone', state: 's', code: 'c' }, caller)).rejects.toMatchObject(
      { code: 'social_provider_unknown' },
    );
    expect(await events()).toEqual(before);
  });
});

test('unlinking one of two accounts at a provider removes only that account', async () => {
  const { id, email } = await newUser();
  const [one, two] = [profileOf(email), profileOf(email)];
  for (const profile of [one, two]) await ports.transact((tx) => recogniseUser(tx, ports, profile, caller));
  const sessionId = randomUUID();
  await rows`INSERT INTO sessions (id, "userId", "expiresAt", token)
    VALUES (${sessionId}, ${id}, now() + interval '1 hour', ${sessionId})`;
  const unlink = (accountId: string) =>
    unlinkAccount(ports, { providerId: 'company', accountId }, { ...userCaller(id, caller), sessionId } as Caller);
  await expect(unlink(randomUUID())).rejects.toMatchObject({ code: 'linked_account_unknown' });
  expect(await unlink(two.accountId)).toEqual({ status: 'unlinked' });
  expect(await rows`SELECT "accountId" FROM accounts WHERE "userId" = ${id}`).toEqual([{ accountId: one.accountId }]);
});

const request = { ip: '', userAgent: '', traceId: '', traceparent: '' };
/** A user with a session and these sign-in methods, each account named after its provider; all with `scope`. */
async function personWith(providers: readonly string[], scope: string | null = null) {
  const [id, sessionId] = [randomUUID(), randomUUID()];
  await rows`INSERT INTO users (id, email, "emailVerified") VALUES (${id}, ${`${id}@people.test`}, now())`;
  for (const [at, provider] of providers.entries()) {
    const account = randomUUID();
    await rows`INSERT INTO accounts (id, "userId", "providerId", "accountId", scope)
      VALUES (${account}, ${id}, ${provider}, ${`${provider} ${id}`}, ${scope})`;
    await rows`UPDATE accounts SET "createdAt" = now() + make_interval(secs => ${at}) WHERE id = ${account}`;
  }
  await rows`INSERT INTO sessions (id, "userId", "expiresAt", token)
    VALUES (${sessionId}, ${id}, now() + interval '1 hour', ${sessionId})`;
  return { ...userCaller(id, { request }), sessionId } as Caller & { kind: 'user' };
}
const waysOf = async ({ userId }: { userId: string }): Promise<string[]> =>
  (await rows`SELECT "providerId" AS way FROM accounts WHERE "userId" = ${userId} ORDER BY way`).map(({ way }) => way);
const unlink = (caller: Caller, providerId: string) => unlinkAccount(harness.deps, { providerId }, caller);

test('users see their own sign-in methods, oldest first, with the scopes from the provider, and no token', async () => {
  const owner = await personWith(['credential', 'company'], 'openid,email  profile');
  await personWith(['company']);
  const { accounts } = await listLinkedAccounts(harness.deps, {}, owner);
  expect(accounts).toEqual(
    ['credential', 'company'].map((providerId) => ({
      id: expect.any(String),
      providerId,
      accountId: `${providerId} ${owner.userId}`,
      userId: owner.userId,
      scopes: ['openid', 'email', 'profile'],
      createdAt: expect.stringMatching(/^\d{4}-.*Z$/),
      updatedAt: expect.stringMatching(/^\d{4}-.*Z$/),
    })),
  );
  const [plain] = (await listLinkedAccounts(harness.deps, {}, await personWith(['company']))).accounts;
  expect(plain?.scopes).toEqual([]);
});

test('only the user sees or removes their sign-in methods', async () => {
  const owner = await personWith(['credential', 'company']);
  const others: [Caller, string][] = [
    [{ kind: 'anonymous', request }, 'unauthenticated'],
    [{ ...owner, clientId: 'another' }, 'permission_missing'],
    [{ ...owner, by: 'api_key' }, 'api_key_not_accepted'],
  ];
  for (const [caller, code] of others) {
    await expect(listLinkedAccounts(harness.deps, {}, caller)).rejects.toMatchObject({ code });
    await expect(unlink(caller, 'company')).rejects.toMatchObject({ code });
  }
  expect(await waysOf(owner)).toEqual(['company', 'credential']);
});

test('removing a sign-in method writes an event and mails the owner, whose session stays', async () => {
  const owner = await personWith(['credential', 'company']);
  const mails = () => rows`SELECT count(*)::int AS mails FROM mail_outbox WHERE template = 'account_unlinked'`;
  const [{ mails: before }] = await mails();
  expect(await unlink(owner, 'company')).toEqual({ status: 'unlinked' });
  expect(await waysOf(owner)).toEqual(['credential']);
  expect(await mails()).toEqual([{ mails: before + 1 }]);
  expect(await rows`SELECT id FROM sessions WHERE "userId" = ${owner.userId}`).toEqual([{ id: owner.sessionId }]);
  const events = `SELECT actor_id, detail->>'provider' AS provider FROM audit_outbox
    WHERE type = 'account.unlinked' AND target_id = $1`;
  expect(await rows(events, [owner.userId])).toEqual([{ actor_id: owner.userId, provider: 'company' }]);
});

test('a password, an account that is not linked, and another user’s account cannot be unlinked: linked_account_unknown', async () => {
  const owner = await personWith(['credential', 'company']);
  const other = await personWith(['company', 'other']);
  for (const providerId of ['credential', 'other'])
    await expect(unlink(owner, providerId)).rejects.toMatchObject({ code: 'linked_account_unknown' });
  const accountId = `company ${other.userId}`;
  await expect(unlinkAccount(harness.deps, { providerId: 'company', accountId }, owner)).rejects.toMatchObject({
    code: 'linked_account_unknown',
  });
  expect([await waysOf(owner), await waysOf(other)]).toEqual([
    ['company', 'credential'],
    ['company', 'other'],
  ]);
});

test('the last sign-in method cannot be removed: last_way_in; a passkey is another sign-in method', async () => {
  const owner = await personWith(['company']);
  await expect(unlink(owner, 'company')).rejects.toMatchObject({ code: 'last_way_in' });
  expect(await waysOf(owner)).toEqual(['company']);
  await rows(
    `INSERT INTO passkeys (id, "userId", "publicKey", "credentialID", counter, "deviceType", "backedUp")
     VALUES ($1, $2, 'x', $1, 0, 'singleDevice', false)`,
    [randomUUID(), owner.userId],
  );
  // The first passkey has ended the session.
  const sessionId = randomUUID();
  await rows`INSERT INTO sessions (id, "userId", "expiresAt", token, acr)
    VALUES (${sessionId}, ${owner.userId}, now() + interval '1 hour', ${sessionId}, 'aal2')`;
  expect(await unlink({ ...owner, sessionId }, 'company')).toEqual({ status: 'unlinked' });
  expect(await waysOf(owner)).toEqual([]);
});

test('of two concurrent requests that remove the last two sign-in methods, one is refused', async () => {
  const owner = await personWith(['company', 'other']);
  const taken = await Promise.allSettled(['company', 'other'].map((way) => unlink(owner, way)));
  expect(taken.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  expect(taken.find(({ status }) => status === 'rejected')).toMatchObject({ reason: { code: 'last_way_in' } });
  expect(await waysOf(owner)).toHaveLength(1);
});

test('a session that ends while it removes a sign-in method removes none', async () => {
  const owner = await personWith(['credential', 'company']);
  const end = 'DELETE FROM sessions WHERE "userId" = $1';
  const taken = whileItWaits(
    harness.pool,
    [userHeld(owner.userId)],
    () => unlink(owner, 'company'),
    (holder) => holder.query(end, [owner.userId]),
  );
  await expect(taken).rejects.toMatchObject({ code: 'unauthenticated' });
  expect(await waysOf(owner)).toEqual(['company', 'credential']);
});
