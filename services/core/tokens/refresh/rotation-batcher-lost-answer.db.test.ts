import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type FamilyCopy, publicClient } from '#tools/testing/fixtures/families.ts';
import { type FamilyHarness, generations, next, openFamilyHarness, outcome, together } from './family-harness.ts';

/** A token of the previous generation, past its grace window, while its successor has not been used. */

const GRACE_SECONDS = 600;
const LOST_ANSWER_SECONDS = 7_200;
const ELSEWHERE = '198.51.100.9';
/** Network and agent of `outcome`, unless the test gives others. */
const HERE = '192.0.2.1';

let harness: FamilyHarness;
let copy: FamilyCopy;
beforeAll(async () => {
  harness = await openFamilyHarness();
  copy = harness.copyWith({ graceSeconds: GRACE_SECONDS, lostAnswerSeconds: LOST_ANSWER_SECONDS });
});
afterEach(() => harness.reset());
afterAll(() => harness?.close());

/** Moves the last rotation into the past. */
const pass = (familyId: string, seconds: number): Promise<unknown> =>
  harness.set(familyId, `rotated_at = rotated_at - interval '${seconds} seconds'`);

/** A family that was rotated an hour ago, with the response lost. */
async function lostAnswer(at = copy, family: Parameters<FamilyHarness['newFamily']>[0] = {}, by = publicClient) {
  const { family_id: familyId, refresh_token: refreshToken, userId } = await harness.newFamily(family, at);
  const successor = (await at.refresh(refreshToken, by)).refresh_token;
  await pass(familyId, LOST_ANSWER_SECONDS / 2);
  return { familyId, refreshToken, successor, userId };
}

test('gives the same successor to a client whose response was lost, however often it asks, and ends nothing', async () => {
  const { familyId, refreshToken, successor, userId } = await lostAnswer();
  const before = await harness.rowOf(familyId);
  for (let time = 1; time <= 2; time += 1) {
    const answer = await copy.refresh(refreshToken);
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
  expect(await outcome(copy, successor)).toBe('rotated');
});

test('takes the token for a replay after its successor was used', async () => {
  const { familyId, refreshToken, successor } = await lostAnswer();
  expect(await outcome(copy, refreshToken)).toBe('lost_answer');
  expect(await outcome(copy, successor)).toBe('rotated');
  expect(await outcome(copy, refreshToken)).toBe('refresh_token_reused');
  expect(await harness.rowOf(familyId)).toMatchObject({ revoke_reason: 'refresh_token_reused' });
});

test('takes the token for a replay after the window, and the successor is rejected too', async () => {
  const { familyId, refreshToken, successor } = await lostAnswer();
  await pass(familyId, LOST_ANSWER_SECONDS);
  expect(await outcome(copy, refreshToken)).toBe('refresh_token_reused');
  expect(await outcome(copy, successor)).toBe('refresh_token_reused');
});

test.each([
  ['another network', ELSEWHERE],
  ['no known network', ''],
])('takes the token for a replay when it comes from %s', async (_where, ip) => {
  const { familyId, refreshToken } = await lostAnswer();
  expect(await outcome(copy, refreshToken, publicClient, ip)).toBe('refresh_token_reused');
  expect(await harness.rowOf(familyId)).toMatchObject({ revoke_reason: 'refresh_token_reused' });
});

test('compares the network with that of the rotation, not with that of a retry within the grace window', async () => {
  const { family_id: familyId, refresh_token: refreshToken } = await harness.newFamily({}, copy);
  await next(copy, refreshToken);
  expect(await outcome(copy, refreshToken, publicClient, ELSEWHERE)).toBe('grace');
  await pass(familyId, GRACE_SECONDS + 1);
  expect(await outcome(copy, refreshToken, publicClient, HERE)).toBe('lost_answer');
  expect(await outcome(copy, refreshToken, publicClient, ELSEWHERE)).toBe('refresh_token_reused');
});

test('refuses another client and another key without ending anything', async () => {
  const by = { ...publicClient, jkt: 'thumb' };
  const { familyId, refreshToken, successor } = await lostAnswer(copy, { jkt: 'thumb' }, by);
  const before = await harness.imageOf(familyId);
  expect(await outcome(copy, refreshToken, { ...by, jkt: 'other' })).toBe('refresh_token_invalid');
  expect(await outcome(copy, refreshToken, { ...by, clientId: 'other' })).toBe('refresh_token_invalid');
  expect(await harness.imageOf(familyId)).toBe(before);
  expect(await copy.refresh(refreshToken, by)).toMatchObject({ outcome: 'lost_answer', refresh_token: successor });
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
  expect(await outcome(copy, refreshToken)).toBe('refresh_token_expired');
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
  expect(await together(copy, [successor, refreshToken])).toEqual(['rotated', 'lost_answer']);
  const { family_id: familyId, refresh_token: first } = await harness.newFamily({}, copy);
  const tokens = await generations(copy, first, 2);
  await pass(familyId, GRACE_SECONDS + 1);
  expect(await together(copy, [tokens[1] as string, tokens[0] as string])).toEqual(
    Array(2).fill('refresh_token_reused'),
  );
});

test('the repeated successor is made under the same server key', async () => {
  const { family_id: familyId, refresh_token: refreshToken } = await harness.newFamily({}, copy);
  harness.makeUnder(2);
  const successor = await next(copy, refreshToken);
  harness.makeUnder(1);
  await pass(familyId, GRACE_SECONDS + 1);
  expect(await copy.refresh(refreshToken)).toMatchObject({ outcome: 'lost_answer', refresh_token: successor });
});
