import { randomUUID } from 'node:crypto';
import { afterEach, expect, test } from 'vitest';
import { createClient } from '#services/core/access/create-client.ts';
import { createTransact } from '#services/platform/postgres/pool.ts';
import { callerFrom, publicClient, refreshSettings } from '#tools/testing/fixtures/families.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { made, opened } from '#tools/testing/opened.ts';
import { type FamilyHarness, generations, next, openFamilyHarness, outcome, together } from './family-harness.ts';
import type { PresentedBy } from './rotate-family.ts';

const GRACE_SECONDS = 600;
const LOST_ANSWER_SECONDS = 7_200;
const ELSEWHERE = '198.51.100.9';

const harness = opened(openFamilyHarness);
const copy = made(() => harness.copyWith());
const other = made(() => harness.copyWith());
/** A copy that gives the same successor again, long after the grace window. */
const patient = made(() => harness.copyWith({ graceSeconds: GRACE_SECONDS, lostAnswerSeconds: LOST_ANSWER_SECONDS }));
afterEach(() => harness.reset());

/** A client that keeps its refresh tokens: it authenticates or is public, and its access tokens are bound to a key. */
async function newClient(rotates = false, isPublic = false): Promise<PresentedBy & { readonly clientId: string }> {
  const transact = createTransact(copy.pool, (err) => {
    throw err;
  });
  const random = { uuid: () => randomUUID(), bytes: (length: number) => Buffer.alloc(length, randomUUID()) };
  const input = {
    name: 'Bank',
    grant_types: ['refresh_token'],
    dpop_bound_access_tokens: true,
    refresh_rotation: rotates ? 'on' : 'off',
    auth_method: isPublic ? 'none' : 'client_secret_basic',
  } as const;
  const { clientId } = await createClient({ transact, random }, input, testCaller);
  return { clientId, isAuthenticated: !isPublic };
}
const familyOf = ({ clientId }: { readonly clientId: string }) =>
  harness.newFamily({ client_id: clientId, is_client_bound: true, scope: 'openid' });
const setRotation = (clientId: string, rotates: boolean) =>
  copy.pool.query('UPDATE oauth_clients SET refresh_rotation = $2 WHERE "clientId" = $1', [
    clientId,
    rotates ? 'on' : 'off',
  ]);
const allOf = (tokens: readonly string[], by: PresentedBy) =>
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

test('a public client keeps the refresh token that is bound to its DPoP key, and gets nothing without the key (RFC 9700 §4.14.2)', async () => {
  const by = { ...(await newClient(false, true)), jkt: 'thumb' };
  const bound = { client_id: by.clientId, is_client_bound: true };
  const {
    family_id: familyId,
    refresh_token: refreshToken,
    userId,
  } = await harness.newFamily({ ...bound, jkt: 'thumb' });
  for (const ip of [ELSEWHERE, '192.0.2.1'])
    expect(await copy.refresh(refreshToken, by, callerFrom(ip))).toMatchObject({
      outcome: 'kept',
      refresh_token: refreshToken,
    });
  expect((await harness.auditOf(familyId))[0]).toMatchObject({ outcome: 'kept', actor_kind: 'user', actor_id: userId });
  for (const jkt of ['other', undefined])
    expect(await outcome(copy, refreshToken, { ...by, jkt } as PresentedBy)).toBe('refresh_token_invalid');
  const { refresh_token: unbound } = await harness.newFamily(bound);
  expect(await outcome(copy, unbound, { ...by, jkt: undefined } as unknown as PresentedBy)).toBe('rotated');
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
  expect(await allOf([third, first, third], by)).toEqual(Array(3).fill('refresh_token_reused'));
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
  [
    'is public without a key',
    `auth_method = 'none', dpop_bound_access_tokens = false, tls_client_certificate_bound_access_tokens = true`,
  ],
  ['has tokens that are bound to nothing', 'dpop_bound_access_tokens = false'],
  ['registered itself', `origin = 'registration'`],
])('is never a client that %s, whatever writes the table', async (_what, change) => {
  const { clientId } = await newClient();
  await expect(
    copy.pool.query(`UPDATE oauth_clients SET ${change} WHERE "clientId" = $1`, [clientId]),
  ).rejects.toMatchObject({ constraint: 'oauth_clients_refresh_rotation' });
});

