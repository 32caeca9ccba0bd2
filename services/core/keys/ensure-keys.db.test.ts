import { createPrivateKey } from 'node:crypto';
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { createTestPorts, testCaller } from '#tools/testing/harness/ports.ts';
import { opened } from '#tools/testing/opened.ts';
import { compromiseKey } from './compromise-key.ts';
import { type EnsureKeysSettings, ensureKeys } from './ensure-keys.ts';
import { KEY_AUDIENCE, KEY_SECRET, type KeyRow, keySettings, openKeyHarness, SKEW_MS } from './key-harness.ts';
import { KeyMaterialError } from './key-material.ts';
import { sharedSecretPurpose } from './key-timeline.ts';
import { readKeyWarnings } from './key-warnings.ts';
import { readKeysOf } from './keys.store.ts';
import { listKeys } from './list-keys.ts';
import { keyOperations } from './operations.ts';
import { makeReplacements, replaceAllKeys } from './replace-all-keys.ts';
import { retireKeys } from './retire-keys.ts';
import { rotateSigningKeys } from './rotate-signing-keys.ts';
import { rotateServerSecret } from './secrets/rotate-server-secret.ts';
import { serverSecretPurposes } from './secrets/server-secrets.ts';

const harness = opened(openKeyHarness);
beforeEach(() => harness.empty());

describe('first start', () => {
  test('eight concurrent copies on an empty database create one key and one set of server secrets', async () => {
    const copies = Array.from({ length: 8 }, () => createTestPorts(harness.databaseUrl));
    const results = await Promise.all(copies.map((copy) => ensureKeys(copy, keySettings(), testCaller)));
    await Promise.all(copies.map((copy) => copy.end()));
    expect(results.flatMap((result) => result.created)).toHaveLength(1);
    expect(await harness.keyRows()).toHaveLength(1);
    const secrets = await harness.ports.raw<{ purpose: string; version: number }>`SELECT purpose, version
      FROM server_secrets ORDER BY purpose`;
    expect(secrets).toEqual([...serverSecretPurposes].sort().map((purpose) => ({ purpose, version: 1 })));
    expect(await harness.eventsOf('key.published')).toHaveLength(1);
    expect(await harness.eventsOf('server_secret.created')).toHaveLength(serverSecretPurposes.length);
  });

  test('the first key signs immediately, also on a copy whose clock is behind', async () => {
    await harness.start();
    const [row] = await harness.keyRows();
    expect(row?.from).toBe((row?.published ?? 0) - SKEW_MS);
    expect(await listKeys(harness.ports)).toMatchObject([{ state: 'active', alg: 'EdDSA', purpose: 'access' }]);
  });

  test('a later start creates nothing, writes no version and rotates nothing', async () => {
    await harness.start();
    const before = await harness.keysVersion();
    expect(await harness.start()).toEqual({ created: [], warnings: [] });
    expect(await harness.keysVersion()).toBe(before);
  });

  test('a changed algorithm applies to new keys: nothing rotates, and the start warns', async () => {
    await harness.start();
    const { created, warnings } = await harness.start(keySettings({ algorithm: 'ES256' }));
    expect(created).toEqual([]);
    expect(warnings).toEqual([
      'The active key signs with EdDSA, but JWT_ALGORITHM is ES256: run sallyport keys rotate',
    ]);
    await rotateSigningKeys(harness.ports, {}, testCaller);
    expect((await harness.keyRows()).map((row) => row.alg)).toEqual(['EdDSA', 'ES256']);
    expect((await harness.start(keySettings({ algorithm: 'ES256' }))).warnings).toEqual([]);
  });

  test('a start warns of an overdue rotation and does not rotate', async () => {
    await harness.start();
    await harness.age(31 * 86_400);
    const { warnings } = await harness.start();
    expect(warnings).toEqual([
      'The active key has signed for longer than KEY_ROTATION_DAYS=30: start a worker, or run sallyport keys rotate',
    ]);
    expect(await readKeyWarnings(harness.ports)).toEqual(warnings);
    expect(await harness.keyRows()).toHaveLength(1);
  });

  test('a database without keys gives no warning', async () =>
    expect(await readKeyWarnings(harness.ports)).toEqual([]));

  test('a longer token lifetime keeps the current keys longer', async () => {
    await harness.start();
    await rotateSigningKeys(harness.ports, {}, testCaller);
    await harness.start(keySettings({}, { accessTokenSeconds: 7_200 }));
    const [current, next] = await harness.keyRows();
    expect([current?.longest, next?.longest]).toEqual([7_200, 7_200]);
    expect(current?.leaves).toBe((current?.until ?? 0) + 7_205_000 + SKEW_MS);
    await harness.start();
    expect((await harness.keyRows()).map((row) => row.longest)).toEqual([7_200, 7_200]);
  });
});

