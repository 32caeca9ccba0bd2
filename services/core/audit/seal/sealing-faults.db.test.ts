import { randomInt } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createLogHarness, TEST_ORIGIN } from '#tools/testing/harness/log.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { runMortalSealer, runSealer, type SealerKill } from '#tools/testing/processes/log-sealer.ts';
import { continueLog, planContinue } from './continue-log.ts';
import { sealEvents } from './seal-events.ts';
import { checkLog, openSealingHarness, type SealingHarness } from './sealing-harness.ts';

let harness: SealingHarness;
beforeEach(async () => {
  harness = await openSealingHarness();
});
afterEach(() => harness.end());

describe('kill -9', () => {
  test('at every statement, and before and after moving the mark, leaves each event with exactly one leaf', async () => {
    const ledger = await harness.emit(3);
    const options = { url: harness.databaseUrl, dataDir: harness.dataDir };
    const whole = await runMortalSealer(options);
    const statements = whole?.statements ?? 0;
    expect(statements).toBeGreaterThan(15);
    const kills: SealerKill[] = [
      ...Array.from({ length: statements }, (_, at) => ({ at: 'statement', statement: at + 1 }) as const),
      { at: 'before the mark' },
      { at: 'after the mark' },
    ];
    // Each loses its connections, which is all that others see of a death; as proof, one is a process besides.
    const runs = kills.map((kill) => ({ kill, run: runMortalSealer }));
    runs.push({ kill: { at: 'statement', statement: randomInt(1, statements + 1) }, run: runSealer });
    for (const { kill, run } of runs) {
      ledger.push(...(await harness.emit(2)));
      expect([kill, run.name, await run({ ...options, kill })]).toEqual([kill, run.name, null]);
      // A killed run leaves a consistent log. The mark or the checkpoint may be behind; the next run moves them first.
      const { size } = await checkLog(harness);
      const mark = await harness.logMark.read();
      expect(mark?.size).toBeLessThanOrEqual(size);
      const [{ newest } = { newest: 0 }] = await harness.raw<{ newest: number }>(
        'SELECT max(size) AS newest FROM audit_checkpoints',
      );
      expect(newest).toBeLessThanOrEqual(mark?.size ?? 0);
    }
    expect(await harness.seal()).toMatchObject({ backlog: 0, stopped: null });
    const { eventIds, size } = await checkLog(harness);
    for (const id of ledger) expect(eventIds.filter((each) => each === id)).toHaveLength(1);
    expect(new Set(eventIds).size).toBe(eventIds.length);
    expect(await harness.head()).toMatchObject({ size });
    expect((await harness.logMark.read())?.size).toBe(size);
  }, 400_000);
});

