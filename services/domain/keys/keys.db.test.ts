import { createPrivateKey } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { defineStatement } from '../../platform/define/statement.ts';
import { createTestPorts, type TestPorts, testCaller } from '../../platform/testing/ports.ts';
import { createTestDatabase, type TestDatabase } from '../../platform/testing/stores.ts';
import { compromiseKey } from './compromise-key.ts';
import { type EnsureKeysSettings, ensureKeys } from './ensure-keys.ts';
import { KeyMaterialError } from './key-material.ts';
import { CLOCK_BOUND_SECONDS } from './key-timeline.ts';
import { readKeyWarnings } from './key-warnings.ts';
import { listKeys } from './list-keys.ts';
import { makeReplacements, replaceAllKeys } from './replace-all-keys.ts';
import { retireKeys } from './retire-keys.ts';
import { rotateServerSecret } from './rotate-server-secret.ts';
import { rotateSigningKeys } from './rotate-signing-keys.ts';
import { serverSecretPurposes } from './server-secrets.ts';

const AUDIENCE = 'https://api.example.test';
const SECRET = 'a-secret-of-more-than-thirty-two-characters';
const SKEW_MS = 2 * CLOCK_BOUND_SECONDS * 1_000;

const settingsWith = (
  keys: Partial<EnsureKeysSettings['keys']> = {},
  tokens: Partial<EnsureKeysSettings['tokens']> = {},
): EnsureKeysSettings => ({
  keys: {
    algorithm: 'EdDSA',
    jwtSecret: undefined,
    prepublishSeconds: 60,
    rotationDays: 30,
    ringBoundSeconds: 30,
    ...keys,
  },
  tokens: { accessTokenSeconds: 900, leewaySeconds: 5, refreshAbsoluteSeconds: 3_600, ...tokens },
  authSecret: SECRET,
  audience: AUDIENCE,
});

let database: TestDatabase;
let base: TestPorts;
let changes = 0;
const keysChanged = (): void => {
  changes += 1;
};
const portsOf = (ports: TestPorts) => ({ ...ports, keysChanged });
let ports: ReturnType<typeof portsOf>;

beforeAll(async () => {
  database = await createTestDatabase();
  base = createTestPorts(database.url);
  ports = portsOf(base);
});
afterAll(async () => {
  await base.end();
  await database.drop();
});

type Row = {
  id: string;
  purpose: string;
  alg: string;
  privateKey: string;
  from: number;
  until: number | null;
  published: number;
  leaves: number | null;
  longest: number;
  compromised: boolean;
};
const rowsRead = defineStatement(
  'testKeys',
  `SELECT id, purpose, alg, "privateKey", (extract(epoch FROM lower(signs)) * 1000)::bigint AS "from",
     (extract(epoch FROM upper(signs)) * 1000)::bigint AS until, (extract(epoch FROM "createdAt") * 1000)::bigint AS published,
     (extract(epoch FROM "expiresAt") * 1000)::bigint AS leaves, longest_token_seconds AS longest,
     compromised_at IS NOT NULL AS compromised FROM jwks WHERE purpose <> 'audit-log' ORDER BY signs, id`,
);
const keyRows = (): Promise<Row[]> => base.sql.query<Row>(rowsRead);
const eventsOf = async (
  type: string,
): Promise<{ target_id: string; actor_id: string; detail: Record<string, unknown> }[]> =>
  // Of the audit log's key its own tests speak.
  base.raw(
    `SELECT target_id, actor_id, detail FROM audit_outbox
     WHERE type = $1 AND detail->>'purpose' IS DISTINCT FROM 'audit-log' ORDER BY id`,
    [type],
  );
const versionOf = async (): Promise<number> =>
  (await base.raw<{ v: number }>('SELECT keys_version AS v FROM feed_state'))[0]?.v ?? -1;

