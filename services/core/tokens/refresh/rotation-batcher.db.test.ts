import { randomBytes, randomUUID } from 'node:crypto';
import { afterEach, describe, expect, test } from 'vitest';
import type { RequestContext } from '#services/core/ports.ts';
import { systemClock } from '#services/platform/crypto/system.ts';
import {
  callerFrom,
  insertSession,
  insertUser,
  publicClient,
  refreshSecrets,
  refreshSettings,
} from '#tools/testing/fixtures/families.ts';
import { PATIENCE_MS } from '#tools/testing/harness/ports.ts';
import { made, opened } from '#tools/testing/opened.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { GRACE_SECONDS, generations, next, openFamilyHarness, outcome, together } from './family-harness.ts';
import { checkRefreshToken, mintRefreshToken } from './refresh-token-format.ts';
import { type PresentedBy, rotateFamily } from './rotate-family.ts';

const harness = opened(openFamilyHarness);
const copy = made(() => harness.copyWith());
const other = made(() => harness.copyWith());
afterEach(() => harness.reset());

describe('rotation', () => {
  test('60 parallel refreshes of one token over two copies: one rotation, one successor, no error (CVE-2026-53517, Better Auth: parallel refreshes forked the family of a token)', async () => {
    const family = await harness.newFamily();
    const answers = await Promise.all(
      Array.from({ length: 60 }, (_, index) => (index % 2 === 0 ? copy : other).refresh(family.refresh_token)),
    );
    expect(answers.filter((answer) => answer.outcome === 'rotated')).toHaveLength(1);
    expect(new Set(answers.map((answer) => answer.refresh_token)).size).toBe(1);
    expect(await harness.rowOf(family.family_id)).toMatchObject({ generation: 1, grace_uses: 59, revoke_reason: null });
    expect(await outcome(copy, (answers[0] as { refresh_token: string }).refresh_token)).toBe('rotated');
  });

  test('returns the facts for the access token', async () => {
    const userId = await insertUser(copy.pool);
    await copy.pool.query(`INSERT INTO user_roles VALUES ($1, 'admin')`, [userId]);
    const sessionId = await insertSession(copy.pool, userId);
    const family = await harness.newFamily({
      user_id: userId,
      session_id: sessionId,
      audience: 'https://a.test',
      scope: 'openid',
      auth_time: 1_700_000_001,
    });
    expect(await copy.refresh(family.refresh_token)).toEqual({
      outcome: 'rotated',
      family_id: family.family_id,
      user_id: userId,
      email: `${userId}@example.test`,
      is_email_verified: false,
      amr: '',
      acr: 'aal1',
      rights_limit: null,
      roles: ['admin', 'user'],
      user_epoch: 0,
      client_id: 'sallyport',
      client_epoch: 0,
      session_id: sessionId,
      scope: 'openid',
      audience: 'https://a.test',
      authorization_details: null,
      auth_time: 1_700_000_001,
      jkt: null,
      x5t: null,
      refresh_token: expect.stringMatching(/^sp_rt_1\./),
      refresh_expires_in_seconds: refreshSettings.refreshTokenSeconds,
    });
  });

  test('writes one audit row for each presented token, with the rotation', async () => {
    const { family_id: familyId, refresh_token: refreshToken, userId } = await harness.newFamily();
    await copy.refresh(refreshToken, publicClient, callerFrom('192.0.2.7'));
    await copy.refresh(refreshToken, publicClient, callerFrom('192.0.2.7'));
    const [first, second, ...more] = await harness.auditOf(familyId);
    expect(more).toEqual([]);
    expect(first).toMatchObject({ type: 'token.refreshed', outcome: 'rotated', actor_kind: 'user', actor_id: userId });
    expect(first.ip_hash).toMatch(/^1\.[\w-]{22}$/);
    expect(first.detail).toEqual({ generation: 0, held: 0, user_id: userId, session_id: null });
    expect(second).toMatchObject({ outcome: 'grace', detail: { generation: 0, held: 1 } });
  });

  test('extends the idle expiry and never the absolute one; a repetition within grace extends neither', async () => {
    const { family_id: familyId, refresh_token: refreshToken } = await harness.newFamily();
    await harness.set(familyId, `idle_expires_at = now() + interval '1 minute'`);
    const before = await harness.rowOf(familyId);
    await copy.refresh(refreshToken);
    const after = await harness.rowOf(familyId);
    expect(after.idle_expires_at.getTime()).toBeGreaterThan(before.idle_expires_at.getTime() + 600_000_000);
    expect(after.expires_at).toEqual(before.expires_at);
    await copy.refresh(refreshToken);
    const repeated = await harness.rowOf(familyId);
    expect([repeated.idle_expires_at, repeated.expires_at]).toEqual([after.idle_expires_at, after.expires_at]);
  });

  test('the idle expiry never exceeds the absolute one', async () => {
    const { family_id: familyId, refresh_token: refreshToken } = await harness.newFamily();
    await harness.set(familyId, `expires_at = now() + interval '90 seconds'`);
    const answer = await copy.refresh(refreshToken);
    const row = await harness.rowOf(familyId);
    expect(row.idle_expires_at).toEqual(row.expires_at);
    expect(answer.refresh_expires_in_seconds).toBeLessThanOrEqual(90);
    expect(answer.refresh_expires_in_seconds).toBeGreaterThan(80);
  });

  test('a successor is made under the newest server key, its repetition under the same one', async () => {
    const { family_id: familyId, refresh_token: refreshToken } = await harness.newFamily();
    harness.makeUnder(2);
    const rotated = await copy.refresh(refreshToken);
    expect(rotated.refresh_token).toMatch(/^sp_rt_2\./);
    expect(await harness.rowOf(familyId)).toMatchObject({ kv: 2, prev_kv: 1 });
    // A copy on which the newest key is not active yet uses the key in the row, not its own newest.
    harness.makeUnder(1);
    expect(await other.refresh(refreshToken)).toMatchObject({ outcome: 'grace', refresh_token: rotated.refresh_token });
    expect(await outcome(copy, rotated.refresh_token)).toBe('rotated');
  });

  test('a successor under a server key that this copy does not have is 503, and a retry at another copy gets it', async () => {
    const { refresh_token: refreshToken } = await harness.newFamily();
    harness.makeUnder(2);
    const rotated = await copy.refresh(refreshToken);
    harness.makeUnder(1);
    const secrets = refreshSecrets(new Map([[1, harness.keys.get(1) as Buffer]]), () => 1);
    const behind = harness.copyWith({}, { secrets });
    expect(await outcome(behind, refreshToken)).toBe('key_ring_behind');
    expect((await copy.refresh(refreshToken)).refresh_token).toBe(rotated.refresh_token);
  });
});