describe('a database behind its high-water mark', () => {
  test('seals and signs nothing, records that once, accepts events, and continues when an operator says so', async () => {
    await harness.emit(5);
    await harness.seal();
    const yesterday = await harness.backup();
    const lost = await harness.emit(4);
    await harness.seal();
    const lostHead = await harness.logMark.read();
    await yesterday.restore();
    const held = (await checkLog(harness)).size;

    await harness.emit(2);
    for (let again = 0; again < 3; again += 1)
      expect(await harness.seal()).toMatchObject({ sealed: 0, size: held, stopped: 'database_behind' });
    expect(await harness.logMark.read()).toEqual(lostHead);
    expect(await harness.raw('SELECT 1 FROM audit_checkpoints WHERE size > $1', [held])).toEqual([]);
    expect(
      await harness.raw(`SELECT outcome, actor_id, seq FROM audit_outbox WHERE type = 'audit.sealing_stopped'`),
    ).toEqual([{ outcome: 'database_behind', actor_id: 'test', seq: null }]);

    expect(await planContinue(harness)).toMatchObject({ lost: lostHead, held: { size: held } });
    const continued = await continueLog(harness, { reason: 'backup of yesterday' }, testCaller);
    expect(continued).toMatchObject({ firstSeq: held, lost: lostHead });
    expect(continued.origin).toMatch(/^sallyport\.test\/audit\/continued-[0-9a-f]{8}$/);
    const [first] = await harness.raw<{ leaf: Buffer }>('SELECT leaf FROM audit_events WHERE seq = $1', [held]);
    expect(JSON.parse(first!.leaf.toString())).toMatchObject({
      type: 'audit.log_continued',
      detail: { lost: lostHead, held: { origin: TEST_ORIGIN, size: held } },
    });

    // The leaf of the continuation, two waiting events, and the event of the stop.
    expect(await harness.seal()).toMatchObject({ sealed: 3, size: 4, stopped: null });
    const { eventIds, origin } = await checkLog(harness);
    expect(origin).toBe(continued.origin);
    expect(eventIds).not.toEqual(expect.arrayContaining(lost));
    expect(await harness.head(origin)).toMatchObject({ origin, size: 4 });
    expect(await planContinue(harness)).toBeNull();
    await expect(continueLog(harness, { reason: 'again' }, testCaller)).rejects.toMatchObject({
      code: 'audit_nothing_to_continue',
    });
  });

  test('after a crash of `continue` before it moved the mark, nothing is sealed until it is run again', async () => {
    await harness.emit(5);
    await harness.seal();
    const yesterday = await harness.backup();
    await harness.emit(4);
    await harness.seal();
    await yesterday.restore();
    expect(await harness.seal()).toMatchObject({ stopped: 'database_behind' });
    const lost = await harness.logMark.read();
    const crashing = { ...harness, logMark: { ...harness.logMark, follow: () => Promise.reject(new Error('crash')) } };
    await expect(continueLog(crashing, { reason: 'x' }, testCaller)).rejects.toThrow('crash');
    expect(await harness.seal()).toMatchObject({ sealed: 0, stopped: 'continued_elsewhere' });
    expect(await harness.logMark.read()).toEqual(lost);
    expect(await planContinue(harness)).toMatchObject({ lost });
    const { origin } = await continueLog(harness, { reason: 'again' }, testCaller);
    expect(await harness.logMark.read()).toMatchObject({ origin });
    expect(await harness.logMark.readEarlier()).toEqual([lost]);
    expect(await planContinue(harness)).toBeNull();
    expect(await harness.seal()).toMatchObject({ stopped: null, backlog: 0 });
    expect(await harness.raw('SELECT origin FROM audit_log WHERE closed_at IS NULL')).toEqual([{ origin }]);
    await checkLog(harness);
  });

  test('hosts with separate marks all stop, and each resumes in the same new log after its own `continue`', async () => {
    const other = await createLogHarness(harness.databaseUrl);
    for (const host of [harness, other, harness]) {
      await harness.emit(2);
      expect(await sealEvents(host, {}, testCaller)).toMatchObject({ sealed: 2, stopped: null });
    }
    const yesterday = await harness.backup();
    for (const host of [other, harness]) {
      await harness.emit(2);
      await sealEvents(host, {}, testCaller);
    }
    await yesterday.restore();
    const fresh = await createLogHarness(harness.databaseUrl);
    for (const host of [other, harness, fresh])
      expect(await sealEvents(host, {}, testCaller)).toMatchObject({ stopped: 'database_behind' });
    await fresh.end();
    const { origin } = await continueLog(harness, { reason: 'restored' }, testCaller);
    expect(await sealEvents(other, {}, testCaller)).toMatchObject({ sealed: 0, stopped: 'continued_elsewhere' });
    expect(await continueLog(other, { reason: 'restored' }, testCaller)).toMatchObject({ origin });
    for (const host of [harness, other, harness]) {
      await harness.emit(1);
      expect(await sealEvents(host, {}, testCaller)).toMatchObject({ stopped: null, backlog: 0 });
    }
    await checkLog(harness);
    await other.end();
  });

  test('sealing resumes by itself, and records that, once the right database is back', async () => {
    const mark = (await harness.logMark.read())!;
    const ahead = { ...mark, size: mark.size + 1 };
    await harness.logMark.swap(mark, ahead);
    expect(await harness.seal()).toMatchObject({ stopped: 'database_behind' });
    await harness.logMark.swap(ahead, mark);
    expect(await harness.seal()).toMatchObject({ sealed: 2, stopped: null });
    const types = await harness.raw<{ type: string }>(
      `SELECT type FROM audit_events WHERE type LIKE 'audit.%' ORDER BY seq`,
    );
    expect(types.map(({ type }) => type)).toEqual(['audit.sealing_stopped', 'audit.sealing_resumed']);
  });

  test('stops as forked for another root at the size of the mark, and for other leaves below it', async () => {
    const mark = (await harness.logMark.read())!;
    const other = Buffer.alloc(32, 1).toString('base64');
    await harness.logMark.swap(mark, { ...mark, root: other });
    expect(await harness.seal()).toMatchObject({ stopped: 'forked' });
    await harness.logMark.swap({ ...mark, root: other }, { ...mark, size: mark.size - 1, root: other });
    expect(await harness.seal()).toMatchObject({ stopped: 'forked' });
  });

  test('without a mark the database is trusted, as on a first start', async () => {
    const bare = await createLogHarness(harness.databaseUrl);
    await harness.emit(1);
    expect(await sealEvents(bare, {}, testCaller)).toMatchObject({ sealed: 1, stopped: null });
    expect(await bare.logMark.read()).toMatchObject(await harness.head().then(({ size, root }) => ({ size, root })));
    await bare.end();
  });
});