describe('at rest', () => {
  test('no private key and no secret is in a table dump, in any encoding', async () => {
    await harness.start(keySettings({ algorithm: 'HS256', jwtSecret: 'shared-secret-that-no-dump-may-contain' }));
    await rotateSigningKeys(harness.ports, {}, testCaller);
    await rotateServerSecret(harness.ports, { purpose: 'refresh' }, testCaller);
    const dump = JSON.stringify([
      await harness.ports.raw`SELECT * FROM jwks`,
      await harness.ports.raw`SELECT * FROM server_secrets`,
      await harness.ports.raw`SELECT * FROM key_policy`,
      await harness.ports.raw`SELECT * FROM audit_outbox`,
      await harness.ports.raw`SELECT * FROM revocations`,
    ]);
    const secrets: Buffer[] = [Buffer.from('shared-secret-that-no-dump-may-contain')];
    const sealed = await harness.ports.raw<KeyRow>`SELECT id, purpose, alg, "privateKey" FROM jwks`;
    expect(sealed.map(({ purpose }) => purpose)).toContain('audit-log');
    for (const row of sealed) {
      const opened = harness.ports.vault.open(row.privateKey, `jwks:${row.purpose}:${row.id}`);
      if (row.alg === 'HS256') continue;
      const jwk = createPrivateKey({ key: opened, format: 'der', type: 'pkcs8' }).export({ format: 'jwk' });
      for (const member of ['d', 'p', 'q', 'dp', 'dq', 'qi'] as const)
        if (jwk[member] !== undefined) secrets.push(Buffer.from(jwk[member], 'base64url'));
      secrets.push(opened);
    }
    for (const row of await harness.ports.raw<{ purpose: string; version: number; secret: string }>`SELECT *
      FROM server_secrets`)
      secrets.push(harness.ports.vault.open(row.secret, `server_secret:${row.purpose}:${row.version}`));
    expect(secrets.length).toBeGreaterThan(10);
    for (const secret of secrets)
      for (const encoding of ['utf8', 'latin1', 'hex', 'base64', 'base64url'] as const)
        expect(dump.includes(secret.toString(encoding))).toBe(false);
    expect(dump).not.toMatch(/PRIVATE KEY|"(d|p|q|dp|dq|qi|k)\\*":/);
  });

  test('a writer with another key-encryption key gets an error with a fix and writes nothing', async () => {
    await harness.start();
    const stranger = createTestPorts(harness.databaseUrl, { keyEncryptionKey: Buffer.alloc(32, 9) });
    const before = await harness.keysVersion();
    const [{ id: kid } = { id: '' }] = await harness.keyRows();
    const other = { ...stranger, keysChanged: harness.ports.keysChanged };
    for (const attempt of [
      () => ensureKeys(other, keySettings({ algorithm: 'HS256' }), testCaller),
      () => rotateSigningKeys(other, {}, testCaller),
      () => compromiseKey(other, { kid, reason: 'x' }, testCaller),
      () => rotateServerSecret(other, { purpose: 'refresh' }, testCaller),
    ])
      await expect(attempt()).rejects.toThrow(KeyMaterialError);
    await stranger.end();
    expect(await harness.keysVersion()).toBe(before);
    expect(await harness.keyRows()).toHaveLength(1);
    expect(harness.changes()).toBe(0);
  });

  test('a database that no API has started on has nothing to rotate', () =>
    expect(rotateSigningKeys(harness.ports, {}, testCaller)).rejects.toThrow('this database has no keys yet'));
});

