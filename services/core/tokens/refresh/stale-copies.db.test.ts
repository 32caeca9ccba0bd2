import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { callerFrom, type FamilyCopy, publicClient } from '#tools/testing/fixtures/families.ts';
import { rowsOf } from '#tools/testing/harness/ports.ts';
import { type FamilyHarness, next, openFamilyHarness, outcome } from './family-harness.ts';
import type { PresentedBy } from './rotate-family.ts';

const HERE = '192.0.2.1';
const ELSEWHERE = '198.51.100.9';
const HOUR = 3_600;
const BOUND = 12 * HOUR;
const KEY = { ...publicClient, jkt: 'thumb' };

let harness: FamilyHarness;
let copy: FamilyCopy;
let other: FamilyCopy;
beforeAll(async () => {
  harness = await openFamilyHarness();
  // Shorter than any time that a test lets pass, and longer than a busy machine needs.
  const settings = { graceSeconds: 300, lostAnswerSeconds: 0 };
  [copy, other] = [harness.copyWith(settings), harness.copyWith(settings)];
});
afterAll(() => harness?.close());

/** A family of a new client. @param copies seconds for which it serves copies */
async function newFamily(copies: number, { jkt }: PresentedBy = publicClient) {
  const clientId = randomUUID();
  const insert = `INSERT INTO oauth_clients (id, "clientId", refresh_copies) VALUES ($1, $1, $2)`;
  await copy.pool.query(insert, [clientId, copies]);
  return harness.newFamily({ client_id: clientId, ...(jkt === undefined ? {} : { jkt }) }, copy);
}

/** Lets time pass for the family, as if its clock alone ran. */
function pass(familyId: string, seconds: number): Promise<unknown> {
  const moved = ['rotated_at', 'idle_expires_at', 'expires_at'].map(
    (at) => `${at} = ${at} - interval '${seconds} seconds'`,
  );
  const marks = `rotation_marks = ARRAY(SELECT mark - ${seconds} FROM unnest(rotation_marks) AS mark)`;
  return harness.set(familyId, [...moved, marks].join(', '));
}

/** Tokens of generations 0 to `rotations`, of which the last is current, with the same time after each rotation. */
async function rotated(copies: number, rotations: number, seconds: number, by: PresentedBy = publicClient) {
  const family = await newFamily(copies, by);
  const tokens = [family.refresh_token];
  for (let rotation = 0; rotation < rotations; rotation += 1) {
    tokens.push((await copy.refresh(tokens.at(-1)!, by)).refresh_token);
    await pass(family.family_id, seconds);
  }
  return { ...family, familyId: family.family_id, tokens, first: tokens[0]!, newest: tokens.at(-1)! };
}
const isEnded = async (familyId: string) => (await harness.rowOf(familyId)).revoke_reason === 'refresh_token_reused';

test('an older copy gets the current token, which is no rotation; it is counted and in the audit log', async () => {
  const { familyId, first, newest, userId } = await rotated(BOUND, 3, HOUR);
  const before = await harness.rowOf(familyId);
  expect(await copy.refresh(first)).toMatchObject({ outcome: 'stale_copy', refresh_token: newest });
  expect(await harness.rowOf(familyId)).toEqual({ ...before, grace_uses: 1, copy_uses: 1 });
  expect((await harness.auditOf(familyId)).at(-1)).toMatchObject({
    type: 'token.refreshed',
    outcome: 'stale_copy',
    actor_kind: 'user',
    actor_id: userId,
    detail: { generation: 0, held: 3 },
  });
  expect(await outcome(copy, newest)).toBe('rotated');
});

test('age counts from the rotation that replaced the copy: one asleep for days is served once another has rotated', async () => {
  const family = await newFamily(BOUND);
  await pass(family.family_id, 5 * 24 * HOUR);
  const second = await next(copy, family.refresh_token);
  const third = await next(copy, second);
  await pass(family.family_id, BOUND - HOUR);
  expect(await copy.refresh(family.refresh_token)).toMatchObject({ outcome: 'stale_copy', refresh_token: third });
  await pass(family.family_id, HOUR + 1);
  expect(await outcome(copy, family.refresh_token)).toBe('refresh_token_reused');
  expect(await isEnded(family.family_id)).toBe(true);
});