/** Moves everything written so far into the past, as time would. */
const age = async (seconds: number): Promise<void> => {
  await base.raw(
    `UPDATE jwks SET signs = tstzrange(lower(signs) - make_interval(secs => $1), upper(signs) - make_interval(secs => $1)),
       "createdAt" = "createdAt" - make_interval(secs => $1), "expiresAt" = "expiresAt" - make_interval(secs => $1),
       compromised_at = compromised_at - make_interval(secs => $1)`,
    [seconds],
  );
  await base.raw(
    `UPDATE server_secrets SET created_at = created_at - make_interval(secs => $1), activates_at = activates_at - make_interval(secs => $1)`,
    [seconds],
  );
};

beforeEach(async () => {
  await base.raw('TRUNCATE jwks, server_secrets, key_policy, audit_outbox, revocations');
  changes = 0;
});

describe('first start', () => {
  test('eight copies at once on an empty database make one key and one set of server secrets', async () => {
    const copies = Array.from({ length: 8 }, () => createTestPorts(database.url));
    const results = await Promise.all(copies.map((copy) => ensureKeys(copy, settingsWith(), testCaller)));
    await Promise.all(copies.map((copy) => copy.end()));
    expect(results.flatMap((result) => result.created)).toHaveLength(1);
    expect(await keyRows()).toHaveLength(1);
    const secrets = await base.raw<{ purpose: string; version: number }>(
      'SELECT purpose, version FROM server_secrets ORDER BY purpose',
    );
    expect(secrets).toEqual([...serverSecretPurposes].sort().map((purpose) => ({ purpose, version: 1 })));
    expect(await eventsOf('key.published')).toHaveLength(1);
    expect(await eventsOf('server_secret.created')).toHaveLength(serverSecretPurposes.length);
  });

  test('the first key signs at once, and for a copy whose clock is behind as well', async () => {
    await ensureKeys(ports, settingsWith(), testCaller);
    const [row] = await keyRows();
    expect(row?.from).toBe((row?.published ?? 0) - SKEW_MS);
    expect(await listKeys(ports)).toMatchObject([{ state: 'active', alg: 'EdDSA', purpose: 'access' }]);
  });

  test('a later start makes nothing, writes no version and rotates nothing', async () => {
    await ensureKeys(ports, settingsWith(), testCaller);
    const before = await versionOf();
    expect(await ensureKeys(ports, settingsWith(), testCaller)).toEqual({ created: [], warnings: [] });
    expect(await versionOf()).toBe(before);
  });

  test('another configured algorithm is for new keys: nothing rotates, and the start says so', async () => {
    await ensureKeys(ports, settingsWith(), testCaller);
    const { created, warnings } = await ensureKeys(ports, settingsWith({ algorithm: 'ES256' }), testCaller);
    expect(created).toEqual([]);
    expect(warnings).toEqual(['The active key signs with EdDSA, JWT_ALGORITHM asks for ES256: sallyport keys rotate']);
    await rotateSigningKeys(ports, {}, testCaller);
    expect((await keyRows()).map((row) => row.alg)).toEqual(['EdDSA', 'ES256']);
    expect((await ensureKeys(ports, settingsWith({ algorithm: 'ES256' }), testCaller)).warnings).toEqual([]);
  });

  test('an overdue rotation is said at start, not done', async () => {
    await ensureKeys(ports, settingsWith(), testCaller);
    await age(31 * 86_400);
    const { warnings } = await ensureKeys(ports, settingsWith(), testCaller);
    expect(warnings).toEqual([
      'The active key has signed longer than KEY_ROTATION_DAYS=30: start a worker, or sallyport keys rotate',
    ]);
    expect(await readKeyWarnings(ports)).toEqual(warnings);
    expect(await keyRows()).toHaveLength(1);
  });

  test('a database without keys has nothing to warn of', async () => {
    expect(await readKeyWarnings(ports)).toEqual([]);
  });

  test('a longer token life than before keeps the present keys longer', async () => {
    await ensureKeys(ports, settingsWith(), testCaller);
    await rotateSigningKeys(ports, {}, testCaller);
    await ensureKeys(ports, settingsWith({}, { accessTokenSeconds: 7_200 }), testCaller);
    const [current, next] = await keyRows();
    expect([current?.longest, next?.longest]).toEqual([7_200, 7_200]);
    expect(current?.leaves).toBe((current?.until ?? 0) + 7_205_000 + SKEW_MS);
    await ensureKeys(ports, settingsWith(), testCaller);
    expect((await keyRows()).map((row) => row.longest)).toEqual([7_200, 7_200]);
  });
});