// A token of the previous generation, past its grace window, while its successor has not been used.

/** Network and agent of `outcome`, unless the test gives others. */
const HERE = '192.0.2.1';

/** Moves the last rotation into the past. */
const pass = (familyId: string, seconds: number): Promise<unknown> =>
  harness.set(familyId, `rotated_at = rotated_at - interval '${seconds} seconds'`);

/** A family that was rotated an hour ago, with the response lost. */
async function lostAnswer(at = patient, family: Parameters<FamilyHarness['newFamily']>[0] = {}, by = publicClient) {
  const { family_id: familyId, refresh_token: refreshToken, userId } = await harness.newFamily(family, at);
  const successor = (await at.refresh(refreshToken, by)).refresh_token;
  await pass(familyId, LOST_ANSWER_SECONDS / 2);
  return { familyId, refreshToken, successor, userId };
}

test('gives the same successor to a client whose response was lost, however often it asks, and ends nothing', async () => {
  const { familyId, refreshToken, successor, userId } = await lostAnswer();
  const before = await harness.rowOf(familyId);
  for (let time = 1; time <= 2; time += 1) {
    const answer = await patient.refresh(refreshToken);
    expect(answer).toMatchObject({ outcome: 'lost_answer', refresh_token: successor });
  }
  const row = await harness.rowOf(familyId);
  expect(row).toMatchObject({ generation: 1, revoke_reason: null, grace_uses: 2, grace_streak: 0 });
  expect([row.rotated_at, row.idle_expires_at]).toEqual([before.rotated_at, before.idle_expires_at]);
  expect((row.lost_answer_at as Date).getTime()).toBeGreaterThan(before.rotated_at.getTime());
  expect((await harness.auditOf(familyId)).at(-1)).toMatchObject({
    type: 'token.refreshed',
    outcome: 'lost_answer',
    actor_kind: 'user',
    actor_id: userId,
    detail: { generation: 0, held: 1 },
  });
  expect(await outcome(patient, successor)).toBe('rotated');
});

test('takes the token for a replay after its successor was used', async () => {
  const { familyId, refreshToken, successor } = await lostAnswer();
  expect(await outcome(patient, refreshToken)).toBe('lost_answer');
  expect(await outcome(patient, successor)).toBe('rotated');
  expect(await outcome(patient, refreshToken)).toBe('refresh_token_reused');
  expect(await harness.rowOf(familyId)).toMatchObject({ revoke_reason: 'refresh_token_reused' });
});

test('takes the token for a replay after the window, and the successor is rejected too', async () => {
  const { familyId, refreshToken, successor } = await lostAnswer();
  await pass(familyId, LOST_ANSWER_SECONDS);
  expect(await outcome(patient, refreshToken)).toBe('refresh_token_reused');
  expect(await outcome(patient, successor)).toBe('refresh_token_reused');
});

test.each([
  ['another network', ELSEWHERE],
  ['no known network', ''],
])('takes the token for a replay when it comes from %s', async (_where, ip) => {
  const { familyId, refreshToken } = await lostAnswer();
  expect(await outcome(patient, refreshToken, publicClient, ip)).toBe('refresh_token_reused');
  expect(await harness.rowOf(familyId)).toMatchObject({ revoke_reason: 'refresh_token_reused' });
});

test('compares the network with that of the rotation, not with that of a retry within the grace window', async () => {
  const { family_id: familyId, refresh_token: refreshToken } = await harness.newFamily({}, patient);
  await next(patient, refreshToken);
  expect(await outcome(patient, refreshToken, publicClient, ELSEWHERE)).toBe('grace');
  await pass(familyId, GRACE_SECONDS + 1);
  expect(await outcome(patient, refreshToken, publicClient, HERE)).toBe('lost_answer');
  expect(await outcome(patient, refreshToken, publicClient, ELSEWHERE)).toBe('refresh_token_reused');
});

