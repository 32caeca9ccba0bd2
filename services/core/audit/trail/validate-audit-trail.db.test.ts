import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { readLogKeys } from '#services/core/keys/log/log-keys.ts';
import type { Sql } from '#services/core/ports.ts';
import { continueInBulk, noteSigner, plainEvent, sealInBulk } from '#tools/testing/fixtures/sealed-log.ts';
import { createLogHarness, type LogHarness, openLogHarness, TEST_ORIGIN } from '#tools/testing/harness/log.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { createTestDatabase, type TestDatabase } from '#tools/testing/harness/stores.ts';
import { erasePersonal } from '../erase-personal.ts';
import { emptyEdge } from '../log/grow-tree.ts';
import { leafOf } from '../log/leaf.ts';
import { checkpointText, signNote } from '../log/note.ts';
import { sealEvents } from '../seal/seal-events.ts';
import { type AuditValidationResult, validateAuditTrail } from './validate-audit-trail.ts';

const codesOf = ({ faults }: AuditValidationResult): string[] => faults.map(({ code }) => code);

describe('an intact log', () => {
  let harness: LogHarness;
  beforeAll(async () => {
    harness = await openLogHarness();
  });
  afterAll(() => harness?.end());
  const validate = async () => {
    const head = await harness.logMark.read();
    const ports = { sql: harness.sql, auditLogKeys: (origin: string) => readLogKeys(harness, origin) };
    return validateAuditTrail(ports, head ? [{ where: 'the mark', head }] : []);
  };

  test('an unchanged audit trail is valid, also after a subject was erased', async () => {
    await harness.emit(300, { userId: 'u1', detail: { identifier: 'x' } });
    await harness.emit(300, { userId: 'u2' });
    await sealEvents(harness, { limit: 250 }, testCaller);
    await sealEvents(harness, {}, testCaller);
    const before = await validate();
    expect(before).toMatchObject({ valid: true, firstBadId: null, gaps: [], faults: [] });
    expect(before.checked).toBe(before.logs[0]?.size);
    await erasePersonal(harness, { subject: 'u1' }, testCaller);
    await sealEvents(harness, {}, testCaller);
    expect(await validate()).toMatchObject({ valid: true, checked: before.checked + 1 });
  });

  test('stays valid when a sealer runs between any two statements of the validation', async () => {
    const sql: Sql = {
      query: async (statement, values) => {
        await harness.emit(1);
        await sealEvents(harness, {}, testCaller);
        return harness.sql.query(statement, values);
      },
    };
    const ports = { sql, auditLogKeys: (origin: string) => readLogKeys(harness, origin) };
    expect((await validateAuditTrail(ports)).faults).toEqual([]);
  });

  test('stays valid while a sealer runs', async () => {
    await harness.emit(500);
    const sealing = sealEvents(harness, {}, testCaller);
    for (let at = 0; at < 5; at += 1) expect((await validate()).faults).toEqual([]);
    await sealing;
    expect((await validate()).valid).toBe(true);
  });

  test('a database behind its high-water mark is reported, although its own log is consistent', async () => {
    const log = (await validate()).logs[0]!;
    const mark = (await harness.logMark.read())!;
    expect(mark).toMatchObject({ origin: TEST_ORIGIN, size: log.size });
    await harness.logMark.swap(mark, { ...mark, size: mark.size + 5 });
    expect(await validate()).toMatchObject({ valid: false, firstBadId: null, faults: [{ code: 'log_behind_mark' }] });
    await harness.logMark.swap(
      { ...mark, size: mark.size + 5 },
      { ...mark, root: Buffer.alloc(32).toString('base64') },
    );
    expect(codesOf(await validate())).toEqual(['log_beside_mark']);
    await harness.logMark.swap({ ...mark, root: Buffer.alloc(32).toString('base64') }, mark);
  });
});