describe('at rest', () => {
  test('no private part and no secret is in a table dump, in any encoding (A-KEY-04)', async () => {
    await ensureKeys(
      ports,
      settingsWith({ algorithm: 'HS256', jwtSecret: 'shared-secret-that-nobody-may-see-in-a-dump' }),
      testCaller,
    );
    await rotateSigningKeys(ports, {}, testCaller);
    await rotateServerSecret(ports, { purpose: 'refresh' }, testCaller);
    const dump = JSON.stringify([
      await base.raw('SELECT * FROM jwks'),
      await base.raw('SELECT * FROM server_secrets'),
      await base.raw('SELECT * FROM key_policy'),
      await base.raw('SELECT * FROM audit_outbox'),
      await base.raw('SELECT * FROM revocations'),
    ]);
    const secrets: Buffer[] = [Buffer.from('shared-secret-that-nobody-may-see-in-a-dump')];
    const sealed = await base.raw<Row>('SELECT id, purpose, alg, "privateKey" FROM jwks');
    expect(sealed.map(({ purpose }) => purpose)).toContain('audit-log');
    for (const row of sealed) {
      const opened = base.vault.open(row.privateKey, `jwks:${row.purpose}:${row.id}`);
      if (row.alg === 'HS256') continue;
      const jwk = createPrivateKey({ key: opened, format: 'der', type: 'pkcs8' }).export({ format: 'jwk' });
      for (const member of ['d', 'p', 'q', 'dp', 'dq', 'qi'] as const)
        if (jwk[member] !== undefined) secrets.push(Buffer.from(jwk[member], 'base64url'));
      secrets.push(opened);
    }
    for (const row of await base.raw<{ purpose: string; version: number; secret: string }>(
      'SELECT * FROM server_secrets',
    ))
      secrets.push(base.vault.open(row.secret, `server_secret:${row.purpose}:${row.version}`));
    expect(secrets.length).toBeGreaterThan(10);
    for (const secret of secrets)
      for (const encoding of ['utf8', 'latin1', 'hex', 'base64', 'base64url'] as const)
        expect(dump.includes(secret.toString(encoding))).toBe(false);
    expect(dump).not.toMatch(/PRIVATE KEY|"(d|p|q|dp|dq|qi|k)\\*":/);
  });

  test('a writer with another key-encryption key is refused with a fix and writes nothing', async () => {
    await ensureKeys(ports, settingsWith(), testCaller);
    const stranger = createTestPorts(database.url, { keyEncryptionKey: Buffer.alloc(32, 9) });
    const before = await versionOf();
    const [{ id: kid } = { id: '' }] = await keyRows();
    const other = { ...stranger, keysChanged };
    for (const attempt of [
      () => ensureKeys(other, settingsWith({ algorithm: 'HS256' }), testCaller),
      () => rotateSigningKeys(other, {}, testCaller),
      () => compromiseKey(other, { kid, reason: 'x' }, testCaller),
      () => rotateServerSecret(other, { purpose: 'refresh' }, testCaller),
    ])
      await expect(attempt()).rejects.toThrow(KeyMaterialError);
    await stranger.end();
    expect(await versionOf()).toBe(before);
    expect(await keyRows()).toHaveLength(1);
    expect(changes).toBe(0);
  });

  test('a database no API has started on has nothing to rotate', async () => {
    await expect(rotateSigningKeys(ports, {}, testCaller)).rejects.toThrow('this database has no keys yet');
  });
});