test('the age of a copy is never taken for less, and for at most a twelfth of the bound more: with a rotation every ten minutes', async () => {
  const { familyId, tokens } = await rotated(BOUND, 80, 600);
  expect((await harness.rowOf(familyId)).rotation_marks).toHaveLength(12);
  let served = 0;
  for (const token of tokens.slice(0, -1).reverse()) {
    if ((await outcome(copy, token)) !== 'stale_copy') break;
    served += 600;
  }
  expect(served).toBeLessThan(BOUND);
  expect(served).toBeGreaterThanOrEqual(BOUND - BOUND / 12 - 600);
  expect(await isEnded(familyId)).toBe(true);
});

test.each([
  ['another network', ELSEWHERE],
  ['no known network', ''],
])('a thief on %s ends the family at the first use of a copy, and everyone is signed out', async (_where, ip) => {
  const { familyId, tokens, newest } = await rotated(BOUND, 3, HOUR);
  expect(await outcome(copy, tokens[2]!, publicClient, ip)).toBe('refresh_token_reused');
  expect(await isEnded(familyId)).toBe(true);
  expect(await outcome(copy, newest)).toBe('refresh_token_reused');
});

test('the network is that of the last rotation', async () => {
  const { familyId, first, newest } = await rotated(BOUND, 3, HOUR);
  await copy.refresh(newest, publicClient, callerFrom(ELSEWHERE));
  expect(await outcome(copy, first, publicClient, ELSEWHERE)).toBe('stale_copy');
  expect(await outcome(copy, first, publicClient, HERE)).toBe('refresh_token_reused');
  expect(await isEnded(familyId)).toBe(true);
});

test('with the key of the family a copy is served on any network; without it, or with another, it is refused and ends nothing', async () => {
  const { familyId, first, newest } = await rotated(BOUND, 3, HOUR, KEY);
  for (const ip of [HERE, ELSEWHERE, ''])
    expect(await copy.refresh(first, KEY, callerFrom(ip))).toMatchObject({ refresh_token: newest });
  const before = await harness.imageOf(familyId);
  for (const by of [publicClient, { ...KEY, jkt: 'other' }])
    expect(await outcome(copy, first, by)).toBe('refresh_token_invalid');
  expect(await harness.imageOf(familyId)).toBe(before);
});

test('a client that serves no copies is unchanged, also one that did before', async () => {
  const { familyId, first } = await rotated(0, 3, HOUR);
  expect(await outcome(copy, first)).toBe('refresh_token_reused');
  expect(await isEnded(familyId)).toBe(true);
  const moved = await rotated(BOUND, 3, HOUR);
  await rowsOf(copy.pool)`UPDATE oauth_clients SET refresh_copies = 0
    WHERE "clientId" = (SELECT client_id FROM refresh_families WHERE id = ${moved.familyId})`;
  expect(await outcome(copy, moved.first)).toBe('refresh_token_reused');
});

test('a generation that was never issued gets nothing, and a family that ended serves no copy', async () => {
  const { familyId, first, newest } = await rotated(BOUND, 3, HOUR);
  expect(await outcome(copy, harness.forge(newest, 9))).toBe('session_ended');
  await harness.set(familyId, `revoked_at = now(), revoke_reason = 'sign_out'`);
  expect(await outcome(copy, first)).toBe('session_ended');
});

test('copies of one generation are served as often as grace allows; then 429, until the next rotation', async () => {
  const tight = harness.copyWith({ graceUses: 2 });
  const { familyId, first, tokens, newest } = await rotated(BOUND, 3, HOUR);
  const said = await Promise.all([first, tokens[1]!, first].map((token) => outcome(tight, token)));
  expect(said).toEqual(['stale_copy', 'stale_copy', 'refresh_grace_spent']);
  expect(await isEnded(familyId)).toBe(false);
  expect(await outcome(tight, newest)).toBe('rotated');
  expect(await outcome(tight, first)).toBe('stale_copy');
});

