import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { isAppError } from '../../platform/define/error.ts';
import {
  callerFrom,
  createFamilyCopy,
  type FamilyCopy,
  insertSession,
  insertUser,
  publicClient,
  quietLog,
  refreshSecrets,
  refreshSettings,
} from '../../platform/testing/families.ts';
import { createTestDatabase, type TestDatabase } from '../../platform/testing/stores.ts';
import { useIdentifierKey } from '../audit/audit-context.ts';
import type { Log } from '../ports.ts';
import type { CreatedFamily, NewFamily } from './create-family.ts';
import { checkRefreshToken, mintRefreshToken } from './refresh-token-format.ts';
import type { PresentedBy } from './rotate-family.ts';

const incarnation = randomUUID();
const keys = new Map([
  [1, randomBytes(32)],
  [2, randomBytes(32)],
]);
let newest = 1;
const secrets = refreshSecrets(keys, () => newest);
const errors: object[] = [];
const log: Log = { ...quietLog, error: (fields) => void errors.push(fields) };
let database: TestDatabase;
let copy: FamilyCopy;
let other: FamilyCopy;
const copies: FamilyCopy[] = [];
const copyWith = (settings: Partial<typeof refreshSettings> = {}): FamilyCopy => {
  const made = createFamilyCopy({
    url: database.url,
    secrets,
    incarnation,
    log,
    // Patient: a busy machine changes no verdict.
    deadlineMs: 30_000,
    statementTimeoutMs: 30_000,
    lockTimeoutMs: 30_000,
    settings: { ...refreshSettings, ...settings },
  });
  copies.push(made);
  return made;
};
beforeAll(async () => {
  useIdentifierKey(() => ({ version: 1, key: Buffer.alloc(32, 1) }));
  database = await createTestDatabase();
  copy = copyWith();
  other = copyWith();
});
afterEach(() => {
  newest = 1;
  errors.length = 0;
});
afterAll(async () => {
  useIdentifierKey(undefined);
  await Promise.all(copies.map((each) => each.close()));
  await database.drop();
});

const newFamily = async (family: Partial<NewFamily> = {}, at = copy): Promise<CreatedFamily & { userId: string }> => {
  const userId = await insertUser(copy.pool);
  return { userId, ...(await at.create({ userId, ...family })) };
};

type Row = {
  generation: number;
  grace_uses: number;
  grace_streak: number;
  grace_contested: boolean;
  revoke_reason: string | null;
  revoked_at: Date | null;
  rotated_at: Date;
  idle_expires_at: Date;
  expires_at: Date;
  kv: number;
  prev_kv: number;
};
const rowOf = async (familyId: string): Promise<Row> =>
  (await copy.pool.query('SELECT * FROM refresh_families WHERE id = $1', [familyId])).rows[0];
/** The row as text: changed or not. */
const imageOf = async (familyId: string): Promise<string> => JSON.stringify(await rowOf(familyId));
const auditOf = async (familyId: string) =>
  (
    await copy.pool.query(
      `SELECT type, outcome, actor_kind, actor_id, client_id, ip_hash, detail FROM audit_outbox
       WHERE target_id = $1 AND type LIKE 'token.%' AND type <> 'token.family_created' ORDER BY id`,
      [familyId],
    )
  ).rows;
const revocationsOf = async (familyId: string) =>
  (
    await copy.pool.query(`SELECT reason, user_id, client_id FROM revocations WHERE kind = 'family' AND value = $1`, [
      familyId,
    ])
  ).rows;
const set = (familyId: string, assignments: string) =>
  copy.pool.query(`UPDATE refresh_families SET ${assignments} WHERE id = $1`, [familyId]);

/** The verdict, or the code of the refusal. */
const outcome = (at: FamilyCopy, token: string, by: PresentedBy = publicClient, ip?: string): Promise<string> =>
  at.refresh(token, by, ip === undefined ? undefined : callerFrom(ip)).then(
    (answer) => answer.verdict,
    (err: unknown) => (isAppError(err) ? err.code : String(err)),
  );
/** Tokens presented in one turn share one statement. */
const together = (at: FamilyCopy, tokens: readonly string[]): Promise<string[]> =>
  Promise.all(tokens.map((token) => outcome(at, token)));