describe('rotation', () => {
  beforeEach(() => ensureKeys(ports, settingsWith(), testCaller));

  test('publishes the next key now; the current range is closed at exactly its lower bound', async () => {
    const { outcome, key } = await rotateSigningKeys(ports, {}, testCaller);
    expect(outcome).toBe('publish');
    const [current, next] = await keyRows();
    expect(next).toMatchObject({ id: key.kid, until: null, from: current?.until });
    expect((next?.from ?? 0) - (next?.published ?? 0)).toBe(60_000 + SKEW_MS);
    expect(current?.leaves).toBe((current?.until ?? 0) + 905_000 + SKEW_MS);
    expect(await listKeys(ports)).toMatchObject([{ state: 'active' }, { state: 'pending', kid: key.kid }]);
    expect(changes).toBe(1);
    const events = await eventsOf('key.published');
    expect(events.at(-1)).toMatchObject({
      target_id: key.kid,
      actor_id: 'test',
      detail: { signs_from: key.activates_at },
    });
  });

  test('ten rotations at once and one more publish one key; all are answered with it', async () => {
    const answers = await Promise.all(Array.from({ length: 10 }, () => rotateSigningKeys(ports, {}, testCaller)));
    answers.push(await rotateSigningKeys(ports, {}, testCaller));
    expect(new Set(answers.map((answer) => answer.key.kid)).size).toBe(1);
    expect(answers.filter((answer) => answer.outcome === 'publish')).toHaveLength(1);
    expect(await keyRows()).toHaveLength(2);
    expect(changes).toBe(1);
  });

  test('a scheduled rotation does nothing before its day', async () => {
    expect(await rotateSigningKeys(ports, { onlyWhenDue: true }, testCaller)).toMatchObject({ outcome: 'not_due' });
    await age(30 * 86_400);
    expect(await rotateSigningKeys(ports, { onlyWhenDue: true }, testCaller)).toMatchObject({ outcome: 'publish' });
  });

  test('two signers at once cannot be written, whoever writes (exclusion constraint)', async () => {
    const insert = `INSERT INTO jwks (id, purpose, alg, "publicKey", "privateKey", signs, longest_token_seconds)
      VALUES ('second', $1, 'EdDSA', '{}', 'x', tstzrange(now() + interval '1 hour', NULL), 900)`;
    await expect(base.raw(insert, ['access'])).rejects.toMatchObject({ code: '23P01' });
    await base.raw(insert, ['another-purpose']);
    await base.raw(`DELETE FROM jwks WHERE id = 'second'`);
  });

  test('a signer without its private part cannot be written', async () => {
    await expect(base.raw(`UPDATE jwks SET "privateKey" = ''`)).rejects.toMatchObject({ code: '23514' });
  });
});

describe('retirement', () => {
  beforeEach(async () => {
    await ensureKeys(ports, settingsWith(), testCaller);
    await rotateSigningKeys(ports, {}, testCaller);
  });

  test('the private part is destroyed once no copy can still sign with it, and not before', async () => {
    const [{ id: kid } = { id: '' }] = await keyRows();
    await age(60 + SKEW_MS / 1_000 + 1);
    expect(await retireKeys(ports, testCaller)).toEqual({ keys: [], secrets: [] });
    await age(SKEW_MS / 1_000);
    expect(await retireKeys(ports, testCaller)).toEqual({ keys: [kid], secrets: [] });
    expect((await keyRows()).map((row) => row.privateKey === '')).toEqual([true, false]);
    expect(await eventsOf('key.private_part_destroyed')).toMatchObject([{ target_id: kid }]);
    expect(await retireKeys(ports, testCaller)).toEqual({ keys: [], secrets: [] });
    expect(await listKeys(ports)).toMatchObject([{ state: 'retiring' }, { state: 'active' }]);
  });

  test('history goes after a year, except that of compromised keys', async () => {
    await age(86_400);
    await compromiseKey(ports, { kid: (await keyRows())[0]?.id ?? '', reason: 'found in a log' }, testCaller);
    await rotateSigningKeys(ports, {}, testCaller);
    await age(500 * 86_400);
    await retireKeys(ports, testCaller);
    expect((await keyRows()).map((row) => row.compromised)).toEqual([true, false]);
    expect(await listKeys(ports)).toHaveLength(1);
  });
});

