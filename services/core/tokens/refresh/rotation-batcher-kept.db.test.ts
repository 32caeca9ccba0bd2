import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { createClient } from '#services/core/access/create-client.ts';
import { createTransact } from '#services/platform/postgres/pool.ts';
import { callerFrom, type FamilyCopy, refreshSettings } from '#tools/testing/fixtures/families.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { type FamilyHarness, openFamilyHarness, outcome } from './family-harness.ts';
import type { PresentedBy } from './rotate-family.ts';

/** A client that keeps its refresh tokens: it authenticates, and its access tokens are bound to a key. */

const ELSEWHERE = '198.51.100.9';

let harness: FamilyHarness;
let copy: FamilyCopy;
let other: FamilyCopy;
beforeAll(async () => {
  harness = await openFamilyHarness();
  [copy, other] = [harness.copyWith(), harness.copyWith()];
});
afterEach(() => harness.reset());
afterAll(() => harness?.close());

async function newClient(rotates = false): Promise<PresentedBy & { readonly clientId: string }> {
  const transact = createTransact(copy.pool, (err) => {
    throw err;
  });
  const random = { uuid: () => randomUUID(), bytes: (length: number) => Buffer.alloc(length, randomUUID()) };
  const input = {
    name: 'Bank',
    grant_types: ['refresh_token'],
    dpop_bound_access_tokens: true,
    refresh_rotation: rotates ? 'on' : 'off',
  } as const;
  const { clientId } = await createClient({ transact, random }, input, testCaller);
  return { clientId, isAuthenticated: true };
}
const familyOf = ({ clientId }: { readonly clientId: string }) =>
  harness.newFamily({ client_id: clientId, is_client_bound: true, scope: 'openid' });
const setRotation = (clientId: string, rotates: boolean) =>
  copy.pool.query('UPDATE oauth_clients SET refresh_rotation = $2 WHERE "clientId" = $1', [
    clientId,
    rotates ? 'on' : 'off',
  ]);
const together = (tokens: readonly string[], by: PresentedBy) =>
  Promise.all(tokens.map((token) => outcome(copy, token, by)));

test('gets the same refresh token at every use, from any copy and network, and writes an audit row each time', async () => {
  const by = await newClient();
  const { family_id: familyId, refresh_token: refreshToken } = await familyOf(by);
  const answers = await Promise.all(
    Array.from({ length: 2 * refreshSettings.graceUses }, (_, index) =>
      (index % 2 ? copy : other).refresh(refreshToken, by, callerFrom(index % 3 ? ELSEWHERE : '192.0.2.1')),
    ),
  );
  expect(new Set(answers.map(({ outcome }) => outcome))).toEqual(new Set(['kept']));
  expect(new Set(answers.map((answer) => answer.refresh_token))).toEqual(new Set([refreshToken]));
  expect(await harness.rowOf(familyId)).toMatchObject({
    generation: 0,
    grace_uses: 0,
    grace_streak: 0,
    grace_contested: false,
    revoke_reason: null,
  });
  const audit = await harness.auditOf(familyId);
  expect(audit).toHaveLength(answers.length);
  expect(audit[0]).toMatchObject({
    type: 'token.refreshed',
    outcome: 'kept',
    actor_kind: 'client',
    actor_id: by.clientId,
    detail: { generation: 0, held: 0 },
  });
});

test('keeps the key of its refresh token when a newer one is made', async () => {
  const by = await newClient();
  const { family_id: familyId, refresh_token: refreshToken } = await familyOf(by);
  harness.makeUnder(2);
  expect(await copy.refresh(refreshToken, by)).toMatchObject({ outcome: 'kept', refresh_token: refreshToken });
  expect(await harness.rowOf(familyId)).toMatchObject({ kv: 1, prev_kv: 1 });
});

test('extends the idle expiry and never the absolute one', async () => {
  const by = await newClient();
  const { family_id: familyId, refresh_token: refreshToken } = await familyOf(by);
  await harness.set(familyId, `idle_expires_at = now() + interval '1 minute'`);
  const before = await harness.rowOf(familyId);
  const { refresh_expires_in_seconds: refreshExpiresInSeconds } = await copy.refresh(refreshToken, by);
  expect(refreshExpiresInSeconds).toBe(refreshSettings.refreshTokenSeconds);
  const after = await harness.rowOf(familyId);
  expect(after.idle_expires_at.getTime()).toBeGreaterThan(before.idle_expires_at.getTime() + 600_000_000);
  expect(after.rotated_at.getTime()).toBeGreaterThan(before.rotated_at.getTime());
  expect(after.expires_at).toEqual(before.expires_at);
  await harness.set(familyId, `expires_at = now() - make_interval(secs => 1)`);
  expect(await outcome(copy, refreshToken, by)).toBe('refresh_token_expired');
});