const next = async (token: string, at = copy): Promise<string> => (await at.refresh(token)).refreshToken;
/** Tokens of generations 0 to `last`; the last is current, the one before within its grace. */
const generations = async (first: string, last: number, at = copy): Promise<string[]> => {
  const tokens = [first];
  for (let generation = 0; generation < last; generation += 1) tokens.push(await next(tokens.at(-1) as string, at));
  return tokens;
};
/** Any generation of the family, as the server itself would make it. */
const forge = (token: string, generation: number, kv = 1): string => {
  const parts = checkRefreshToken(token, [''], secrets, incarnation);
  if (parts === null) throw new Error('not a token');
  return mintRefreshToken(keys.get(kv) as Buffer, incarnation, { ...parts, generation, kv }, '');
};

describe('rotation', () => {
  test('60 parallel refreshes of one token over two copies: one rotation, one successor, no error (T2)', async () => {
    const family = await newFamily();
    const answers = await Promise.all(
      Array.from({ length: 60 }, (_, index) => (index % 2 === 0 ? copy : other).refresh(family.refreshToken)),
    );
    expect(answers.filter((answer) => answer.verdict === 'rotated')).toHaveLength(1);
    expect(new Set(answers.map((answer) => answer.refreshToken)).size).toBe(1);
    expect(await rowOf(family.familyId)).toMatchObject({ generation: 1, grace_uses: 59, revoke_reason: null });
    expect(await outcome(copy, (answers[0] as { refreshToken: string }).refreshToken)).toBe('rotated');
  });

  test('answers the facts to sign from', async () => {
    const userId = await insertUser(copy.pool);
    await copy.pool.query(`INSERT INTO user_roles VALUES ($1, 'admin')`, [userId]);
    const sessionId = await insertSession(copy.pool, userId);
    const family = await newFamily({
      userId,
      sessionId,
      audience: 'https://a.test',
      scope: 'openid',
      authTime: 1_700_000_001,
    });
    expect(await copy.refresh(family.refreshToken)).toEqual({
      verdict: 'rotated',
      familyId: family.familyId,
      userId,
      email: `${userId}@example.test`,
      roles: ['admin', 'user'],
      userEpoch: 0,
      clientId: 'sallyport',
      clientEpoch: 0,
      sessionId,
      scope: 'openid',
      audience: 'https://a.test',
      authTime: 1_700_000_001,
      jkt: null,
      x5t: null,
      refreshToken: expect.stringMatching(/^sp_rt_1\./),
      refreshExpiresInSeconds: refreshSettings.refreshTokenSeconds,
    });
  });

  test('writes one audit row for each presented token, with the rotation (A-TOK-04)', async () => {
    const { familyId, refreshToken, userId } = await newFamily();
    await copy.refresh(refreshToken, publicClient, callerFrom('192.0.2.7'));
    await copy.refresh(refreshToken, publicClient, callerFrom('192.0.2.7'));
    const [first, second, ...more] = await auditOf(familyId);
    expect(more).toEqual([]);
    expect(first).toMatchObject({ type: 'token.refreshed', outcome: 'rotated', actor_kind: 'user', actor_id: userId });
    expect(first.ip_hash).toMatch(/^1\.[\w-]{22}$/);
    expect(first.detail).toEqual({ generation: 0, held: 0, user_id: userId, session_id: null });
    expect(second).toMatchObject({ outcome: 'grace', detail: { generation: 0, held: 1 } });
  });

  test('slides the idle expiry and never the absolute one; grace extends neither (T16)', async () => {
    const { familyId, refreshToken } = await newFamily();
    await set(familyId, `idle_expires_at = now() + interval '1 minute'`);
    const before = await rowOf(familyId);
    await copy.refresh(refreshToken);
    const after = await rowOf(familyId);
    expect(after.idle_expires_at.getTime()).toBeGreaterThan(before.idle_expires_at.getTime() + 600_000_000);
    expect(after.expires_at).toEqual(before.expires_at);
    await copy.refresh(refreshToken);
    const repeated = await rowOf(familyId);
    expect([repeated.idle_expires_at, repeated.expires_at]).toEqual([after.idle_expires_at, after.expires_at]);
  });

  test('the idle expiry ends at the absolute one (T16)', async () => {
    const { familyId, refreshToken } = await newFamily();
    await set(familyId, `expires_at = now() + interval '90 seconds'`);
    const answer = await copy.refresh(refreshToken);
    const row = await rowOf(familyId);
    expect(row.idle_expires_at).toEqual(row.expires_at);
    expect(answer.refreshExpiresInSeconds).toBeLessThanOrEqual(90);
    expect(answer.refreshExpiresInSeconds).toBeGreaterThan(80);
  });

  test('a successor is made under the newest server key, its repetition under the same one', async () => {
    const { familyId, refreshToken } = await newFamily();
    newest = 2;
    const rotated = await copy.refresh(refreshToken);
    expect(rotated.refreshToken).toMatch(/^sp_rt_2\./);
    expect(await rowOf(familyId)).toMatchObject({ kv: 2, prev_kv: 1 });
    // A copy that does not have the newest key active yet repeats what the row says, not its own newest.
    newest = 1;
    expect(await other.refresh(refreshToken)).toMatchObject({ verdict: 'grace', refreshToken: rotated.refreshToken });
    expect(await outcome(copy, rotated.refreshToken)).toBe('rotated');
  });

  test('a successor under a server key this copy does not have is 503, and the retry elsewhere gets it', async () => {
    const { refreshToken } = await newFamily();
    newest = 2;
    const rotated = await copy.refresh(refreshToken);
    newest = 1;
    const behind = createFamilyCopy({
      url: database.url,
      secrets: refreshSecrets(new Map([[1, keys.get(1) as Buffer]]), () => 1),
      incarnation,
      deadlineMs: 30_000,
    });
    copies.push(behind);
    expect(await outcome(behind, refreshToken)).toBe('key_ring_behind');
    expect((await copy.refresh(refreshToken)).refreshToken).toBe(rotated.refreshToken);
  });
});