describe('compromise', () => {
  beforeEach(() => ensureKeys(ports, settingsWith(), testCaller));

  test('one transaction: private part destroyed, revocation and audit rows, a replacement that signs at once', async () => {
    const [before] = await keyRows();
    const kid = before?.id ?? '';
    const answer = await compromiseKey(ports, { kid, reason: 'laptop stolen' }, testCaller);
    expect(answer.key).toMatchObject({ kid, state: 'compromised', compromise_reason: 'laptop stolen' });
    expect(answer.signer).toMatchObject({ state: 'active', alg: 'EdDSA' });
    expect(answer.notice).toMatch(/signs at once, without the hold/);
    const rows = await keyRows();
    expect(rows.find((row) => row.id === kid)).toMatchObject({ privateKey: '', compromised: true });
    expect(rows.find((row) => row.id === answer.signer?.kid)).toMatchObject({ from: before?.from, until: null });
    const revocations = await base.raw('SELECT kind, value, reason, epoch IS NOT NULL AS numbered FROM revocations');
    expect(revocations).toEqual([{ kind: 'key', value: kid, reason: 'key_compromised', numbered: true }]);
    expect(await eventsOf('key.compromised')).toMatchObject([
      { target_id: kid, detail: { reason: 'laptop stolen', replaced_by: answer.signer?.kid } },
    ]);
    expect(changes).toBe(1);
  });

  test('repeated, or ten times at once, it answers the same and changes nothing more', async () => {
    const kid = (await keyRows())[0]?.id ?? '';
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => compromiseKey(ports, { kid, reason: 'r' }, testCaller)),
    );
    answers.push(await compromiseKey(ports, { kid, reason: 'another' }, testCaller));
    expect(new Set(answers.map((answer) => JSON.stringify([answer.key, answer.signer?.kid, answer.notice]))).size).toBe(
      1,
    );
    expect(await keyRows()).toHaveLength(2);
    expect(await eventsOf('key.compromised')).toHaveLength(1);
    expect(changes).toBe(1);
  });

  test('a pending successor is brought forward instead of a third key', async () => {
    const kid = (await keyRows())[0]?.id ?? '';
    const { key: next } = await rotateSigningKeys(ports, {}, testCaller);
    const answer = await compromiseKey(ports, { kid, reason: 'r' }, testCaller);
    expect(answer.signer).toMatchObject({ kid: next.kid, state: 'active' });
    expect(await keyRows()).toHaveLength(2);
  });

  test('a compromised pending key never signs: the active one goes on', async () => {
    const active = (await keyRows())[0]?.id ?? '';
    const { key: next } = await rotateSigningKeys(ports, {}, testCaller);
    const answer = await compromiseKey(ports, { kid: next.kid, reason: 'r' }, testCaller);
    expect(answer).toMatchObject({ signer: { kid: active, signs_until: null, leaves_at: null } });
    expect(answer.notice).toMatch(/unchanged/);
    expect(await rotateSigningKeys(ports, {}, testCaller)).toMatchObject({ outcome: 'publish' });
  });

  test('a retiring key is refused without touching the signer', async () => {
    const kid = (await keyRows())[0]?.id ?? '';
    const { key: next } = await rotateSigningKeys(ports, {}, testCaller);
    await age(120);
    const answer = await compromiseKey(ports, { kid, reason: 'r' }, testCaller);
    expect(answer).toMatchObject({ key: { state: 'compromised' }, signer: { kid: next.kid } });
    expect(await keyRows()).toHaveLength(2);
  });

  test('an unknown kid is 404, and nothing happens', async () => {
    await expect(compromiseKey(ports, { kid: 'nobody', reason: 'r' }, testCaller)).rejects.toMatchObject({
      code: 'key_unknown',
    });
    expect(await keyRows()).toHaveLength(1);
  });

  test('after any sequence of rotations and compromises the ranges meet and one key signs now', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.oneof(
            fc.record({ kind: fc.constant('rotate' as const), seconds: fc.constantFrom(0, 30, 90) }),
            fc.record({
              kind: fc.constant('compromise' as const),
              index: fc.nat(6),
              seconds: fc.constantFrom(0, 30, 90),
            }),
          ),
          { minLength: 1, maxLength: 6 },
        ),
        async (steps) => {
          await base.raw('TRUNCATE jwks');
          await ensureKeys(ports, settingsWith(), testCaller);
          for (const step of steps) {
            await age(step.seconds);
            const rows = await keyRows();
            if (step.kind === 'rotate') await rotateSigningKeys(ports, {}, testCaller);
            else await compromiseKey(ports, { kid: rows[step.index % rows.length]?.id ?? '', reason: 'r' }, testCaller);
          }
          const views = await listKeys(ports);
          expect(views.filter((view) => view.state === 'active')).toHaveLength(1);
          expect(views.filter((view) => view.state === 'pending').length).toBeLessThanOrEqual(1);
          const planned = (await keyRows()).filter(
            (row) => !row.compromised && (row.until === null || row.until > Date.now()),
          );
          for (const [index, row] of planned.entries()) expect(row.until).toBe(planned[index + 1]?.from ?? null);
        },
      ),
      { numRuns: 25 },
    );
  });
});