describe('HS256 mode', () => {
  const hs256 = (jwtSecret?: string): EnsureKeysSettings => keySettings({ algorithm: 'HS256', jwtSecret });
  const sharedRows = async (): Promise<KeyRow[]> => (await harness.keyRows()).filter((row) => row.alg === 'HS256');

  test('has one secret for the default audience, and an asymmetric key beside it', async () => {
    const { created } = await harness.start(hs256());
    expect(created).toHaveLength(2);
    expect((await harness.keyRows()).map((row) => [row.purpose, row.alg]).sort()).toEqual([
      ['access', 'RS256'],
      [`hs256:${KEY_AUDIENCE}`, 'HS256'],
    ]);
    expect((await harness.start(hs256())).created).toEqual([]);
    const [row] = await sharedRows();
    const secret = harness.ports.vault.open(row?.privateKey ?? '', `jwks:${row?.purpose}:${row?.id}`);
    expect(secret.toString()).toBe(KEY_SECRET);
  });

  test('JWT_SECRET takes precedence over BETTER_AUTH_SECRET; a changed one signs immediately and the old one still verifies', async () => {
    await harness.start(hs256());
    await harness.age(60);
    const { created } = await harness.start(hs256('another-secret-of-thirty-two-characters'));
    expect(created).toHaveLength(1);
    const [old, fresh] = await sharedRows();
    expect(fresh).toMatchObject({ id: created[0], from: old?.until, until: null });
    expect(old?.privateKey).not.toBe('');
    await harness.age(905 + SKEW_MS / 1_000 - 1);
    expect((await retireKeys(harness.ports, testCaller)).keys).toEqual([]);
    await harness.age(1);
    expect((await retireKeys(harness.ports, testCaller)).keys).toEqual([old?.id]);
  });

  test('outside HS256 mode a shared secret stops signing', async () => {
    await harness.start(hs256());
    await harness.start();
    const [row] = await sharedRows();
    expect(row?.until).not.toBeNull();
    expect(await harness.eventsOf('key.stopped')).toMatchObject([{ target_id: row?.id }]);
    await harness.start(hs256());
    expect(await sharedRows()).toHaveLength(2);
  });

  test('a compromised shared secret is not used again at the next start, which warns', async () => {
    await harness.start(hs256());
    const [before] = await sharedRows();
    const { signer } = await compromiseKey(harness.ports, { kid: before?.id ?? '', reason: 'leaked' }, testCaller);
    expect(signer).toMatchObject({ alg: 'HS256', purpose: `hs256:${KEY_AUDIENCE}` });
    const { created, warnings } = await harness.start(hs256());
    expect([created, warnings]).toEqual([[], [expect.stringContaining('marked compromised')]]);
    expect((await harness.start(hs256('a-new-secret-of-thirty-two-characters!'))).created).toHaveLength(1);
    await harness.start();
    expect((await harness.start(hs256())).created).toHaveLength(1);
    const open = (await sharedRows()).filter((row) => row.until === null);
    expect(
      harness.ports.vault.open(open[0]?.privateKey ?? '', `jwks:${open[0]?.purpose}:${open[0]?.id}`).toString(),
    ).not.toBe(KEY_SECRET);
  });
});

