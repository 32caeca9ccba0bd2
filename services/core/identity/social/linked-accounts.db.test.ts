import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import type { Caller } from '#services/core/ports.ts';
import { openPeopleHarness, type PeopleHarness } from '#tools/testing/harness/people.ts';
import { opened } from '#tools/testing/opened.ts';
import { userHeld, whileItWaits } from '#tools/testing/overtaken.ts';
import { userCaller } from '../sign-in/finish-sign-in.ts';
import { listLinkedAccounts, unlinkAccount } from './linked-accounts.ts';

const harness = opened(openPeopleHarness);

const request = { ip: '', userAgent: '', traceId: '', traceparent: '' };
const rows: PeopleHarness['rows'] = (text, values) => harness.rows(text, values);

/** A user with a session and these sign-in methods, each account named after its provider; all with `scope`. */
async function personWith(providers: readonly string[], scope: string | null = null) {
  const [id, sessionId] = [randomUUID(), randomUUID()];
  await rows('INSERT INTO users (id, email, "emailVerified") VALUES ($1, $2, now())', [id, `${id}@people.test`]);
  for (const [at, provider] of providers.entries()) {
    const account = randomUUID();
    await rows('INSERT INTO accounts (id, "userId", "providerId", "accountId", scope) VALUES ($1, $2, $3, $4, $5)', [
      account,
      id,
      provider,
      `${provider} ${id}`,
      scope,
    ]);
    await rows('UPDATE accounts SET "createdAt" = now() + make_interval(secs => $2) WHERE id = $1', [account, at]);
  }
  await rows(`INSERT INTO sessions (id, "userId", "expiresAt", token) VALUES ($1, $2, now() + interval '1 hour', $1)`, [
    sessionId,
    id,
  ]);
  return { ...userCaller(id, { request }), sessionId } as Caller & { kind: 'user' };
}
const waysOf = async ({ userId }: { userId: string }): Promise<string[]> =>
  (await rows('SELECT "providerId" AS way FROM accounts WHERE "userId" = $1 ORDER BY way', [userId])).map(
    ({ way }) => way,
  );
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
  const mails = () => rows(`SELECT count(*)::int AS mails FROM mail_outbox WHERE template = 'account_unlinked'`);
  const [{ mails: before }] = await mails();
  expect(await unlink(owner, 'company')).toEqual({ status: 'unlinked' });
  expect(await waysOf(owner)).toEqual(['credential']);
  expect(await mails()).toEqual([{ mails: before + 1 }]);
  expect(await rows('SELECT id FROM sessions WHERE "userId" = $1', [owner.userId])).toEqual([{ id: owner.sessionId }]);
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
  await rows(
    `INSERT INTO sessions (id, "userId", "expiresAt", token, acr) VALUES ($1, $2, now() + interval '1 hour', $1, 'aal2')`,
    [sessionId, owner.userId],
  );
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