describe('grace', () => {
  test('the previous token within the grace window gets the same successor, because a lost response is not theft', async () => {
    const { family_id: familyId, refresh_token: refreshToken } = await harness.newFamily();
    const rotated = await copy.refresh(refreshToken);
    const repeated = await other.refresh(refreshToken);
    expect(repeated).toEqual({ ...rotated, outcome: 'grace', refresh_expires_in_seconds: expect.any(Number) });
    expect(await harness.rowOf(familyId)).toMatchObject({ generation: 1, grace_uses: 1 });
  });

  test('beyond the allowed uses it is 429 with Retry-After and an audit event, and the family stays live', async () => {
    const tight = harness.copyWith({ graceUses: 2 });
    const { family_id: familyId, refresh_token: refreshToken } = await harness.newFamily();
    const successor = await next(tight, refreshToken);
    expect(await outcome(tight, refreshToken)).toBe('grace');
    expect(await outcome(tight, refreshToken)).toBe('grace');
    const refusal = await tight.refresh(refreshToken).catch((err: unknown) => err);
    expect(refusal).toMatchObject({ code: 'refresh_grace_spent', definition: { status: 429 } });
    const seconds = (refusal as { options: { retryAfterSeconds: number } }).options.retryAfterSeconds;
    expect(seconds).toBeGreaterThanOrEqual(1);
    expect(seconds).toBeLessThanOrEqual(GRACE_SECONDS);
    expect((await harness.auditOf(familyId)).at(-1)).toMatchObject({
      type: 'token.refresh_overused',
      outcome: 'grace_spent',
    });
    expect(await outcome(tight, successor)).toBe('rotated');
  });

  test('after the window it is a replay: the family and its access tokens end, and every answer gives that reason', async () => {
    const { family_id: familyId, refresh_token: refreshToken, userId } = await harness.newFamily();
    const successor = await next(copy, refreshToken);
    const announced = copy.announced();
    await harness.set(familyId, `rotated_at = rotated_at - interval '${GRACE_SECONDS + 1} seconds'`);
    expect(await outcome(copy, refreshToken)).toBe('refresh_token_reused');
    expect(await harness.rowOf(familyId)).toMatchObject({ generation: 1, revoke_reason: 'refresh_token_reused' });
    expect(await harness.revocationsOf(familyId)).toEqual([
      { reason: 'refresh_token_reused', user_id: userId, client_id: 'sallyport' },
    ]);
    expect(copy.announced()).toBe(announced + 1);
    expect((await harness.auditOf(familyId)).at(-1)).toMatchObject({
      type: 'token.refresh_reused',
      outcome: 'replay',
      actor_kind: 'anonymous',
    });
    expect(await outcome(copy, successor)).toBe('refresh_token_reused');
    expect(await outcome(other, refreshToken)).toBe('refresh_token_reused');
    expect(await harness.revocationsOf(familyId)).toHaveLength(1);
  });

  test('a retry just before the end of the window is within grace', async () => {
    const { family_id: familyId, refresh_token: refreshToken } = await harness.newFamily();
    await next(copy, refreshToken);
    await harness.set(familyId, `rotated_at = rotated_at - interval '${GRACE_SECONDS / 2} seconds'`);
    expect(await outcome(copy, refreshToken)).toBe('grace');
  });

  test('grace from another network or agent in three successive generations ends the family', async () => {
    const { family_id: familyId, refresh_token: refreshToken } = await harness.newFamily();
    let token = refreshToken;
    for (const expected of ['grace', 'grace', 'refresh_token_reused']) {
      const successor = (await copy.refresh(token, publicClient, callerFrom('192.0.2.1'))).refresh_token;
      expect(await outcome(copy, token, publicClient, '198.51.100.9')).toBe(expected);
      token = successor;
    }
    expect(await harness.rowOf(familyId)).toMatchObject({ grace_streak: 3, revoke_reason: 'refresh_token_reused' });
    expect(await harness.revocationsOf(familyId)).toHaveLength(1);
  });

  test('a generation without such grace resets the count, and grace from the same network and agent never counts', async () => {
    const { family_id: familyId, refresh_token: refreshToken } = await harness.newFamily();
    let token = refreshToken;
    for (const ip of ['198.51.100.9', '198.51.100.9', '192.0.2.1', '198.51.100.9', '198.51.100.9', '192.0.2.1']) {
      const successor = (await copy.refresh(token, publicClient, callerFrom('192.0.2.1'))).refresh_token;
      expect(await outcome(copy, token, publicClient, ip)).toBe('grace');
      expect(await outcome(copy, token, publicClient, ip)).toBe('grace');
      token = successor;
    }
    await copy.refresh(token);
    expect(await harness.rowOf(familyId)).toMatchObject({ revoke_reason: null, generation: 7, grace_streak: 0 });
  });

  test('without grace the second use of a sender-constrained token ends the family', async () => {
    const strict = harness.copyWith({ graceSeconds: 0 });
    const by = { ...publicClient, jkt: 'thumb' };
    const { family_id: familyId, refresh_token: refreshToken } = await harness.newFamily({ jkt: 'thumb' }, strict);
    expect(await outcome(strict, refreshToken, by)).toBe('rotated');
    expect(await outcome(strict, refreshToken, by)).toBe('refresh_token_reused');
    expect(await harness.revocationsOf(familyId)).toHaveLength(1);
  });

  test('without grace two uses in one batch end the family, as two sequential ones do (CVE-2026-1035, Keycloak: parallel uses of one refresh token went past the rule of one use)', async () => {
    const strict = harness.copyWith({ graceUses: 0 });
    const { family_id: familyId, refresh_token: refreshToken } = await harness.newFamily({ jkt: 'thumb' }, strict);
    const by = { ...publicClient, jkt: 'thumb' };
    const outcomes = await Promise.all([1, 2, 3].map(() => outcome(strict, refreshToken, by)));
    expect(outcomes).toEqual(['rotated', 'refresh_token_reused', 'refresh_token_reused']);
    expect(await harness.revocationsOf(familyId)).toHaveLength(1);
    expect((await harness.auditOf(familyId)).map((row) => row.outcome)).toEqual(['rotated', 'replay', 'revoked']);
  });
});