test('a copy in one batch with a replay of its family gets nothing', async () => {
  const [{ tokens }, { refresh_token: before }] = [await rotated(BOUND, 3, HOUR), await newFamily(0)];
  // While the first is under way the two others wait, and go together.
  const others = () => [outcome(copy, tokens[1]!), outcome(copy, tokens[0]!, publicClient, ELSEWHERE)];
  const said = await Promise.all([outcome(copy, before), ...others()]);
  expect(said).toEqual(['rotated', 'refresh_token_reused', 'refresh_token_reused']);
});

test('24 processes that race with copies of any age, at two copies of the API, make no second branch', async () => {
  for (const key of [publicClient, KEY]) {
    const { familyId, tokens, newest } = await rotated(BOUND, 6, HOUR, key);
    const answers = await Promise.all(
      Array.from({ length: 24 }, (_, process) =>
        (process % 2 === 0 ? copy : other).refresh(tokens[process % tokens.length]!, key),
      ),
    );
    const successor = harness.forge(newest, 7);
    for (const answer of answers) expect([newest, successor]).toContain(answer.refresh_token);
    expect(answers.filter(({ outcome }) => outcome === 'rotated')).toHaveLength(1);
    expect(await harness.rowOf(familyId)).toMatchObject({ generation: 7, revoke_reason: null });
    expect(await outcome(copy, successor, key)).toBe('rotated');
  }
});

/** Hours of a day in which the laptop sleeps. */
const isAsleep = (hour: number): boolean => hour % 24 >= 16;

test.each([
  ['with a DPoP key, on two networks', KEY, [HERE, ELSEWHERE]],
  ['without a key, on one network', publicClient, [HERE]],
])(
  '24 processes with one sign-in %s, for seven days with the laptop asleep at night: 0 sign-ins asked',
  async (_how, by, networks) => {
    const family = await newFamily(BOUND, by);
    const held = Array<string>(24).fill(family.refresh_token);
    const ofGeneration = new Map<string, string>();
    const seen = new Map<string, number>();
    for (let hour = 0; hour < 7 * 24; hour += 1) {
      await pass(family.family_id, HOUR);
      if (isAsleep(hour)) continue;
      // Each keeps its own copy in memory. It refreshes when the laptop wakes, and every hour, every second or every third.
      const refreshes = (process: number) => hour % 24 === 0 || (hour + process) % (1 + (process % 3)) === 0;
      const awake = held.map((_, process) => process).filter(refreshes);
      const answers = await Promise.all(
        awake.map((process) =>
          (process % 2 === 0 ? copy : other).refresh(held[process]!, by, callerFrom(networks[hour % networks.length]!)),
        ),
      );
      for (const [at, answer] of answers.entries()) {
        held[awake[at]!] = answer.refresh_token;
        seen.set(answer.outcome, (seen.get(answer.outcome) ?? 0) + 1);
        const generation = answer.refresh_token.split('.')[2]!;
        expect(ofGeneration.get(generation) ?? answer.refresh_token).toBe(answer.refresh_token);
        ofGeneration.set(generation, answer.refresh_token);
      }
    }
    const copies = seen.get('stale_copy') ?? 0;
    expect(copies).toBeGreaterThan(7 * 24);
    expect(await harness.rowOf(family.family_id)).toMatchObject({ copy_uses: copies, revoke_reason: null });
    expect([...seen.keys()].sort()).toEqual(['grace', 'rotated', 'stale_copy']);
    await pass(family.family_id, HOUR);
    // A thief has a copy of an hour ago, and neither the key nor the network.
    const stolen = harness.forge(held[0]!, (await harness.rowOf(family.family_id)).generation - 1);
    const said = await outcome(copy, stolen, publicClient, '203.0.113.5');
    expect(said).toBe(by === KEY ? 'refresh_token_invalid' : 'refresh_token_reused');
    expect(await isEnded(family.family_id)).toBe(by !== KEY);
  },
);

test('without grace no copy is served', async () => {
  const { familyId, first } = await rotated(BOUND, 2, HOUR);
  expect(await outcome(harness.copyWith({ graceUses: 0 }), first)).toBe('refresh_token_reused');
  expect(await isEnded(familyId)).toBe(true);
});