describe('server secrets', () => {
  beforeEach(() => ensureKeys(ports, settingsWith(), testCaller));
  const refreshRows = (): Promise<{ version: number; destroyed: boolean }[]> =>
    base.raw(`SELECT version, secret = '' AS destroyed FROM server_secrets WHERE purpose = 'refresh' ORDER BY version`);

  test('a new version waits until every copy knows it; asked again, it answers the one that waits', async () => {
    const answers = await Promise.all(
      Array.from({ length: 5 }, () => rotateServerSecret(ports, { purpose: 'refresh' }, testCaller)),
    );
    expect(answers.filter(({ outcome }) => outcome === 'created')).toHaveLength(1);
    expect(new Set(answers.map(({ version, activatesAt }) => `${version} ${activatesAt}`)).size).toBe(1);
    const [row] = await base.raw<{ held: number }>(
      `SELECT extract(epoch FROM activates_at - created_at)::int AS held FROM server_secrets WHERE version = 2`,
    );
    expect(row?.held).toBe(30 + SKEW_MS / 1_000);
    expect(changes).toBe(1);
  });

  test('an old refresh version is kept for the longest login and then destroyed', async () => {
    await rotateServerSecret(ports, { purpose: 'refresh' }, testCaller);
    await age(40 + 3_600);
    expect((await retireKeys(ports, testCaller)).secrets).toEqual([]);
    await age(5 + SKEW_MS / 1_000);
    expect((await retireKeys(ports, testCaller)).secrets).toEqual(['refresh:1']);
    expect(await refreshRows()).toEqual([
      { version: 1, destroyed: true },
      { version: 2, destroyed: false },
    ]);
    expect(await eventsOf('server_secret.destroyed')).toMatchObject([{ target_id: 'server_secret:refresh:1' }]);
    expect(await rotateServerSecret(ports, { purpose: 'refresh' }, testCaller)).toMatchObject({ version: 3 });
  });

  test('what stored values depend on is never destroyed', async () => {
    await rotateServerSecret(ports, { purpose: 'pepper' }, testCaller);
    await rotateServerSecret(ports, { purpose: 'identifier' }, testCaller);
    await age(10 * 365 * 86_400);
    expect((await retireKeys(ports, testCaller)).secrets).toEqual([]);
  });
});