describe('one batch', () => {
  /** Tokens g0…gn of a family whose current generation is `held`, presented in one statement. */
  const batch = async (held: number, presented: readonly number[], at = copy) => {
    const { family_id: familyId, refresh_token: refreshToken } = await harness.newFamily();
    const tokens = await generations(at, refreshToken, held);
    const statements = at.statements();
    const outcomes = await together(
      at,
      presented.map((generation) => tokens[generation] ?? harness.forge(refreshToken, generation)),
    );
    expect(at.statements()).toBe(statements + 1);
    const audit = (await harness.auditOf(familyId)).slice(held).map((row) => `${row.detail.generation}:${row.outcome}`);
    return { outcomes, audit, row: await harness.rowOf(familyId), revocations: await harness.revocationsOf(familyId) };
  };

  test('g1, g2, g1 with g2 current give grace, rotated, grace, with audit rows in the order of processing', async () => {
    const { outcomes, audit, row } = await batch(2, [1, 2, 1]);
    expect(outcomes).toEqual(['grace', 'rotated', 'grace']);
    expect(audit).toEqual(['1:grace', '1:grace', '2:rotated']);
    expect(row).toMatchObject({ generation: 3, grace_uses: 0 });
  });

  test('the current token three times gives one rotation and two repetitions', async () => {
    const { outcomes, row } = await batch(2, [2, 2, 2]);
    expect(outcomes).toEqual(['rotated', 'grace', 'grace']);
    expect(row).toMatchObject({ generation: 3, grace_uses: 2 });
  });

  test('a replay is processed first: no other token rotates, and the family ends once', async () => {
    const { outcomes, audit, row, revocations } = await batch(3, [3, 2, 0, 3, 1]);
    expect(outcomes).toEqual(Array(5).fill('refresh_token_reused'));
    expect(audit).toEqual(['0:replay', '1:revoked', '2:revoked', '3:revoked', '3:revoked']);
    expect(row).toMatchObject({ generation: 3, revoke_reason: 'refresh_token_reused' });
    expect(revocations).toHaveLength(1);
  });

  test('a token ahead of its row does not affect other tokens', async () => {
    const { outcomes, row } = await batch(1, [9, 1, 0]);
    expect(outcomes).toEqual(['session_ended', 'rotated', 'grace']);
    expect(row).toMatchObject({ generation: 2, revoke_reason: null });
  });

  test('retries and repetitions beyond the allowed uses are refused individually', async () => {
    const tight = harness.copyWith({ graceUses: 1 });
    const { outcomes, row } = await batch(1, [0, 1, 0, 1, 1], tight);
    expect(outcomes).toEqual(['grace', 'rotated', 'refresh_grace_spent', 'grace', 'refresh_grace_spent']);
    expect(row).toMatchObject({ generation: 2, grace_uses: 1, revoke_reason: null });
  });

  test('families in one batch do not affect each other', async () => {
    const families = await Promise.all(Array.from({ length: 20 }, () => harness.newFamily()));
    const ended = families[7] as (typeof families)[number];
    const tokens = await generations(copy, ended.refresh_token, 2);
    const presented = families.map((family) => (family === ended ? (tokens[0] as string) : family.refresh_token));
    const statements = copy.statements();
    const outcomes = await together(copy, [...presented, 'sp_rt_rubbish']);
    expect(copy.statements()).toBe(statements + 1);
    expect(outcomes.filter((each) => each === 'rotated')).toHaveLength(19);
    expect(outcomes[7]).toBe('refresh_token_reused');
    expect(outcomes[20]).toBe('refresh_token_invalid');
  });

  test('answers are in the order of the requests, up to 128', async () => {
    const families = await Promise.all(Array.from({ length: 128 }, () => harness.newFamily()));
    const statements = copy.statements();
    const answers = await Promise.all(families.map((family) => copy.refresh(family.refresh_token)));
    expect(copy.statements()).toBe(statements + 1);
    expect(answers.map((answer) => answer.user_id)).toEqual(families.map((family) => family.userId));
  });

  test('without group commit each request has a separate statement and the same answer', async () => {
    const single = harness.copyWith({ groupCommit: false });
    const { family_id: familyId, refresh_token: refreshToken } = await harness.newFamily();
    const answers = await Promise.all(Array.from({ length: 10 }, () => single.refresh(refreshToken)));
    expect(single.statements()).toBe(10);
    expect(new Set(answers.map((answer) => answer.refresh_token)).size).toBe(1);
    expect(await harness.rowOf(familyId)).toMatchObject({ generation: 1, grace_uses: 9 });
  });
});