describe('compromise', () => {
  beforeEach(() => harness.start());

  test('one transaction destroys the private key, writes revocation and audit rows, and publishes a replacement that signs immediately', async () => {
    const [before] = await harness.keyRows();
    const kid = before?.id ?? '';
    const answer = await compromiseKey(harness.ports, { kid, reason: 'laptop stolen' }, testCaller);
    expect(answer.key).toMatchObject({ kid, state: 'compromised', compromise_reason: 'laptop stolen' });
    expect(answer.signer).toMatchObject({ state: 'active', alg: 'EdDSA' });
    expect(answer.notice).toMatch(/signs immediately, without the hold period/);
    const rows = await harness.keyRows();
    expect(rows.find((row) => row.id === kid)).toMatchObject({ privateKey: '', compromised: true });
    expect(rows.find((row) => row.id === answer.signer?.kid)).toMatchObject({ from: before?.from, until: null });
    const revocations = await harness.ports
      .raw`SELECT kind, value, reason, epoch IS NOT NULL AS numbered FROM revocations`;
    expect(revocations).toEqual([{ kind: 'key', value: kid, reason: 'key_compromised', numbered: true }]);
    expect(await harness.eventsOf('key.compromised')).toMatchObject([
      { target_id: kid, detail: { reason: 'laptop stolen', replaced_by: answer.signer?.kid } },
    ]);
    expect(harness.changes()).toBe(1);
  });

  test('repeated or concurrent calls answer the same and change nothing more', async () => {
    const kid = (await harness.keyRows())[0]?.id ?? '';
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => compromiseKey(harness.ports, { kid, reason: 'r' }, testCaller)),
    );
    answers.push(await compromiseKey(harness.ports, { kid, reason: 'another' }, testCaller));
    expect(new Set(answers.map((answer) => JSON.stringify([answer.key, answer.signer?.kid, answer.notice]))).size).toBe(
      1,
    );
    expect(await harness.keyRows()).toHaveLength(2);
    expect(await harness.eventsOf('key.compromised')).toHaveLength(1);
    expect(harness.changes()).toBe(1);
  });

  test('a pending successor starts earlier instead of a third key', async () => {
    const kid = (await harness.keyRows())[0]?.id ?? '';
    const { key: next } = await rotateSigningKeys(harness.ports, {}, testCaller);
    const answer = await compromiseKey(harness.ports, { kid, reason: 'r' }, testCaller);
    expect(answer.signer).toMatchObject({ kid: next.kid, state: 'active' });
    expect(await harness.keyRows()).toHaveLength(2);
  });

  test('a compromised pending key never signs: the active key continues', async () => {
    const active = (await harness.keyRows())[0]?.id ?? '';
    const { key: next } = await rotateSigningKeys(harness.ports, {}, testCaller);
    const answer = await compromiseKey(harness.ports, { kid: next.kid, reason: 'r' }, testCaller);
    expect(answer).toMatchObject({ signer: { kid: active, signs_until: null, leaves_at: null } });
    expect(answer.notice).toMatch(/unchanged/);
    expect(await rotateSigningKeys(harness.ports, {}, testCaller)).toMatchObject({ outcome: 'publish' });
  });

  test('a compromised retiring key is rejected without a change of signer', async () => {
    const kid = (await harness.keyRows())[0]?.id ?? '';
    const { key: next } = await rotateSigningKeys(harness.ports, {}, testCaller);
    await harness.age(120);
    const answer = await compromiseKey(harness.ports, { kid, reason: 'r' }, testCaller);
    expect(answer).toMatchObject({ key: { state: 'compromised' }, signer: { kid: next.kid } });
    expect(await harness.keyRows()).toHaveLength(2);
  });

  test('an unknown kid is 404 and changes nothing', async () => {
    await expect(compromiseKey(harness.ports, { kid: 'unknown', reason: 'r' }, testCaller)).rejects.toMatchObject({
      code: 'key_unknown',
    });
    expect(await harness.keyRows()).toHaveLength(1);
  });

  test('after any sequence of rotations and compromises the ranges meet and one key signs now', () =>
    fc.assert(
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
          await harness.ports.raw`TRUNCATE jwks`;
          await harness.start();
          for (const step of steps) {
            await harness.age(step.seconds);
            const rows = await harness.keyRows();
            if (step.kind === 'rotate') await rotateSigningKeys(harness.ports, {}, testCaller);
            else
              await compromiseKey(
                harness.ports,
                { kid: rows[step.index % rows.length]?.id ?? '', reason: 'r' },
                testCaller,
              );
          }
          const views = await listKeys(harness.ports);
          expect(views.filter((view) => view.state === 'active')).toHaveLength(1);
          expect(views.filter((view) => view.state === 'pending').length).toBeLessThanOrEqual(1);
          const planned = (await harness.keyRows()).filter(
            (row) => !row.compromised && (row.until === null || row.until > Date.now()),
          );
          for (const [index, row] of planned.entries()) expect(row.until).toBe(planned[index + 1]?.from ?? null);
        },
      ),
      { numRuns: 25 },
    ));
});