test('refuses another client and another key without ending anything', async () => {
  const by = { ...publicClient, jkt: 'thumb' };
  const { familyId, refreshToken, successor } = await lostAnswer(patient, { jkt: 'thumb' }, by);
  const before = await harness.imageOf(familyId);
  expect(await outcome(patient, refreshToken, { ...by, jkt: 'other' })).toBe('refresh_token_invalid');
  expect(await outcome(patient, refreshToken, { ...by, clientId: 'other' })).toBe('refresh_token_invalid');
  expect(await harness.imageOf(familyId)).toBe(before);
  expect(await patient.refresh(refreshToken, by)).toMatchObject({ outcome: 'lost_answer', refresh_token: successor });
});

test('is off with the setting 0, and on a copy without grace', async () => {
  for (const strict of [{ lostAnswerSeconds: 0 }, { graceSeconds: 0 }, { graceUses: 0 }]) {
    const at = harness.copyWith({ graceSeconds: GRACE_SECONDS, lostAnswerSeconds: LOST_ANSWER_SECONDS, ...strict });
    const { refreshToken } = await lostAnswer(at);
    expect(await outcome(at, refreshToken)).toBe('refresh_token_reused');
  }
});

test('never extends the idle limit of the family', async () => {
  const { familyId, refreshToken } = await lostAnswer();
  await harness.set(familyId, `idle_expires_at = now() - interval '1 second'`);
  expect(await outcome(patient, refreshToken)).toBe('refresh_token_expired');
});

test('counts as a use of the grace window; beyond the allowed uses it is 429 until the window closes', async () => {
  const tight = harness.copyWith({ graceSeconds: GRACE_SECONDS, graceUses: 1, lostAnswerSeconds: LOST_ANSWER_SECONDS });
  const { refreshToken, successor } = await lostAnswer(tight);
  expect(await outcome(tight, refreshToken)).toBe('lost_answer');
  const refusal = await tight.refresh(refreshToken).catch((err: unknown) => err);
  expect(refusal).toMatchObject({ code: 'refresh_grace_spent' });
  const seconds = (refusal as { options: { retryAfterSeconds: number } }).options.retryAfterSeconds;
  expect(seconds).toBeGreaterThan(0);
  expect(seconds).toBeLessThanOrEqual(LOST_ANSWER_SECONDS / 2);
  expect(await outcome(tight, successor)).toBe('rotated');
});

test('with replay protection off, a lost response is still repeated, and a replay still gets no token', async () => {
  const lenient = harness.copyWith({
    graceSeconds: GRACE_SECONDS,
    lostAnswerSeconds: LOST_ANSWER_SECONDS,
    enableReplayProtection: false,
  });
  const { familyId, refreshToken, successor } = await lostAnswer(lenient);
  expect(await outcome(lenient, refreshToken)).toBe('lost_answer');
  expect(await outcome(lenient, refreshToken, publicClient, ELSEWHERE)).toBe('refresh_token_reused');
  expect(await harness.rowOf(familyId)).toMatchObject({ revoke_reason: null });
  expect(await outcome(lenient, successor)).toBe('rotated');
});

test('in one batch lost responses are processed before the use of the successor, and replays before both', async () => {
  const { refreshToken, successor } = await lostAnswer();
  expect(await together(patient, [successor, refreshToken])).toEqual(['rotated', 'lost_answer']);
  const { family_id: familyId, refresh_token: first } = await harness.newFamily({}, patient);
  const tokens = await generations(patient, first, 2);
  await pass(familyId, GRACE_SECONDS + 1);
  expect(await together(patient, [tokens[1] as string, tokens[0] as string])).toEqual(
    Array(2).fill('refresh_token_reused'),
  );
});

test('the repeated successor is made under the same server key', async () => {
  const { family_id: familyId, refresh_token: refreshToken } = await harness.newFamily({}, patient);
  harness.makeUnder(2);
  const successor = await next(patient, refreshToken);
  harness.makeUnder(1);
  await pass(familyId, GRACE_SECONDS + 1);
  expect(await patient.refresh(refreshToken)).toMatchObject({ outcome: 'lost_answer', refresh_token: successor });
});