describe('reports what a superuser changed', () => {
  const SIZE = 5_000;
  const signer = noteSigner('sallyport.example/audit', 7);
  let sealed: TestDatabase;
  let harness: LogHarness;
  beforeAll(async () => {
    sealed = await createTestDatabase();
    const filling = await createLogHarness(sealed.url);
    await sealInBulk(filling.sql, { signer, batches: [100, 400, 2_000, 1_500, 1_000] });
    await filling.end();
    return () => sealed.drop();
  });
  beforeEach(async () => {
    const database = await createTestDatabase(sealed);
    harness = await createLogHarness(database.url);
    return async () => {
      await harness.end();
      await database.drop();
    };
  });
  const validate = () => validateAuditTrail({ sql: harness.sql, auditLogKeys: async () => [signer.key] });
  /** Runs statements with triggers off: a trigger makes the table append-only. */
  const tamper = (statements: string): Promise<unknown> =>
    harness.raw(`DO $$ BEGIN SET LOCAL session_replication_role = replica; ${statements}; END $$`);
  const leafLiteral = (seq: number, change: object): string =>
    `'\\x${leafOf({ ...plainEvent(seq), ...change }).toString('hex')}'`;

  test('nothing, if nothing was changed', async () =>
    expect(await validate()).toEqual({
      valid: true,
      checked: SIZE,
      firstBadId: null,
      gaps: [],
      faults: [],
      faultCount: 0,
      losses: [],
      logs: [{ origin: 'sallyport.example/audit', firstSeq: 0, size: SIZE, root: expect.any(String) }],
    }));

  test.each([
    ['type', `type = 'token.refreshed'`],
    ['outcome', `outcome = 'refused'`],
    ['actor', `actor_id = 'client-2'`],
    ['actor, removed', 'actor_id = NULL'],
    ['target', `target_id = 'another'`],
    ['client', `client_id = NULL`],
    ['detail', `detail = detail || '{"n": 1}'`],
    ['time by a microsecond', `occurred_at = occurred_at + interval '1 microsecond'`],
    ['time of sealing', `sealed_at = sealed_at - interval '1 day'`],
    ['trace', `trace_id = NULL`],
    ['id', `event_id = gen_random_uuid()`],
  ])('an edited column: %s', async (_, change) => {
    await tamper(`UPDATE audit_events SET ${change} WHERE seq = 2051`);
    expect(await validate()).toMatchObject({
      firstBadId: 2_051,
      gaps: [],
      faults: [{ code: 'row_edited', seq: 2_051 }],
    });
  });

  test('a row edited together with its sealed bytes', async () => {
    await tamper(
      `UPDATE audit_events SET actor_id = 'client-2', leaf = ${leafLiteral(3_001, { actorId: 'client-2' })} WHERE seq = 3001`,
    );
    expect(await validate()).toMatchObject({ firstBadId: 3_001, faultCount: 1, faults: [{ code: 'row_edited' }] });
  });

  test('a replaced personal value', async () => {
    await tamper(`UPDATE audit_personal SET value = '1.other' WHERE event_id = '${plainEvent(300).event_id}'`);
    expect(await validate()).toMatchObject({ firstBadId: 300, faultCount: 1, faults: [{ code: 'row_edited' }] });
  });

  test('deleted rows, as gaps', async () => {
    await tamper('DELETE FROM audit_events WHERE seq IN (7, 8, 9, 4000, 4999)');
    expect(await validate()).toMatchObject({
      valid: false,
      checked: SIZE - 5,
      firstBadId: 7,
      gaps: [
        { from: 7, to: 9 },
        { from: 4_000, to: 4_000 },
        { from: 4_999, to: 4_999 },
      ],
      faults: [],
    });
  });

  test('a deleted row whose followers were renumbered', async () => {
    await tamper(
      `DELETE FROM audit_events WHERE seq = 4990; UPDATE audit_events SET seq = -seq WHERE seq > 4990; UPDATE audit_events SET seq = -seq - 1 WHERE seq < 0`,
    );
    expect(await validate()).toMatchObject({ firstBadId: 4_990, gaps: [{ from: 4_999, to: 4_999 }] });
  });

  test('two swapped rows', async () => {
    await tamper(
      `UPDATE audit_events SET seq = -1 WHERE seq = 10; UPDATE audit_events SET seq = 10 WHERE seq = 4444; UPDATE audit_events SET seq = 4444 WHERE seq = -1`,
    );
    expect(await validate()).toMatchObject({
      firstBadId: 10,
      faults: [{ code: 'row_swapped', seq: 10, message: 'events 10 and 4444 are swapped' }],
    });
  });

  test('a row added after the end of the log', async () => {
    await tamper(
      `INSERT INTO audit_events SELECT 5000, gen_random_uuid(), type, outcome, actor_kind, actor_id, target_kind, target_id, client_id,
         detail, trace_id, occurred_at, sealed_at, leaf FROM audit_events WHERE seq = 1`,
    );
    expect(await validate()).toMatchObject({ firstBadId: 5_000, faults: [{ code: 'row_added', seq: 5_000 }] });
  });

  test('a flipped bit of a tile, at level 0 or above, with the path of the tile', async () => {
    const flip = (level: number, n: number): Promise<unknown> =>
      tamper(
        `UPDATE audit_tiles SET hashes = set_bit(hashes, 9, 1 - get_bit(hashes, 9)) WHERE level = ${level} AND n = ${n}`,
      );
    await flip(0, 9);
    expect(await validate()).toMatchObject({
      firstBadId: 2_304,
      gaps: [],
      faults: [{ code: 'tile_damaged', message: expect.stringContaining('tile/0/009 ') }],
    });
    await flip(0, 9);
    await flip(1, 0);
    expect((await validate()).faults).toMatchObject([
      { code: 'tile_damaged', message: expect.stringContaining('tile/1/000.p/19 ') },
    ]);
  });

  test('a missing tile, and no fault of its rows', async () => {
    await tamper('DELETE FROM audit_tiles WHERE level = 0 AND n = 3');
    expect(await validate()).toMatchObject({
      firstBadId: 768,
      gaps: [],
      faults: [{ code: 'tile_damaged', message: expect.stringContaining('tile/0/003 ') }],
    });
  });

  test('changed rows with a rebuilt tree, as a range between two signed checkpoints', async () => {
    const rebuilt = await createTestDatabase();
    const other = await createLogHarness(rebuilt.url);
    const event = (seq: number) => (seq === 2_701 ? { ...plainEvent(seq), outcome: 'refused' } : plainEvent(seq));
    await sealInBulk(other.sql, { signer, batches: [SIZE], event });
    const tiles = await other.raw<{ level: number; n: number; hashes: Buffer }>`SELECT level, n, hashes
      FROM audit_tiles`;
    const [{ root } = { root: Buffer.alloc(0) }] = await other.raw<{ root: Buffer }>`SELECT root FROM audit_log`;
    await other.end();
    await rebuilt.drop();
    await tamper(
      `UPDATE audit_events SET outcome = 'refused', leaf = ${leafLiteral(2_701, { outcome: 'refused' })} WHERE seq = 2701`,
    );
    for (const { level, n, hashes } of tiles)
      await harness.raw`UPDATE audit_tiles SET hashes = ${hashes} WHERE level = ${level} AND n = ${n}`;
    await harness.raw`UPDATE audit_log SET root = ${root}`;
    expect(await validate()).toMatchObject({
      valid: false,
      firstBadId: 2_500,
      faults: [{ code: 'root_mismatch', message: expect.stringContaining('2500 to 3999') }],
    });
  });

  test('a tail that was cut off, by the checkpoint that covers it', async () => {
    const [{ root } = { root: Buffer.alloc(0) }] = await harness.raw<{ root: Buffer }>`SELECT root
      FROM audit_checkpoints WHERE size = 4000`;
    await tamper('DELETE FROM audit_events WHERE seq >= 4000');
    await harness.raw`UPDATE audit_log SET size = 4000, root = ${root}`;
    expect(await validate()).toMatchObject({ valid: false, checked: 4_000, faults: [{ code: 'log_truncated' }] });
  });

  test('two signed roots of one size, and a checkpoint of another signer', async () => {
    const root = Buffer.alloc(32, 1);
    const put = async (size: number, by: typeof signer): Promise<unknown> => {
      const note = signNote(checkpointText({ origin: signer.key.name, size, root }), [by]);
      return harness.raw`INSERT INTO audit_checkpoints (origin, size, root, note)
        VALUES (${signer.key.name}, ${size}, ${root}, ${note})`;
    };
    await put(4_000, signer);
    expect(codesOf(await validate())).toContain('log_forked');
    await harness.raw`DELETE FROM audit_checkpoints WHERE root = ${root}`;
    await put(4_900, noteSigner(signer.key.name, 8));
    expect(codesOf(await validate())).toEqual(['checkpoint_forged']);
  });

  test('a fault in a continued log, by its number over both logs', async () => {
    const next = noteSigner('sallyport.example/audit/continued-00000000', 7);
    const first = { origin: signer.key.name, firstSeq: 0, edge: { ...emptyEdge, size: SIZE } };
    await continueInBulk(harness.sql, first, { signer: next, batches: [300] });
    const both = () =>
      validateAuditTrail({
        sql: harness.sql,
        auditLogKeys: async (origin) => [origin === next.key.name ? next.key : signer.key],
      });
    expect(await both()).toMatchObject({ valid: true, checked: SIZE + 300 });
    await tamper(`UPDATE audit_events SET outcome = 'refused' WHERE seq = ${SIZE + 8}`);
    expect(await both()).toMatchObject({ valid: false, firstBadId: SIZE + 8, faultCount: 1 });
  });
});