describe('a restored database', () => {
  test('every live key is compromised and one new key per purpose signs, in the caller’s transaction', async () => {
    await harness.start(keySettings({ algorithm: 'HS256' }));
    await rotateSigningKeys(harness.ports, {}, testCaller);
    const before = (await harness.keyRows()).map((row) => row.id);
    const replacements = await makeReplacements(harness.ports);
    const { compromised, created } = await harness.ports.transact((tx) =>
      replaceAllKeys(harness.ports, tx, replacements, 'restored', testCaller),
    );
    expect([...compromised].sort()).toEqual([...before].sort());
    expect(created).toHaveLength(2);
    const views = await listKeys(harness.ports);
    expect(
      views
        .filter((view) => view.state === 'active')
        .map((view) => view.kid)
        .sort(),
    ).toEqual([...created].sort());
    expect(views.filter((view) => view.state === 'compromised')).toHaveLength(3);
    expect(await harness.ports.raw`SELECT 1 FROM revocations`).toHaveLength(3);
  });
});

describe('rotation', () => {
  beforeEach(() => harness.start());

  test('publishes the next key now; the current range ends at exactly its lower bound', async () => {
    const { outcome, key } = await rotateSigningKeys(harness.ports, {}, testCaller);
    expect(outcome).toBe('publish');
    const [current, next] = await harness.keyRows();
    expect(next).toMatchObject({ id: key.kid, until: null, from: current?.until });
    expect((next?.from ?? 0) - (next?.published ?? 0)).toBe(60_000 + SKEW_MS);
    expect(current?.leaves).toBe((current?.until ?? 0) + 905_000 + SKEW_MS);
    expect(await listKeys(harness.ports)).toMatchObject([{ state: 'active' }, { state: 'pending', kid: key.kid }]);
    expect(harness.changes()).toBe(1);
    const events = await harness.eventsOf('key.published');
    expect(events.at(-1)).toMatchObject({
      target_id: key.kid,
      actor_id: 'test',
      detail: { signs_from: key.activates_at },
    });
  });

  test('ten concurrent rotations and one more publish one key; all return it', async () => {
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => rotateSigningKeys(harness.ports, {}, testCaller)),
    );
    answers.push(await rotateSigningKeys(harness.ports, {}, testCaller));
    expect(new Set(answers.map((answer) => answer.key.kid)).size).toBe(1);
    expect(answers.filter((answer) => answer.outcome === 'publish')).toHaveLength(1);
    expect(await harness.keyRows()).toHaveLength(2);
    expect(harness.changes()).toBe(1);
  });

  test('a scheduled rotation does nothing before its day', async () => {
    expect(await rotateSigningKeys(harness.ports, { onlyWhenDue: true }, testCaller)).toMatchObject({
      outcome: 'not_due',
    });
    await harness.age(30 * 86_400);
    expect(await rotateSigningKeys(harness.ports, { onlyWhenDue: true }, testCaller)).toMatchObject({
      outcome: 'publish',
    });
  });

  test('two signers at the same time cannot be written by any statement (exclusion constraint)', async () => {
    const insert = `INSERT INTO jwks (id, purpose, alg, "publicKey", "privateKey", signs, longest_token_seconds)
      VALUES ('second', $1, 'EdDSA', '{}', 'x', tstzrange(now() + interval '1 hour', NULL), 900)`;
    await expect(harness.ports.raw(insert, ['access'])).rejects.toMatchObject({ code: '23P01' });
    await harness.ports.raw(insert, ['another-purpose']);
    await harness.ports.raw`DELETE FROM jwks WHERE id = 'second'`;
  });

  test('a signer without its private key cannot be written', () =>
    expect(harness.ports.raw`UPDATE jwks SET "privateKey" = ''`).rejects.toMatchObject({ code: '23514' }));
});

