import { join } from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import type { MarkStore } from '#services/core/ports.ts';
import { openDetectionHarness } from '#services/core/security/detection-harness.ts';
import { createFileMarks } from '#services/platform/marks/file-marks.ts';
import { createTransact } from '#services/platform/postgres/pool.ts';
import { openSessionFor } from '#tools/testing/flows/signed-in.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { opened } from '#tools/testing/opened.ts';
import { testFolder } from '#tools/testing/test-folder.ts';
import { planRestore, restoreAcceptLoss } from './restore-accept-loss.ts';

const OTHER = '00000000-0000-4000-8000-000000000001';

const harness = opened(() => openDetectionHarness());
let dir: string;
let marks: MarkStore;
beforeEach(async () => {
  dir = testFolder(onTestFinished);
  marks = createFileMarks(dir);
});

/** Ports as the command line has them, without the check of high-water marks. */
const ports = () => ({ ...harness.deps, transact: createTransact(harness.pool, () => {}), marks });
/** Wakes the state poll, so that the running copies have read the new incarnation afterwards. */
const accept = (isForced = false) =>
  restoreAcceptLoss(ports(), { isForced }, testCaller).finally(() => harness.poll.wake());
/** Raises the high-water marks of this database above its counters. */
async function marksAhead(beats: number, epochs = 0): Promise<void> {
  const { database } = await planRestore(ports());
  const { incarnation, revocationEpoch, beat } = database;
  await marks.raise({ incarnation, revocationEpoch: revocationEpoch + epochs, beat: beat + beats });
}
const left = async () => {
  const [row] = await harness.rows`SELECT (SELECT count(*)::int FROM sessions) AS sessions,
    (SELECT count(*)::int FROM refresh_families WHERE revoked_at IS NULL) AS families,
    (SELECT count(*)::int FROM idempotency_keys) AS answers`;
  return row;
};

describe('comparing a database with its high-water marks', () => {
  test('reports new without marks, rewound if behind them or of another incarnation, and changes nothing', async () => {
    expect(await planRestore(ports())).toMatchObject({ standing: 'new', marks: null });
    await marksAhead(1_000_000);
    const before = await left();
    const plan = await planRestore(ports());
    expect(plan).toMatchObject({ standing: 'rewound', live: { users: expect.any(Number) } });
    await marks.raise({ incarnation: OTHER, revocationEpoch: 1, beat: 1 }, [plan.database.incarnation]);
    expect(await planRestore(ports())).toMatchObject({ standing: 'rewound', marks: { incarnation: OTHER } });
    expect(await left()).toEqual(before);
  });

  test('refuses to accept a loss if nothing was lost, and keeps every session', async () => {
    const { id } = await harness.person();
    await openSessionFor({ ports: harness.deps }, id);
    const { database } = await planRestore(ports());
    await marks.raise({ ...database, revocationEpoch: 0, beat: 0 });
    await expect(accept()).rejects.toMatchObject({ code: 'nothing_to_accept' });
    expect(await harness.rows`SELECT FROM sessions WHERE "userId" = ${id}`).toHaveLength(1);
    expect((await planRestore(ports())).database.incarnation).toBe(database.incarnation);
  });
});

describe('accepting the loss', () => {
  test('ends every session and token family, raises every epoch, and writes an event for each', async () => {
    const users = [await harness.person(), await harness.person()];
    for (const { id } of users) await openSessionFor({ ports: harness.deps }, id);
    await marksAhead(1_000_000);
    const { live } = await planRestore(ports());
    const [before] = await harness.rows<{ at: string }>`SELECT coalesce(max(id), 0)::text AS at FROM audit_outbox`;
    const done = await accept();
    expect(done.ended).toEqual(live);
    expect(done.ended.families).toBeGreaterThanOrEqual(2);
    expect(await left()).toEqual({ sessions: 0, families: 0, answers: 0 });
    const recorded = await harness.rows<{ type: string; count: number }>`SELECT type, count(*)::int AS count
      FROM audit_outbox WHERE id > ${before?.at} GROUP BY type`;
    expect(Object.fromEntries(recorded.map(({ type, count }) => [type, count]))).toMatchObject({
      'session.ended': done.ended.sessions,
      'token.family_ended': done.ended.families,
      'user.tokens_revoked': done.ended.users,
      'key.compromised': done.keysCompromised.length,
      'operations.restore_accepted': 1,
    });
  });

  test('marks every key as compromised and creates a replacement', async () => {
    await marksAhead(1_000_000);
    const done = await accept();
    expect(done.keysCompromised.length).toBeGreaterThan(0);
    const rows = await harness.rows<{ id: string; gone: boolean }>`SELECT id::text AS id,
      compromised_at IS NOT NULL AS gone FROM jwks`;
    const gone = new Map(rows.map(({ id, gone }) => [id, gone]));
    expect(done.keysCompromised.map((id) => gone.get(id))).toEqual(done.keysCompromised.map(() => true));
    expect(done.keysCreated.map((id) => gone.get(id))).toEqual(done.keysCreated.map(() => false));
    expect(done.keysCreated.length).toBeGreaterThan(0);
  });

  test('begins an incarnation above the high-water marks and raises them; a second attempt has nothing to accept', async () => {
    await marksAhead(1_000_000, 5_000);
    const before = await marks.read();
    const done = await accept();
    expect(done.replaced).toBe(before?.incarnation);
    expect(done.incarnation).not.toBe(done.replaced);
    const after = await marks.read();
    expect(after?.incarnation).toBe(done.incarnation);
    expect(after?.revocationEpoch).toBeGreaterThanOrEqual(before?.revocationEpoch ?? Number.NaN);
    expect(after?.beat).toBeGreaterThan(before?.beat ?? Number.NaN);
    await expect(accept()).rejects.toMatchObject({ code: 'nothing_to_accept' });
  });

  test('replaces high-water marks of another incarnation, and other hosts with those marks report `replaced`', async () => {
    await marks.raise({ incarnation: OTHER, revocationEpoch: 70, beat: 900 });
    const done = await accept();
    expect(await marks.read()).toMatchObject({ incarnation: done.incarnation });
    const elsewhere = createFileMarks(join(dir, 'elsewhere'));
    await elsewhere.raise({ incarnation: OTHER, revocationEpoch: 70, beat: 900 });
    expect((await planRestore({ ...ports(), marks: elsewhere })).standing).toBe('replaced');
  });

  test('runs with force if nothing was lost', async () => {
    const { database } = await planRestore(ports());
    await marks.raise({ ...database, revocationEpoch: 0, beat: 0 });
    expect((await accept(true)).replaced).toBe(database.incarnation);
  });

  test('without marks also ends everything, because the loss is unknown', async () => {
    const { id } = await harness.person();
    await harness.session(id);
    await accept();
    expect(await left()).toMatchObject({ sessions: 0 });
    expect(await marks.read()).not.toBeNull();
  });
});
