import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { RequestContext } from '#services/core/ports.ts';
import { systemClock } from '#services/platform/crypto/system.ts';
import { callerFrom, type FamilyCopy, publicClient } from '#tools/testing/fixtures/families.ts';
import { PATIENCE_MS } from '#tools/testing/harness/ports.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { type FamilyHarness, generations, openFamilyHarness, outcome, together } from './family-harness.ts';
import { checkRefreshToken, mintRefreshToken } from './refresh-token-format.ts';
import { type PresentedBy, rotateFamily } from './rotate-family.ts';

let harness: FamilyHarness;
let copy: FamilyCopy;
let other: FamilyCopy;
beforeAll(async () => {
  harness = await openFamilyHarness();
  [copy, other] = [harness.copyWith(), harness.copyWith()];
});
afterEach(() => harness.reset());
afterAll(() => harness?.close());

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