describe('refusals', () => {
  test('any older generation, however old, is a replay and ends the family', async () => {
    const { family_id: familyId, refresh_token: refreshToken } = await harness.newFamily();
    const tokens = await generations(copy, refreshToken, 5);
    expect(await outcome(copy, tokens[1] as string)).toBe('refresh_token_reused');
    expect(await outcome(other, tokens[5] as string)).toBe('refresh_token_reused');
    expect(await harness.rowOf(familyId)).toMatchObject({ generation: 5, revoke_reason: 'refresh_token_reused' });
  });

  test.each([
    ['revoked', 'session_ended'],
    ['session_ended', 'session_ended'],
    ['family_reused', 'refresh_token_reused'],
  ] as const)('a family that this copy knows to be %s gets no pair, whatever its row says', async (reason, code) => {
    const { refresh_token: refreshToken } = await harness.newFamily();
    const revocations = { ...copy.ports.revocations, check: () => reason };
    const refused = rotateFamily(
      { ...copy.ports, revocations },
      await copy.check(refreshToken),
      publicClient,
      callerFrom('192.0.2.1'),
    );
    await expect(refused).rejects.toMatchObject({ code });
  });

  test('with replay protection off a replay is refused, audited and ends nothing', async () => {
    const lenient = harness.copyWith({ enableReplayProtection: false });
    const { family_id: familyId, refresh_token: refreshToken } = await harness.newFamily();
    const tokens = await generations(lenient, refreshToken, 3);
    const before = await harness.imageOf(familyId);
    expect(await together(lenient, [tokens[0], tokens[1], tokens[0]] as string[])).toEqual(
      Array(3).fill('refresh_token_reused'),
    );
    expect(await harness.imageOf(familyId)).toBe(before);
    expect((await harness.auditOf(familyId)).slice(-3).map((row) => row.outcome)).toEqual(Array(3).fill('replay'));
    expect(lenient.announced()).toBe(0);
    expect(await outcome(lenient, tokens[3] as string)).toBe('rotated');
  });

  test.each([
    ['idle', `idle_expires_at = now() - interval '1 second'`],
    ['absolute', `expires_at = now() - interval '1 second'`],
  ])('past its %s expiry every generation is refused as expired and nothing changes', async (_kind, assignment) => {
    const { family_id: familyId, refresh_token: refreshToken } = await harness.newFamily();
    const tokens = await generations(copy, refreshToken, 2);
    await harness.set(familyId, assignment);
    const before = await harness.imageOf(familyId);
    for (const token of tokens) expect(await outcome(copy, token)).toBe('refresh_token_expired');
    expect(await harness.imageOf(familyId)).toBe(before);
    expect((await harness.auditOf(familyId)).at(-1)).toMatchObject({
      outcome: 'expired',
      actor_kind: 'anonymous',
      actor_id: null,
    });
  });

  test('a statement that starts after its clients got 503 rotates nothing and treats no honest token as a replay', async () => {
    const { family_id: familyId, refresh_token: refreshToken } = await harness.newFamily();
    const tokens = await generations(copy, refreshToken, 3);
    const secrets = { ...harness.secrets, state: () => ({ clockOffsetMs: 172_800_000 }) };
    const late = harness.copyWith({}, { secrets });
    const [before, audited] = [await harness.imageOf(familyId), await harness.auditOf(familyId)];
    for (const token of tokens) expect(await outcome(late, token)).toBe('store_unavailable');
    expect(await harness.imageOf(familyId)).toBe(before);
    expect(await harness.auditOf(familyId)).toEqual(audited);
    expect(await outcome(copy, tokens[3] as string)).toBe('rotated');
  });

  test('the deadline of a statement is measured by the database’s clock, however wrong ours is', async () => {
    const { refresh_token: refreshToken } = await harness.newFamily();
    const wrong = (clockOffsetMs: number) => ({
      clock: { now: () => Date.now() + clockOffsetMs, monotonic: () => performance.now() },
      secrets: { ...harness.secrets, state: () => ({ clockOffsetMs }) },
    });
    const [ahead, behind] = [wrong(172_800_000), wrong(-172_800_000)].map((options) => harness.copyWith({}, options));
    const [, second] = await generations(ahead!, refreshToken, 1);
    expect(await outcome(behind!, second as string)).toBe('rotated');
  });

  test('a family ended for another reason answers session_ended, whatever the generation', async () => {
    const { family_id: familyId, refresh_token: refreshToken } = await harness.newFamily();
    const tokens = await generations(copy, refreshToken, 2);
    await harness.set(familyId, `revoked_at = now(), revoke_reason = 'sign_out'`);
    const before = await harness.imageOf(familyId);
    for (const token of tokens) expect(await outcome(copy, token)).toBe('session_ended');
    expect(await harness.imageOf(familyId)).toBe(before);
    expect(await harness.revocationsOf(familyId)).toEqual([]);
  });

  // The triggers, which would end the families, are disabled here, as after a restore of single rows.
  test.each([
    ['the user’s epoch moved', `UPDATE users SET "tokenEpoch" = 1 WHERE id = $1`],
    ['the user is disabled', `UPDATE users SET "disabledAt" = now() WHERE id = $1`],
    ['the user is deleted', `DELETE FROM users WHERE id = $1`],
  ])('a family is rejected when %s, even without a revocation of it', async (_what, statement) => {
    const { family_id: familyId, refresh_token: refreshToken, userId } = await harness.newFamily();
    const client = await copy.pool.connect();
    await client.query(`SET session_replication_role = replica`);
    await client.query(statement, [userId]);
    await client.query(`RESET session_replication_role`);
    client.release();
    const before = await harness.imageOf(familyId);
    expect(await outcome(copy, refreshToken)).toBe('session_ended');
    expect(await harness.imageOf(familyId)).toBe(before);
  });

  test.each([
    ['its epoch moved', `UPDATE oauth_clients SET "tokenEpoch" = "tokenEpoch" + 1 WHERE "clientId" = $1`],
    ['it is disabled', `UPDATE oauth_clients SET disabled = true WHERE "clientId" = $1`],
    ['it is deleted', `DELETE FROM oauth_clients WHERE "clientId" = $1`],
  ])('a family of a client is rejected when %s, even without a revocation of it', async (_what, statement) => {
    const clientId = randomUUID();
    await copy.pool.query(`INSERT INTO oauth_clients (id, "clientId") VALUES ($1, $1)`, [clientId]);
    const { refresh_token: refreshToken } = await harness.newFamily({ client_id: clientId });
    const client = await copy.pool.connect();
    await client.query(`SET session_replication_role = replica`);
    await client.query(statement, [clientId]);
    await client.query(`RESET session_replication_role`);
    client.release();
    expect(await outcome(copy, refreshToken)).toBe('session_ended');
  });

  test('a genuine token ahead of its row changes nothing, is refused and raises state_rewound', async () => {
    const { family_id: familyId, refresh_token: refreshToken } = await harness.newFamily();
    const tokens = await generations(copy, refreshToken, 1);
    const before = await harness.imageOf(familyId);
    expect(await outcome(copy, harness.forge(refreshToken, 2))).toBe('session_ended');
    expect(await outcome(copy, harness.forge(refreshToken, 2_000_000_000))).toBe('session_ended');
    expect(await harness.imageOf(familyId)).toBe(before);
    expect(harness.errors).toEqual(Array(2).fill({ event: 'state_rewound' }));
    expect((await harness.auditOf(familyId)).at(-1)).toMatchObject({ type: 'token.state_rewound', outcome: 'ahead' });
    expect(await outcome(copy, tokens[1] as string)).toBe('rotated');
  });

  test('a genuine token of a deleted family is refused and audited', async () => {
    const parts = { kv: 1, familyBytes: randomBytes(16), generation: 0, nonce: randomBytes(32) };
    const token = mintRefreshToken(harness.keys.get(1) as Buffer, harness.incarnation, parts, '');
    expect(await outcome(copy, token)).toBe('refresh_token_invalid');
    const { rows } = await copy.pool.query(`SELECT count(*)::int FROM audit_outbox WHERE outcome = 'unknown'`);
    expect(rows[0].count).toBe(1);
  });

  test('an attacker with the server key but without the nonce changes nothing', async () => {
    const { family_id: familyId, refresh_token: refreshToken } = await harness.newFamily();
    const parts = checkRefreshToken(refreshToken, [''], harness.secrets, harness.incarnation);
    const forged = mintRefreshToken(
      harness.keys.get(1) as Buffer,
      harness.incarnation,
      { kv: 1, familyBytes: (parts as { familyBytes: Buffer }).familyBytes, generation: 0, nonce: randomBytes(32) },
      '',
    );
    const before = await harness.imageOf(familyId);
    expect(await outcome(copy, forged)).toBe('refresh_token_invalid');
    expect(await harness.imageOf(familyId)).toBe(before);
    expect((await harness.auditOf(familyId)).at(-1)).toMatchObject({ outcome: 'mismatch' });
  });

  test('the current and the previous generation are refused under another server key', async () => {
    const { family_id: familyId, refresh_token: refreshToken } = await harness.newFamily();
    await generations(copy, refreshToken, 1);
    const before = await harness.imageOf(familyId);
    expect(await outcome(copy, harness.forge(refreshToken, 1, 2))).toBe('refresh_token_invalid');
    expect(await outcome(copy, harness.forge(refreshToken, 0, 2))).toBe('refresh_token_invalid');
    expect(await harness.imageOf(familyId)).toBe(before);
  });

  test('an attacker who guesses tokens of a known family id changes nothing and causes no statement', async () => {
    const { family_id: familyId, refresh_token: refreshToken } = await harness.newFamily();
    const [head, family, , nonce, mac] = refreshToken.split('.');
    const { rows: before } = await copy.pool.query('SELECT count(*)::int FROM audit_outbox');
    const image = await harness.imageOf(familyId);
    const statements = copy.statements();
    const guesses = [
      ...Array.from({ length: 200 }, () =>
        [head, family, '0', randomBytes(32).toString('base64url'), randomBytes(32).toString('base64url')].join('.'),
      ),
      [head, family, '1', nonce, mac].join('.'),
      [head, family, '0', nonce, randomBytes(32).toString('base64url')].join('.'),
      ['sp_rt_2', family, '0', nonce, mac].join('.'),
      ['sp_rt_3', family, '0', nonce, mac].join('.'),
      'x'.repeat(100_000),
      '',
    ];
    for (const guess of guesses) expect(await outcome(copy, guess)).toBe('refresh_token_invalid');
    expect(copy.statements()).toBe(statements);
    expect(await harness.imageOf(familyId)).toBe(image);
    expect((await copy.pool.query('SELECT count(*)::int FROM audit_outbox')).rows).toEqual(before);
  });

  test('tokens of another incarnation are refused without a statement', async () => {
    const { refresh_token: refreshToken } = await harness.newFamily();
    const restored = harness.copyWith({}, { incarnation: randomUUID() });
    expect(await outcome(restored, refreshToken)).toBe('refresh_token_invalid');
    expect(restored.statements()).toBe(0);
  });
});