test.each([
  ['the family is revoked', (familyId: string) => harness.set(familyId, `revoked_at = now(), revoke_reason = 'x'`)],
  [
    'the client is disabled',
    (_familyId: string, clientId: string) =>
      copy.pool.query('UPDATE oauth_clients SET disabled = true WHERE "clientId" = $1', [clientId]),
  ],
  [
    'the tokens of its user are revoked',
    (_familyId: string, _clientId: string, userId: string) =>
      copy.pool.query('UPDATE users SET "tokenEpoch" = "tokenEpoch" + 1 WHERE id = $1', [userId]),
  ],
])('gets nothing once %s', async (_what, end) => {
  const by = await newClient();
  const { family_id: familyId, refresh_token: refreshToken, userId } = await familyOf(by);
  expect(await outcome(copy, refreshToken, by)).toBe('kept');
  await end(familyId, by.clientId, userId);
  expect(await outcome(copy, refreshToken, by)).toBe('session_ended');
});

test.each([
  ['another client', (thief: PresentedBy) => thief],
  ['a caller that names the client', (_: PresentedBy, by: PresentedBy) => ({ ...by, isAuthenticated: false })],
  ['the public endpoint', () => ({ clientId: null, isAuthenticated: false })],
])('keeps nothing for %s', async (_who, presenterOf) => {
  const [by, thief] = [await newClient(), await newClient()];
  const { family_id: familyId, refresh_token: refreshToken } = await familyOf(by);
  expect(await outcome(copy, refreshToken, presenterOf(thief, by))).not.toBe('kept');
  // A caller that only names the client cannot pass the token endpoint; the statement would rotate for it.
  expect(await harness.rowOf(familyId)).toMatchObject({ revoke_reason: null });
});

test('a family that is not bound to the client rotates: anyone who has its token can refresh it', async () => {
  const by = await newClient();
  const { refresh_token: refreshToken } = await harness.newFamily({ client_id: by.clientId, is_client_bound: false });
  expect(await outcome(copy, refreshToken, by)).toBe('rotated');
});

test('a client moved to this setting keeps its current token, and a replay of an earlier one still ends the family', async () => {
  const by = await newClient(true);
  const { family_id: familyId, refresh_token: first } = await familyOf(by);
  const second = (await copy.refresh(first, by)).refresh_token;
  const third = (await copy.refresh(second, by)).refresh_token;
  await setRotation(by.clientId, false);
  const before = await harness.rowOf(familyId);
  expect(await copy.refresh(third, by)).toMatchObject({ outcome: 'kept', refresh_token: third });
  // The grace of the previous token does not begin anew.
  expect((await harness.rowOf(familyId)).rotated_at).toEqual(before.rotated_at);
  expect(await copy.refresh(second, by)).toMatchObject({ outcome: 'grace', refresh_token: third });
  expect(await together([third, first, third], by)).toEqual(Array(3).fill('refresh_token_reused'));
  expect(await harness.rowOf(familyId)).toMatchObject({ revoke_reason: 'refresh_token_reused' });
  expect(await harness.revocationsOf(familyId)).toHaveLength(1);
});

test('a client moved from this setting rotates at its next refresh, and its kept token is then a replay', async () => {
  const by = await newClient();
  const { family_id: familyId, refresh_token: kept } = await familyOf(by);
  expect(await outcome(copy, kept, by)).toBe('kept');
  await setRotation(by.clientId, true);
  const second = (await copy.refresh(kept, by)).refresh_token;
  expect(second).not.toBe(kept);
  expect(await outcome(copy, kept, by)).toBe('grace');
  expect(await outcome(copy, second, by)).toBe('rotated');
  expect(await outcome(copy, kept, by)).toBe('refresh_token_reused');
  expect(await harness.rowOf(familyId)).toMatchObject({ revoke_reason: 'refresh_token_reused' });
});

test('the third contested generation ends a family of a moved client in the same batch as uses of its kept token', async () => {
  const by = await newClient(true);
  const { family_id: familyId, refresh_token: first } = await familyOf(by);
  const second = (await copy.refresh(first, by)).refresh_token;
  await setRotation(by.clientId, false);
  await harness.set(familyId, 'grace_streak = 2');
  const [stale, current] = await Promise.all([outcome(copy, first, by, ELSEWHERE), outcome(copy, second, by)]);
  expect([stale, current]).toEqual(['refresh_token_reused', 'refresh_token_reused']);
});

test.each([
  ['is public', `auth_method = 'none'`],
  ['has tokens that are bound to nothing', 'dpop_bound_access_tokens = false'],
  ['registered itself', `origin = 'registration'`],
])('is never a client that %s, whatever writes the table', async (_what, change) => {
  const { clientId } = await newClient();
  await expect(
    copy.pool.query(`UPDATE oauth_clients SET ${change} WHERE "clientId" = $1`, [clientId]),
  ).rejects.toMatchObject({ constraint: 'oauth_clients_refresh_rotation' });
});