describe('grace', () => {
  test('the previous token within its window gets the same successor: a lost answer is no theft (T2)', async () => {
    const { familyId, refreshToken } = await newFamily();
    const rotated = await copy.refresh(refreshToken);
    const repeated = await other.refresh(refreshToken);
    expect(repeated).toEqual({ ...rotated, verdict: 'grace', refreshExpiresInSeconds: expect.any(Number) });
    expect(await rowOf(familyId)).toMatchObject({ generation: 1, grace_uses: 1 });
  });

  test('past its count it is 429 with Retry-After, an incident and no end (T2)', async () => {
    const tight = copyWith({ graceUses: 2 });
    const { familyId, refreshToken } = await newFamily();
    const successor = await next(refreshToken, tight);
    expect(await outcome(tight, refreshToken)).toBe('grace');
    expect(await outcome(tight, refreshToken)).toBe('grace');
    const refusal = await tight.refresh(refreshToken).catch((err: unknown) => err);
    expect(refusal).toMatchObject({ code: 'refresh_grace_spent', definition: { status: 429 } });
    const seconds = (refusal as { options: { retryAfterSeconds: number } }).options.retryAfterSeconds;
    expect(seconds).toBeGreaterThanOrEqual(1);
    expect(seconds).toBeLessThanOrEqual(10);
    expect((await auditOf(familyId)).at(-1)).toMatchObject({ type: 'token.refresh_overused', outcome: 'grace_spent' });
    expect(await outcome(tight, successor)).toBe('rotated');
  });

  test('past its time it is a replay: the family ends with its access tokens, and every answer says why (T1)', async () => {
    const { familyId, refreshToken, userId } = await newFamily();
    const successor = await next(refreshToken);
    const announced = copy.announced();
    await set(familyId, `rotated_at = rotated_at - interval '11 seconds'`);
    expect(await outcome(copy, refreshToken)).toBe('refresh_token_reused');
    expect(await rowOf(familyId)).toMatchObject({ generation: 1, revoke_reason: 'refresh_token_reused' });
    expect(await revocationsOf(familyId)).toEqual([
      { reason: 'refresh_token_reused', user_id: userId, client_id: 'sallyport' },
    ]);
    expect(copy.announced()).toBe(announced + 1);
    expect((await auditOf(familyId)).at(-1)).toMatchObject({
      type: 'token.refresh_reused',
      outcome: 'replay',
      actor_kind: 'anonymous',
    });
    expect(await outcome(copy, successor)).toBe('refresh_token_reused');
    expect(await outcome(other, refreshToken)).toBe('refresh_token_reused');
    expect(await revocationsOf(familyId)).toHaveLength(1);
  });

  test('time moved close to the window’s edge is still grace', async () => {
    const { familyId, refreshToken } = await newFamily();
    await next(refreshToken);
    await set(familyId, `rotated_at = rotated_at - interval '5 seconds'`);
    expect(await outcome(copy, refreshToken)).toBe('grace');
  });

  test('three generations running with grace from another context end the family', async () => {
    const { familyId, refreshToken } = await newFamily();
    let token = refreshToken;
    for (const expected of ['grace', 'grace', 'refresh_token_reused']) {
      const successor = (await copy.refresh(token, publicClient, callerFrom('192.0.2.1'))).refreshToken;
      expect(await outcome(copy, token, publicClient, '198.51.100.9')).toBe(expected);
      token = successor;
    }
    expect(await rowOf(familyId)).toMatchObject({ grace_streak: 3, revoke_reason: 'refresh_token_reused' });
    expect(await revocationsOf(familyId)).toHaveLength(1);
  });

  test('a generation without such grace starts the count again, and grace from the same context never counts', async () => {
    const { familyId, refreshToken } = await newFamily();
    let token = refreshToken;
    for (const ip of ['198.51.100.9', '198.51.100.9', '192.0.2.1', '198.51.100.9', '198.51.100.9', '192.0.2.1']) {
      const successor = (await copy.refresh(token, publicClient, callerFrom('192.0.2.1'))).refreshToken;
      expect(await outcome(copy, token, publicClient, ip)).toBe('grace');
      expect(await outcome(copy, token, publicClient, ip)).toBe('grace');
      token = successor;
    }
    await copy.refresh(token);
    expect(await rowOf(familyId)).toMatchObject({ revoke_reason: null, generation: 7, grace_streak: 0 });
  });

  test('without grace the second use of a sender-constrained token ends the family', async () => {
    const strict = copyWith({ graceSeconds: 0 });
    const by = { ...publicClient, jkt: 'thumb' };
    const { familyId, refreshToken } = await newFamily({ jkt: 'thumb' }, strict);
    expect(await outcome(strict, refreshToken, by)).toBe('rotated');
    expect(await outcome(strict, refreshToken, by)).toBe('refresh_token_reused');
    expect(await revocationsOf(familyId)).toHaveLength(1);
  });

  test('without grace two uses in one batch end the family as two in a row do', async () => {
    const strict = copyWith({ graceUses: 0 });
    const { familyId, refreshToken } = await newFamily({ jkt: 'thumb' }, strict);
    const by = { ...publicClient, jkt: 'thumb' };
    const outcomes = await Promise.all([1, 2, 3].map(() => outcome(strict, refreshToken, by)));
    expect(outcomes).toEqual(['rotated', 'refresh_token_reused', 'refresh_token_reused']);
    expect(await revocationsOf(familyId)).toHaveLength(1);
    expect((await auditOf(familyId)).map((row) => row.outcome)).toEqual(['rotated', 'replay', 'revoked']);
  });
});

