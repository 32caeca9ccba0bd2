import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { rewrapSealedValues } from '#services/core/keys/secrets/rewrap-sealed-values.ts';
import { clientCaller, createTestPorts, userCaller } from '#tools/testing/harness/ports.ts';
import { openedPhi, phiCopyOf } from './phi-harness.ts';
import { shredPhi } from './shred-phi.ts';

const { harness, ports } = openedPhi();
beforeEach(() => ports.raw`TRUNCATE phi_rotations, phi_data_keys, phi_keys, audit_outbox`);

const nurse = userCaller('nurse-1', { roles: ['clinician'], authTime: Math.floor(Date.now() / 1_000) });
const RECORD = { diagnosis: 'canary-diagnosis', codes: ['A01', null, 2.5] };

describe('encrypting and decrypting', () => {
  test('returns every type of JSON value; the database has no part of it', async () => {
    for (const data of [RECORD, [], {}, 'text', '', 0, -1.5, true, false, null])
      expect(await harness.decrypt(await harness.encrypt(data))).toEqual(data);
    const tables = await ports.raw<{ row: string }>`
      SELECT k::text AS row FROM phi_keys k UNION ALL SELECT d::text FROM phi_data_keys d UNION ALL SELECT a::text
      FROM audit_outbox a`;
    expect(tables.length).toBeGreaterThan(20);
    expect(JSON.stringify(tables)).not.toMatch(/canary|A01/);
  });

  test('each use is an event with actor, subject, purpose and level, and without the value', async () => {
    const encrypted = await harness.encrypt(RECORD, { level: 'high', purpose: 'emergency' }, nurse);
    await harness.decrypt(encrypted, 'emergency', nurse);
    const detail = { purpose: 'emergency', level: 'high', key_version: 1 };
    const rows = await ports.raw`SELECT type, outcome, actor_id, target_kind, target_id, detail FROM audit_outbox
      WHERE type LIKE 'phi.%crypted' ORDER BY id`;
    const about = { outcome: 'ok', actor_id: 'nurse-1', target_kind: 'subject', target_id: 'p-1' };
    expect(rows).toEqual([
      { type: 'phi.encrypted', ...about, detail },
      { type: 'phi.decrypted', ...about, detail: { ...detail, basis: 'policy' } },
    ]);
  });

  test('refuses another purpose or subject, a changed value and an unknown key alike, and records each refusal', async () => {
    const encrypted = await harness.encrypt(RECORD);
    await harness.encrypt('other', { subject_id: 'p-2' });
    const another = (letter: string): string => (letter === 'A' ? 'B' : 'A');
    const tries = [
      () => harness.decrypt(encrypted, 'payment'),
      () => harness.decrypt({ ...encrypted, subject_id: 'p-2' }),
      () => harness.decrypt({ ...encrypted, ciphertext: encrypted.ciphertext.replace(/^./, another) }),
      () => harness.decrypt({ ...encrypted, subject_id: 'unknown' }),
      () => harness.decrypt({ ...encrypted, key_version: 7 }),
      () => harness.decrypt({ ...encrypted, level: 'high' }),
    ];
    for (const attempt of tries) await expect(attempt()).rejects.toMatchObject({ code: 'phi_unreadable' });
    const refused = (await harness.events()).filter(({ outcome }) => outcome === 'refused');
    expect(refused).toHaveLength(tries.length);
    for (const { type, detail } of refused) expect([type, detail.code]).toEqual(['phi.decrypted', 'phi_unreadable']);
  });

  test('refuses what is not a JSON value before it creates a key', async () => {
    await expect(harness.encrypt(new Date())).rejects.toMatchObject({ code: 'request_invalid' });
    expect(await ports.raw`SELECT 1 FROM phi_data_keys`).toEqual([]);
  });

  test('a value whose audit event cannot be written is neither encrypted nor decrypted', async () => {
    const encrypted = await harness.encrypt(RECORD);
    await ports.raw`ALTER TABLE audit_outbox RENAME TO audit_outbox_gone`;
    onTestFinished(async () => void (await ports.raw`ALTER TABLE audit_outbox_gone RENAME TO audit_outbox`));
    await expect(harness.decrypt(encrypted)).rejects.toThrow();
    await expect(harness.encrypt(RECORD)).rejects.toThrow();
  });

  test('level high has a key of its own, and a user needs a recent sign-in to decrypt; a client does not', async () => {
    const [low, high] = [await harness.encrypt('a'), await harness.encrypt('b', { level: 'high' })];
    expect(await ports.raw`SELECT level FROM phi_data_keys ORDER BY level`).toEqual([
      { level: 'high' },
      { level: 'standard' },
    ]);
    const stale = userCaller('nurse-1', { roles: ['clinician'], authTime: Math.floor(Date.now() / 1_000) - 3_600 });
    expect(await harness.decrypt(low, 'treatment', stale)).toBe('a');
    await expect(harness.decrypt(high, 'treatment', stale)).rejects.toMatchObject({ code: 'step_up_required' });
    expect(await harness.decrypt(high, 'treatment', nurse)).toBe('b');
    expect(await harness.decrypt(high, 'treatment', clientCaller('clinic'))).toBe('b');
  });

  test('the first values of a subject, encrypted at once in two processes, share one data key and all open', async () => {
    const other = phiCopyOf(ports);
    const envelopes = await Promise.all(
      Array.from({ length: 20 }, (_, at) => (at % 2 ? harness : other).encrypt(at, { subject_id: 'busy' })),
    );
    expect(await ports.raw`SELECT version FROM phi_data_keys`).toEqual([{ version: 1 }]);
    expect(await ports.raw`SELECT version FROM phi_keys`).toEqual([{ version: 1 }]);
    for (const [at, envelope] of envelopes.entries()) expect(await other.decrypt(envelope)).toBe(at);
  });
});