describe('retirement', () => {
  beforeEach(async () => {
    await harness.start();
    await rotateSigningKeys(harness.ports, {}, testCaller);
  });

  test('the private key is destroyed once no copy can still sign with it, and not before', async () => {
    const [{ id: kid } = { id: '' }] = await harness.keyRows();
    await harness.age(60 + SKEW_MS / 1_000 + 1);
    expect(await retireKeys(harness.ports, testCaller)).toEqual({ keys: [], secrets: [] });
    await harness.age(SKEW_MS / 1_000);
    expect(await retireKeys(harness.ports, testCaller)).toEqual({ keys: [kid], secrets: [] });
    expect((await harness.keyRows()).map((row) => row.privateKey === '')).toEqual([true, false]);
    expect(await harness.eventsOf('key.private_part_destroyed')).toMatchObject([{ target_id: kid }]);
    expect(await retireKeys(harness.ports, testCaller)).toEqual({ keys: [], secrets: [] });
    expect(await listKeys(harness.ports)).toMatchObject([{ state: 'retiring' }, { state: 'active' }]);
  });

  test('history is deleted after a year, except for compromised keys', async () => {
    await harness.age(86_400);
    await compromiseKey(
      harness.ports,
      { kid: (await harness.keyRows())[0]?.id ?? '', reason: 'found in a log' },
      testCaller,
    );
    await rotateSigningKeys(harness.ports, {}, testCaller);
    await harness.age(500 * 86_400);
    await retireKeys(harness.ports, testCaller);
    expect((await harness.keyRows()).map((row) => row.compromised)).toEqual([true, false]);
    expect(await listKeys(harness.ports)).toHaveLength(1);
  });
});

describe('server secrets', () => {
  beforeEach(() => harness.start());
  const refreshRows = (): Promise<{ version: number; destroyed: boolean }[]> =>
    harness.ports
      .raw`SELECT version, secret = '' AS destroyed FROM server_secrets WHERE purpose = 'refresh' ORDER BY version`;

  test('a new version waits until every copy knows it; a repeated call returns the waiting one', async () => {
    const answers = await Promise.all(
      Array.from({ length: 5 }, () => rotateServerSecret(harness.ports, { purpose: 'refresh' }, testCaller)),
    );
    expect(answers.filter(({ outcome }) => outcome === 'created')).toHaveLength(1);
    expect(new Set(answers.map((row) => `${row.version} ${row.activates_at}`)).size).toBe(1);
    const [row] = await harness.ports.raw<{ waits: number }>`SELECT extract(epoch
      FROM activates_at - created_at)::int AS waits FROM server_secrets WHERE version = 2`;
    expect(row?.waits).toBe(30 + SKEW_MS / 1_000);
    expect(harness.changes()).toBe(1);
  });

  test('an old refresh version is kept for the longest token family and then destroyed', async () => {
    await rotateServerSecret(harness.ports, { purpose: 'refresh' }, testCaller);
    await harness.age(40 + 3_600);
    expect((await retireKeys(harness.ports, testCaller)).secrets).toEqual([]);
    await harness.age(5 + SKEW_MS / 1_000);
    expect((await retireKeys(harness.ports, testCaller)).secrets).toEqual(['refresh:1']);
    expect(await refreshRows()).toEqual([
      { version: 1, destroyed: true },
      { version: 2, destroyed: false },
    ]);
    expect(await harness.eventsOf('server_secret.destroyed')).toMatchObject([{ target_id: 'server_secret:refresh:1' }]);
    expect(await rotateServerSecret(harness.ports, { purpose: 'refresh' }, testCaller)).toMatchObject({ version: 3 });
  });

  test('secrets that stored values depend on are never destroyed', async () => {
    await rotateServerSecret(harness.ports, { purpose: 'pepper' }, testCaller);
    await rotateServerSecret(harness.ports, { purpose: 'identifier' }, testCaller);
    await harness.age(10 * 365 * 86_400);
    expect((await retireKeys(harness.ports, testCaller)).secrets).toEqual([]);
  });
});