describe('refusals', () => {
  test('any older generation, ever, is recognised as replay and ends the family (T1)', async () => {
    const { familyId, refreshToken } = await newFamily();
    const tokens = await generations(refreshToken, 5);
    expect(await outcome(copy, tokens[1] as string)).toBe('refresh_token_reused');
    expect(await outcome(other, tokens[5] as string)).toBe('refresh_token_reused');
    expect(await rowOf(familyId)).toMatchObject({ generation: 5, revoke_reason: 'refresh_token_reused' });
  });

  test('with replay protection off a replay is refused, audited and ends nothing', async () => {
    const lenient = copyWith({ enableReplayProtection: false });
    const { familyId, refreshToken } = await newFamily();
    const tokens = await generations(refreshToken, 3, lenient);
    const before = await imageOf(familyId);
    expect(await together(lenient, [tokens[0], tokens[1], tokens[0]] as string[])).toEqual(
      Array(3).fill('refresh_token_reused'),
    );
    expect(await imageOf(familyId)).toBe(before);
    expect((await auditOf(familyId)).slice(-3).map((row) => row.outcome)).toEqual(Array(3).fill('replay'));
    expect(lenient.announced()).toBe(0);
    expect(await outcome(lenient, tokens[3] as string)).toBe('rotated');
  });

  test.each([
    ['idle', `idle_expires_at = now() - interval '1 second'`],
    ['absolute', `expires_at = now() - interval '1 second'`],
  ])('past its %s expiry every generation is refused as expired and nothing changes', async (_kind, assignment) => {
    const { familyId, refreshToken } = await newFamily();
    const tokens = await generations(refreshToken, 2);
    await set(familyId, assignment);
    const before = await imageOf(familyId);
    for (const token of tokens) expect(await outcome(copy, token)).toBe('refresh_token_expired');
    expect(await imageOf(familyId)).toBe(before);
    expect((await auditOf(familyId)).at(-1)).toMatchObject({
      outcome: 'expired',
      actor_kind: 'anonymous',
      actor_id: null,
    });
  });

  test('a family ended for another reason answers session_ended, whatever the generation', async () => {
    const { familyId, refreshToken } = await newFamily();
    const tokens = await generations(refreshToken, 2);
    await set(familyId, `revoked_at = now(), revoke_reason = 'sign_out'`);
    const before = await imageOf(familyId);
    for (const token of tokens) expect(await outcome(copy, token)).toBe('session_ended');
    expect(await imageOf(familyId)).toBe(before);
    expect(await revocationsOf(familyId)).toEqual([]);
  });

  // The triggers would end the families; here they are switched off, as after a restore of rows alone.
  test.each([
    ['the user’s epoch moved', `UPDATE users SET "tokenEpoch" = 1 WHERE id = $1`],
    ['the user is disabled', `UPDATE users SET "disabledAt" = now() WHERE id = $1`],
    ['the user is gone', `DELETE FROM users WHERE id = $1`],
  ])('a family is over when %s, even if nobody ended it', async (_what, statement) => {
    const { familyId, refreshToken, userId } = await newFamily();
    const client = await copy.pool.connect();
    await client.query(`SET session_replication_role = replica`);
    await client.query(statement, [userId]);
    await client.query(`RESET session_replication_role`);
    client.release();
    const before = await imageOf(familyId);
    expect(await outcome(copy, refreshToken)).toBe('session_ended');
    expect(await imageOf(familyId)).toBe(before);
  });

  test.each([
    ['its epoch moved', `UPDATE oauth_clients SET "tokenEpoch" = "tokenEpoch" + 1 WHERE "clientId" = $1`],
    ['it is disabled', `UPDATE oauth_clients SET disabled = true WHERE "clientId" = $1`],
    ['it is gone', `DELETE FROM oauth_clients WHERE "clientId" = $1`],
  ])('a family of a client is over when %s, even if nobody ended it', async (_what, statement) => {
    const clientId = randomUUID();
    await copy.pool.query(`INSERT INTO oauth_clients (id, "clientId") VALUES ($1, $1)`, [clientId]);
    const { refreshToken } = await newFamily({ clientId });
    const client = await copy.pool.connect();
    await client.query(`SET session_replication_role = replica`);
    await client.query(statement, [clientId]);
    await client.query(`RESET session_replication_role`);
    client.release();
    expect(await outcome(copy, refreshToken)).toBe('session_ended');
  });

  test('a genuine token ahead of its row changes nothing, is refused and raises state_rewound', async () => {
    const { familyId, refreshToken } = await newFamily();
    const tokens = await generations(refreshToken, 1);
    const before = await imageOf(familyId);
    expect(await outcome(copy, forge(refreshToken, 2))).toBe('session_ended');
    expect(await outcome(copy, forge(refreshToken, 2_000_000_000))).toBe('session_ended');
    expect(await imageOf(familyId)).toBe(before);
    expect(errors).toEqual(Array(2).fill({ event: 'state_rewound' }));
    expect((await auditOf(familyId)).at(-1)).toMatchObject({ type: 'token.state_rewound', outcome: 'ahead' });
    expect(await outcome(copy, tokens[1] as string)).toBe('rotated');
  });

  test('a genuine token of a family that is not there is refused and audited', async () => {
    const parts = { kv: 1, familyBytes: randomBytes(16), generation: 0, nonce: randomBytes(32) };
    const token = mintRefreshToken(keys.get(1) as Buffer, incarnation, parts, '');
    expect(await outcome(copy, token)).toBe('refresh_token_invalid');
    const { rows } = await copy.pool.query(`SELECT count(*)::int FROM audit_outbox WHERE outcome = 'unknown'`);
    expect(rows[0].count).toBe(1);
  });

  test('whoever has the server key but not the nonce moves nothing', async () => {
    const { familyId, refreshToken } = await newFamily();
    const parts = checkRefreshToken(refreshToken, [''], secrets, incarnation);
    const forged = mintRefreshToken(
      keys.get(1) as Buffer,
      incarnation,
      { kv: 1, familyBytes: (parts as { familyBytes: Buffer }).familyBytes, generation: 0, nonce: randomBytes(32) },
      '',
    );
    const before = await imageOf(familyId);
    expect(await outcome(copy, forged)).toBe('refresh_token_invalid');
    expect(await imageOf(familyId)).toBe(before);
    expect((await auditOf(familyId)).at(-1)).toMatchObject({ outcome: 'mismatch' });
  });

  test('the current and the previous generation are refused under another server key than theirs', async () => {
    const { familyId, refreshToken } = await newFamily();
    await generations(refreshToken, 1);
    const before = await imageOf(familyId);
    expect(await outcome(copy, forge(refreshToken, 1, 2))).toBe('refresh_token_invalid');
    expect(await outcome(copy, forge(refreshToken, 0, 2))).toBe('refresh_token_invalid');
    expect(await imageOf(familyId)).toBe(before);
  });

  test('guessing at a known family id moves nothing, costs no statement and writes no row', async () => {
    const { familyId, refreshToken } = await newFamily();
    const [head, family, , nonce, mac] = refreshToken.split('.');
    const { rows: before } = await copy.pool.query('SELECT count(*)::int FROM audit_outbox');
    const image = await imageOf(familyId);
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
    expect(await imageOf(familyId)).toBe(image);
    expect((await copy.pool.query('SELECT count(*)::int FROM audit_outbox')).rows).toEqual(before);
  });

  test('tokens of another incarnation are refused without a statement', async () => {
    const { refreshToken } = await newFamily();
    const restored = createFamilyCopy({ url: database.url, secrets, incarnation: randomUUID() });
    copies.push(restored);
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

  test('a client-bound token is taken from its client alone (T13)', async () => {
    const [mine, foreign] = [await newClient(), await newClient()];
    const { familyId, refreshToken } = await newFamily({ clientId: mine, isClientBound: true });
    const statements = copy.statements();
    expect(await outcome(copy, refreshToken)).toBe('refresh_token_invalid');
    expect(await outcome(copy, refreshToken, authenticated(foreign))).toBe('refresh_token_invalid');
    expect(copy.statements()).toBe(statements);
    expect(await outcome(copy, refreshToken, authenticated(mine))).toBe('rotated');
    expect((await auditOf(familyId)).at(-1)).toMatchObject({ actor_kind: 'client', actor_id: mine, client_id: mine });
  });

  test('a token that is not client-bound is taken without a client, and of clients from its own alone', async () => {
    const [mine, foreign] = [await newClient(), await newClient()];
    const { familyId, refreshToken } = await newFamily({ clientId: mine });
    const before = await imageOf(familyId);
    expect(await outcome(copy, refreshToken, authenticated(foreign))).toBe('refresh_token_invalid');
    expect(await imageOf(familyId)).toBe(before);
    const successor = (await copy.refresh(refreshToken, authenticated(mine))).refreshToken;
    expect(await outcome(copy, successor)).toBe('rotated');
  });

  test.each([
    ['DPoP key', { jkt: 'thumb' }, { jkt: 'other' }],
    ['client certificate', { x5t: 'thumb' }, { x5t: 'other' }],
  ])('a family bound to a %s is refreshed with that proof alone', async (_what, binding, wrong) => {
    const { familyId, refreshToken } = await newFamily(binding);
    const before = await imageOf(familyId);
    expect(await outcome(copy, refreshToken)).toBe('refresh_token_invalid');
    expect(await outcome(copy, refreshToken, { ...publicClient, ...wrong })).toBe('refresh_token_invalid');
    expect(await imageOf(familyId)).toBe(before);
    expect(await copy.refresh(refreshToken, { ...publicClient, ...binding })).toMatchObject({
      verdict: 'rotated',
      ...binding,
    });
  });
});

describe('one batch', () => {
  /** g0…gn of a family held at generation `held`, presented in one statement. */
  const batch = async (held: number, presented: readonly number[], at = copy) => {
    const { familyId, refreshToken } = await newFamily();
    const tokens = await generations(refreshToken, held, at);
    const statements = at.statements();
    const outcomes = await together(
      at,
      presented.map((generation) => tokens[generation] ?? forge(refreshToken, generation)),
    );
    expect(at.statements()).toBe(statements + 1);
    const audit = (await auditOf(familyId)).slice(held).map((row) => `${row.detail.generation}:${row.outcome}`);
    return { outcomes, audit, row: await rowOf(familyId), revocations: await revocationsOf(familyId) };
  };

  test('g1, g2, g1 with g2 current: grace, rotated, grace, audited in the order they act', async () => {
    const { outcomes, audit, row } = await batch(2, [1, 2, 1]);
    expect(outcomes).toEqual(['grace', 'rotated', 'grace']);
    expect(audit).toEqual(['1:grace', '1:grace', '2:rotated']);
    expect(row).toMatchObject({ generation: 3, grace_uses: 0 });
  });

  test('the current token three times: one rotation and two repetitions', async () => {
    const { outcomes, row } = await batch(2, [2, 2, 2]);
    expect(outcomes).toEqual(['rotated', 'grace', 'grace']);
    expect(row).toMatchObject({ generation: 3, grace_uses: 2 });
  });

  test('a replay acts first: nothing rotates beside it, and the family ends once', async () => {
    const { outcomes, audit, row, revocations } = await batch(3, [3, 2, 0, 3, 1]);
    expect(outcomes).toEqual(Array(5).fill('refresh_token_reused'));
    expect(audit).toEqual(['0:replay', '1:revoked', '2:revoked', '3:revoked', '3:revoked']);
    expect(row).toMatchObject({ generation: 3, revoke_reason: 'refresh_token_reused' });
    expect(revocations).toHaveLength(1);
  });

  test('a token ahead leaves its neighbours alone', async () => {
    const { outcomes, row } = await batch(1, [9, 1, 0]);
    expect(outcomes).toEqual(['session_ended', 'rotated', 'grace']);
    expect(row).toMatchObject({ generation: 2, revoke_reason: null });
  });

  test('retries and repetitions past the count are refused one by one', async () => {
    const tight = copyWith({ graceUses: 1 });
    const { outcomes, row } = await batch(1, [0, 1, 0, 1, 1], tight);
    expect(outcomes).toEqual(['grace', 'rotated', 'refresh_grace_spent', 'grace', 'refresh_grace_spent']);
    expect(row).toMatchObject({ generation: 2, grace_uses: 1, revoke_reason: null });
  });

  test('families in one batch do not touch each other', async () => {
    const families = await Promise.all(Array.from({ length: 20 }, () => newFamily()));
    const ended = families[7] as (typeof families)[number];
    const tokens = await generations(ended.refreshToken, 2);
    const presented = families.map((family) => (family === ended ? (tokens[0] as string) : family.refreshToken));
    const statements = copy.statements();
    const outcomes = await together(copy, [...presented, 'sp_rt_rubbish']);
    expect(copy.statements()).toBe(statements + 1);
    expect(outcomes.filter((each) => each === 'rotated')).toHaveLength(19);
    expect(outcomes[7]).toBe('refresh_token_reused');
    expect(outcomes[20]).toBe('refresh_token_invalid');
  });

  test('answers come in the order of the requests, up to 128 of them', async () => {
    const families = await Promise.all(Array.from({ length: 128 }, () => newFamily()));
    const statements = copy.statements();
    const answers = await Promise.all(families.map((family) => copy.refresh(family.refreshToken)));
    expect(copy.statements()).toBe(statements + 1);
    expect(answers.map((answer) => answer.userId)).toEqual(families.map((family) => family.userId));
  });

  test('without group commit each request has a statement of its own and the same answer', async () => {
    const single = copyWith({ groupCommit: false });
    const { familyId, refreshToken } = await newFamily();
    const answers = await Promise.all(Array.from({ length: 10 }, () => single.refresh(refreshToken)));
    expect(single.statements()).toBe(10);
    expect(new Set(answers.map((answer) => answer.refreshToken)).size).toBe(1);
    expect(await rowOf(familyId)).toMatchObject({ generation: 1, grace_uses: 9 });
  });
});