describe('shredding', () => {
  const shred = (subjectId: string) => shredPhi(ports, { subject_id: subjectId, reason: 'requested' }, nurse);

  test('destroys every data key of one subject: no process decrypts its values, and others are untouched', async () => {
    const other = phiCopyOf(ports);
    const [low, high] = [await harness.encrypt('a'), await other.encrypt('b', { level: 'high' })];
    const kept = await harness.encrypt('c', { subject_id: 'p-2' });
    await other.decrypt(low);
    expect(await shred('p-1')).toMatchObject({ subject_id: 'p-1', destroyed_keys: 2 });
    for (const copy of [harness, other])
      for (const each of [low, high]) await expect(copy.decrypt(each)).rejects.toMatchObject({ code: 'phi_shredded' });
    expect(await harness.decrypt(kept)).toBe('c');
    expect(await ports.raw`SELECT wrapped, kek_version FROM phi_data_keys WHERE subject_id = 'p-1'`).toEqual([
      { wrapped: '', kek_version: null },
      { wrapped: '', kek_version: null },
    ]);
    const event = (await harness.events()).find(({ type }) => type === 'phi.shredded');
    expect(event).toMatchObject({ target_id: 'p-1', detail: { destroyed_keys: 2, reason: 'requested' } });
  });

  test('values encrypted afterwards get a new key, and old ones stay destroyed', async () => {
    const before = await harness.encrypt('old');
    await shred('p-1');
    const after = await harness.encrypt('new');
    expect(after.key_version).toBe(2);
    expect(await harness.decrypt(after)).toBe('new');
    await expect(harness.decrypt(before)).rejects.toMatchObject({ code: 'phi_shredded' });
  });

  test('a subject without keys is 404, a second time too', async () => {
    await harness.encrypt('a');
    await shred('p-1');
    for (const id of ['p-1', 'unknown']) await expect(shred(id)).rejects.toMatchObject({ code: 'phi_subject_unknown' });
  });

  test('of values that are encrypted meanwhile, each either decrypts afterwards or was encrypted before it', async () => {
    await harness.encrypt('first');
    const writes = Array.from({ length: 30 }, (_, at) => harness.encrypt(at));
    await Promise.all([shred('p-1'), ...writes]);
    const events = (await harness.events()).filter(({ type }) => type !== 'phi.key_created');
    const at = events.findIndex(({ type }) => type === 'phi.shredded');
    // No envelope under the destroyed key was returned after its destruction.
    for (const { detail } of events.slice(at + 1)) expect(detail.key_version).toBe(2);
    for (const write of writes) {
      const envelope = await write;
      if (envelope.key_version === 2) expect(await harness.decrypt(envelope)).toEqual(expect.any(Number));
    }
  });
});

describe('a new key-encryption key of the installation', () => {
  test('re-encrypts the PHI keys; a process that runs with the old one keeps decrypting', async () => {
    const encrypted = await harness.encrypt(RECORD);
    const fresh = createTestPorts(ports.databaseUrl, { keyEncryptionKey: Buffer.alloc(32, 8) });
    onTestFinished(() => fresh.end());
    await rewrapSealedValues(fresh, { previous: ports.vault }, nurse);
    expect(await phiCopyOf(fresh).decrypt(encrypted)).toEqual(RECORD);
    expect(await harness.decrypt(encrypted)).toEqual(RECORD);
    // It never opened a PHI key before the change.
    await expect(phiCopyOf(ports).decrypt(encrypted)).rejects.toMatchObject({ code: 'phi_key_unavailable' });
    await rewrapSealedValues(ports, { previous: fresh.vault }, nurse);
  });
});