describe('clients and keys', () => {
  const authenticated = (clientId: string): PresentedBy => ({ clientId, isAuthenticated: true });
  const newClient = async (): Promise<string> => {
    const clientId = randomUUID();
    await copy.pool.query(`INSERT INTO oauth_clients (id, "clientId") VALUES ($1, $1)`, [clientId]);
    return clientId;
  };

  test('a client-bound token is accepted only from its client', async () => {
    const [mine, foreign] = [await newClient(), await newClient()];
    const bound = { client_id: mine, is_client_bound: true };
    const { family_id: familyId, refresh_token: refreshToken } = await harness.newFamily(bound);
    const statements = copy.statements();
    expect(await outcome(copy, refreshToken)).toBe('refresh_token_invalid');
    expect(await outcome(copy, refreshToken, authenticated(foreign))).toBe('refresh_token_invalid');
    expect(copy.statements()).toBe(statements);
    expect(await outcome(copy, refreshToken, authenticated(mine))).toBe('rotated');
    expect((await harness.auditOf(familyId)).at(-1)).toMatchObject({
      actor_kind: 'client',
      actor_id: mine,
      client_id: mine,
    });
  });

  test('a token that is not client-bound is accepted without a client, and of all clients only from its own', async () => {
    const [mine, foreign] = [await newClient(), await newClient()];
    const { family_id: familyId, refresh_token: refreshToken } = await harness.newFamily({ client_id: mine });
    const before = await harness.imageOf(familyId);
    expect(await outcome(copy, refreshToken, authenticated(foreign))).toBe('refresh_token_invalid');
    expect(await harness.imageOf(familyId)).toBe(before);
    const successor = (await copy.refresh(refreshToken, authenticated(mine))).refresh_token;
    expect(await outcome(copy, successor)).toBe('rotated');
  });

  test.each([
    ['DPoP key', { jkt: 'thumb' }, { jkt: 'other' }],
    ['client certificate', { x5t: 'thumb' }, { x5t: 'other' }],
  ])('a family bound to a %s is refreshed only with that proof', async (_what, binding, wrong) => {
    const { family_id: familyId, refresh_token: refreshToken } = await harness.newFamily(binding);
    const before = await harness.imageOf(familyId);
    expect(await outcome(copy, refreshToken)).toBe('refresh_token_invalid');
    expect(await outcome(copy, refreshToken, { ...publicClient, ...wrong })).toBe('refresh_token_invalid');
    expect(await harness.imageOf(familyId)).toBe(before);
    expect(await copy.refresh(refreshToken, { ...publicClient, ...binding })).toMatchObject({
      outcome: 'rotated',
      ...binding,
    });
  });
});