describe('a shared secret after a change of the default audience', () => {
  const AFTER = 'https://after.example.test';
  const settingsWith = (audience: string | null, jwtSecret = KEY_SECRET): EnsureKeysSettings => ({
    ...keySettings({ algorithm: 'HS256', jwtSecret }),
    audience,
  });
  const sharedWith = (audience: string) => readKeysOf(harness.ports.sql, sharedSecretPurpose(audience));
  let kid: string;
  beforeEach(async () => {
    await harness.start(settingsWith(KEY_AUDIENCE));
    kid = (await sharedWith(KEY_AUDIENCE))[0]?.kid ?? '';
  });

  test.each([
    ['the same secret', KEY_SECRET],
    ['another secret', 'another-secret-of-thirty-two-characters'],
  ])(
    'after a change of the default audience %s signs for the new one, and no shared secret for the old one',
    async (_name, secret) => {
      const { created } = await harness.start(settingsWith(AFTER, secret));
      const [[before], [after]] = [await sharedWith(KEY_AUDIENCE), await sharedWith(AFTER)];
      expect(before).toMatchObject({ kid, signs_until: expect.any(Number) });
      expect(after).toMatchObject({ kid: created[0], signs_until: null });
      expect(await harness.eventsOf('key.stopped')).toMatchObject([{ target_id: kid }]);
    },
  );

  test('a start that does not know the default audience leaves shared secrets unchanged', async () => {
    expect((await harness.start(settingsWith(null))).created).toEqual([]);
    expect(await sharedWith(KEY_AUDIENCE)).toMatchObject([{ kid, signs_until: null }]);
  });
});

type Rule = (ports: object, input: object, caller: object) => object | Promise<object>;
const ruleOf = (operation: string): Rule =>
  keyOperations.find(({ endpoint }) => endpoint.operation === operation)?.rule as unknown as Rule;

test('the list is that of this copy’s ring', async () => {
  const keyRing = await harness.startRing();
  expect(keyRing.list()).toHaveLength(1);
  expect(await ruleOf('listKeys')({ keyRing }, {}, testCaller)).toEqual({ keys: keyRing.list() });
});

test('a rotation shows the next key, and whether it was already waiting', async () => {
  await harness.start();
  const rotate = () => ruleOf('rotateSigningKeys')(harness.ports, {}, testCaller);
  const first = await rotate();
  expect(first).toMatchObject({ state: 'pending', already_pending: false });
  expect(await rotate()).toEqual({ ...first, already_pending: true });
});

test('a compromised key is shown with the key that signs in its place, and what this means', async () => {
  await harness.start();
  const [{ id: kid } = { id: '' }] = await harness.keyRows();
  const answer = await ruleOf('compromiseKey')(harness.ports, { kid, reason: 'leaked' }, testCaller);
  expect(answer).toMatchObject({
    kid,
    state: 'compromised',
    compromise_reason: 'leaked',
    signer: { state: 'active' },
    notice: expect.stringContaining('signs immediately'),
  });
});