describe('HS256 mode', () => {
  const hs256 = (jwtSecret?: string): EnsureKeysSettings => settingsWith({ algorithm: 'HS256', jwtSecret });
  const sharedRows = async (): Promise<Row[]> => (await keyRows()).filter((row) => row.alg === 'HS256');

  test('has one secret for the default audience, and an asymmetric key beside it', async () => {
    const { created } = await ensureKeys(ports, hs256(), testCaller);
    expect(created).toHaveLength(2);
    expect((await keyRows()).map((row) => [row.purpose, row.alg]).sort()).toEqual([
      ['access', 'RS256'],
      [`hs256:${AUDIENCE}`, 'HS256'],
    ]);
    expect((await ensureKeys(ports, hs256(), testCaller)).created).toEqual([]);
    const [row] = await sharedRows();
    const secret = base.vault.open(row?.privateKey ?? '', `jwks:${row?.purpose}:${row?.id}`);
    expect(secret.toString()).toBe(SECRET);
  });

  test('JWT_SECRET comes before BETTER_AUTH_SECRET; a changed one takes over at once and the old one verifies on', async () => {
    await ensureKeys(ports, hs256(), testCaller);
    await age(60);
    const { created } = await ensureKeys(ports, hs256('another-secret-of-thirty-two-characters'), testCaller);
    expect(created).toHaveLength(1);
    const [old, fresh] = await sharedRows();
    expect(fresh).toMatchObject({ id: created[0], from: old?.until, until: null });
    expect(old?.privateKey).not.toBe('');
    await age(905 + SKEW_MS / 1_000 - 1);
    expect((await retireKeys(ports, testCaller)).keys).toEqual([]);
    await age(1);
    expect((await retireKeys(ports, testCaller)).keys).toEqual([old?.id]);
  });

  test('outside the mode a shared secret stops signing', async () => {
    await ensureKeys(ports, hs256(), testCaller);
    await ensureKeys(ports, settingsWith(), testCaller);
    const [row] = await sharedRows();
    expect(row?.until).not.toBeNull();
    expect(await eventsOf('key.stopped')).toMatchObject([{ target_id: row?.id }]);
    await ensureKeys(ports, hs256(), testCaller);
    expect(await sharedRows()).toHaveLength(2);
  });

  test('a compromised shared secret is not taken back at the next start, which says so', async () => {
    await ensureKeys(ports, hs256(), testCaller);
    const [before] = await sharedRows();
    const { signer } = await compromiseKey(ports, { kid: before?.id ?? '', reason: 'leaked' }, testCaller);
    expect(signer).toMatchObject({ alg: 'HS256', purpose: `hs256:${AUDIENCE}` });
    const { created, warnings } = await ensureKeys(ports, hs256(), testCaller);
    expect(created).toEqual([]);
    expect(warnings).toEqual([expect.stringContaining('marked compromised')]);
    expect((await ensureKeys(ports, hs256('a-new-secret-of-thirty-two-characters!'), testCaller)).created).toHaveLength(
      1,
    );
    await ensureKeys(ports, settingsWith(), testCaller);
    expect((await ensureKeys(ports, hs256(), testCaller)).created).toHaveLength(1);
    const open = (await sharedRows()).filter((row) => row.until === null);
    expect(base.vault.open(open[0]?.privateKey ?? '', `jwks:${open[0]?.purpose}:${open[0]?.id}`).toString()).not.toBe(
      SECRET,
    );
  });
});

describe('a restored database', () => {
  test('every live key is compromised and one new key per purpose signs, in the transaction of the caller', async () => {
    await ensureKeys(ports, settingsWith({ algorithm: 'HS256' }), testCaller);
    await rotateSigningKeys(ports, {}, testCaller);
    const before = (await keyRows()).map((row) => row.id);
    const replacements = await makeReplacements(ports);
    const { compromised, created } = await base.transact((tx) =>
      replaceAllKeys(ports, tx, replacements, 'restored', testCaller),
    );
    expect([...compromised].sort()).toEqual([...before].sort());
    expect(created).toHaveLength(2);
    const views = await listKeys(ports);
    expect(
      views
        .filter((view) => view.state === 'active')
        .map((view) => view.kid)
        .sort(),
    ).toEqual([...created].sort());
    expect(views.filter((view) => view.state === 'compromised')).toHaveLength(3);
    expect(await base.raw('SELECT 1 FROM revocations')).toHaveLength(3);
  });
});