describe('a token delayed at one copy, while its client has given up there and refreshed twice at another copy', () => {
  const from = (request: Partial<RequestContext>) => ({
    kind: 'anonymous' as const,
    request: { ip: '192.0.2.1', userAgent: 'test/1', traceId: '', traceparent: '', hasLeft: false, ...request },
  });

  test('of a caller who has left is not sent, so it is not taken for a replay and the family stays live', async () => {
    const { family_id: familyId, refresh_token: refreshToken } = await harness.newFamily();
    const statements = copy.statements();
    const caller = from({});
    const abandoned = outcomeOf(copy.refresh(refreshToken, publicClient, caller));
    caller.request.hasLeft = true;
    const tokens = await generations(other, refreshToken, 2);
    expect(await abandoned).toBe('store_unavailable');
    expect(copy.statements()).toBe(statements);
    expect(await harness.rowOf(familyId)).toMatchObject({ generation: 2, revoke_reason: null });
    expect(await outcome(copy, tokens[2] as string)).toBe('rotated');
  });

  test('that arrived longer ago than its deadline is not sent', async () => {
    const { family_id: familyId, refresh_token: refreshToken } = await harness.newFamily();
    await generations(other, refreshToken, 2);
    const arrivedAt = systemClock.monotonic() - PATIENCE_MS - 1;
    expect(await outcomeOf(copy.refresh(refreshToken, publicClient, from({ arrivedAt })))).toBe('store_unavailable');
    expect(await harness.rowOf(familyId)).toMatchObject({ generation: 2, revoke_reason: null });
  });

  test('whose statement begins past the deadline of its arrival changes nothing', async () => {
    const { family_id: familyId, refresh_token: refreshToken } = await harness.newFamily();
    await generations(other, refreshToken, 2);
    // Sent before the deadline by our clock, begun after it by the database's clock.
    const secrets = { ...harness.secrets, state: () => ({ clockOffsetMs: PATIENCE_MS / 2 }) };
    const late = harness.copyWith({}, { secrets });
    const arrivedAt = systemClock.monotonic() - PATIENCE_MS * 0.75;
    expect(await outcomeOf(late.refresh(refreshToken, publicClient, from({ arrivedAt })))).toBe('store_unavailable');
    expect(late.statements()).toBe(1);
    expect(await harness.rowOf(familyId)).toMatchObject({ generation: 2, revoke_reason: null });
  });
});
