import { randomInt } from 'node:crypto';
import { copyFile, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { MarkStoreUnavailableError } from '#services/platform/marks/s3-cell.ts';
import { createS3LogMark } from '#services/platform/marks/s3-marks.ts';
import { startS3Server } from '#tools/testing/fakes/s3-server.ts';
import { createLogHarness, type LogHarness, openLogHarness, TEST_ORIGIN } from '#tools/testing/harness/log.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { openedEach } from '#tools/testing/opened.ts';
import { erasePersonal } from '../erase-personal.ts';
import { listEvents } from '../read/list-events.ts';
import { continueLog, planContinue } from './continue-log.ts';
import { runMortalSealer, runSealer, type SealerKill } from './log-sealer-harness.ts';
import { sealEvents } from './seal-events.ts';
import { checkLog, openSealingHarness } from './sealing-harness.ts';
import { thinCheckpoints } from './thin-checkpoints.ts';

const harness = openedEach(openSealingHarness);

describe('tampering and damage', () => {
  test('a changed or missing tile at the right edge stops sealing before a leaf is added', async () => {
    await harness.emit(300);
    await harness.seal();
    await harness.asSuperuser(
      `UPDATE audit_tiles SET hashes = set_byte(hashes, 40, get_byte(hashes, 40) # 1) WHERE level = 0 AND n = 1`,
    );
    await harness.emit(1);
    expect(await harness.seal()).toMatchObject({ sealed: 0, stopped: 'tiles_damaged' });
    await harness.asSuperuser('DELETE FROM audit_tiles WHERE level = 0 AND n = 1');
    expect(await harness.seal()).toMatchObject({ sealed: 0, stopped: 'tiles_damaged' });
    expect(await continueLog(harness, { reason: 'disk' }, testCaller)).toMatchObject({ lost: { origin: TEST_ORIGIN } });
    expect(await harness.seal()).toMatchObject({ stopped: null });
  });

  test('sealing stops rather than sign a second root of one size; the existing checkpoint stays', async () => {
    await harness.emit(5);
    const { size } = await checkLog(harness);
    await harness.raw`INSERT INTO audit_checkpoints (origin, size, root, note)
      VALUES (${TEST_ORIGIN}, ${size + 5}, ${Buffer.alloc(32, 1)}, 'forged')`;
    expect(await harness.seal()).toMatchObject({ sealed: 5, stopped: 'forked' });
    expect(await harness.seal()).toMatchObject({ sealed: 0, stopped: 'forked' });
    expect(await harness.raw`SELECT note FROM audit_checkpoints WHERE size = ${size + 5}`).toEqual([
      { note: 'forged' },
    ]);
  });

  test('the owner of the tables cannot change, delete or truncate sealed events while triggers are on', async () => {
    await harness.emit(1);
    await harness.seal();
    for (const statement of [
      `UPDATE audit_events SET outcome = 'x'`,
      'DELETE FROM audit_events',
      'TRUNCATE audit_events',
    ])
      await expect(harness.raw(statement)).rejects.toMatchObject({ code: '23001' });
  });

  test('an unreadable mark file ends the run with an error that names it, and nothing is sealed', async () => {
    const file = join(harness.dataDir, 'audit-mark.json');
    const kept = await readFile(file, 'utf8');
    await harness.emit(1);
    await writeFile(file, '{');
    await expect(harness.seal()).rejects.toThrow('audit-mark.json');
    await writeFile(file, kept);
    expect(await harness.seal()).toMatchObject({ sealed: 1 });
  });
});

describe('high-water mark and sinks', () => {
  test('hosts that share a mark in an object store all stop for a restored database, and seal nothing without the store', async () => {
    const bucket = await startS3Server();
    const hosts = await Promise.all(
      [1, 2].map(() => createLogHarness(harness.databaseUrl, { logMark: () => createS3LogMark(bucket.settings) })),
    );
    const [one, other] = hosts as [LogHarness, LogHarness];
    await one.emit(3);
    await Promise.all([one, other].map((host) => sealEvents(host, {}, testCaller)));
    const kept = await harness.backup();
    await other.emit(2);
    expect(await sealEvents(other, {}, testCaller)).toMatchObject({ backlog: 0, stopped: null });
    const { size } = await other.head();
    expect(await one.logMark.read()).toMatchObject({ size });

    bucket.fault = 503;
    await one.emit(1);
    await expect(sealEvents(one, {}, testCaller)).rejects.toBeInstanceOf(MarkStoreUnavailableError);
    bucket.fault = undefined;
    await kept.restore();
    await one.emit(4);
    for (const host of hosts)
      expect(await sealEvents(host, {}, testCaller)).toMatchObject({ sealed: 0, stopped: 'database_behind' });
    await continueLog(other, { reason: 'test' }, testCaller);
    expect(await sealEvents(one, {}, testCaller)).toMatchObject({ backlog: 0, stopped: null });
    await Promise.all([...hosts.map((host) => host.end()), bucket.close()]);
  });

  test('events are still recorded while sealing is stopped', async () => {
    const mark = (await harness.logMark.read())!;
    await harness.logMark.swap(mark, { ...mark, size: mark.size + 1 });
    await harness.seal();
    await harness.emit(50);
    expect(await harness.seal()).toMatchObject({ sealed: 0, backlog: 51 });
  });

  test('the file sink keeps both of two checkpoints with one size and different roots', async () => {
    await harness.emit(3);
    await harness.seal();
    await harness.checkpointOutbox.settled();
    const folder = join(harness.checkpointFolder, encodeURIComponent(TEST_ORIGIN));
    const first = await readFile(join(folder, 'checkpoint'), 'utf8');
    const fork = await openLogHarness();
    await sealEvents(fork, {}, testCaller);
    await fork.emit(3);
    await sealEvents(fork, {}, testCaller);
    await fork.checkpointOutbox.settled();
    const otherFile = join(fork.checkpointFolder, encodeURIComponent(TEST_ORIGIN), 'checkpoint');
    // As if two databases published to one folder: a checkpoint of the same size, with another root.
    await copyFile(otherFile, join(folder, 'checkpoint'));
    const again = await createLogHarness(harness.databaseUrl, { dataDir: harness.dataDir });
    await sealEvents(again, {}, testCaller);
    await again.checkpointOutbox.settled();
    expect(await readFile(join(folder, 'checkpoint'), 'utf8')).not.toBe(first);
    const [forked] = (await readdir(folder)).filter((name) => name.endsWith('.fork'));
    expect(await readFile(join(folder, forked ?? ''), 'utf8')).toBe(first);
    expect(await harness.raw`SELECT failures, failing_since IS NOT NULL AS failing FROM audit_sinks`).toEqual([
      { failures: 1, failing: true },
    ]);
    await Promise.all([again.end(), fork.end()]);
  });
});

describe('erasure', () => {
  test('erases a subject’s values, sealed or not, and leaves and root stay the same', async () => {
    await harness.emit(3, { userId: 'gone', detail: { identifier: 'mail-hash' } });
    await harness.emit(2, { userId: 'stays' });
    await harness.seal();
    const before = await checkLog(harness);
    await harness.emit(2, { userId: 'gone', detail: { identifier: 'mail-hash' } });
    expect(await erasePersonal(harness, { subject: 'gone' }, testCaller)).toEqual({ values: 15, unsealed: 2 });
    await harness.seal();
    const after = await checkLog(harness);
    expect(after.eventIds.slice(0, before.size)).toEqual(before.eventIds);
    const dump = JSON.stringify([
      await harness.raw`SELECT * FROM audit_personal`,
      await harness.raw`SELECT * FROM audit_outbox`,
      await harness.raw`SELECT convert_from(leaf, 'UTF8') AS leaf, detail FROM audit_events`,
    ]);
    expect(dump).not.toContain('mail-hash');
    expect(dump.match(/gone/g)).toEqual(['gone']);
    expect(await harness.raw`SELECT DISTINCT subject FROM audit_personal WHERE subject IS NOT NULL ORDER BY 1`).toEqual(
      [{ subject: 'erased' }, { subject: 'stays' }],
    );
    const [record] = (await listEvents(harness, { type: 'audit.personal_erased', limit: 1 })).events;
    expect(record).toMatchObject({ target: { kind: 'user', id: 'gone' }, detail: { values: 15, unsealed: 2 } });
  });

  test('a batch read before an erasure does not restore erased values', async () => {
    await harness.emit(3, { userId: 'gone' });
    const { transact } = harness;
    let begun = 0;
    const late = {
      ...harness,
      transact: (async (work) => {
        if (begun++ === 1) await erasePersonal({ transact }, { subject: 'gone' }, testCaller);
        return transact(work);
      }) as typeof transact,
    };
    expect(await sealEvents(late, {}, testCaller)).toMatchObject({ sealed: 4, backlog: 0 });
    expect(await harness.raw`SELECT 1 FROM audit_personal WHERE subject = 'gone'`).toEqual([]);
    await checkLog(harness);
  });
});

test('thinning keeps one old checkpoint an hour, and both checkpoints of a fork', async () => {
  await harness.raw`INSERT INTO audit_checkpoints (origin, size, root, note, created_at)
    SELECT 'old', n, decode(repeat('00', 32), 'hex'), 'x',
      date_trunc('hour', now()) - interval '8 days' + n * interval '20 minutes'
    FROM generate_series(0, 8) n`;
  await harness.raw`INSERT INTO audit_checkpoints (origin, size, root, note, created_at)
    SELECT 'old', 4, decode(repeat('01', 32), 'hex'), 'x', created_at FROM audit_checkpoints
      WHERE origin = 'old' AND size = 4`;
  expect(await thinCheckpoints(harness, new AbortController().signal)).toBe(5);
  const left = await harness.raw<{ size: number }>`SELECT size FROM audit_checkpoints
    WHERE origin = 'old' ORDER BY size`;
  expect(left.map(({ size }) => size)).toEqual([2, 4, 4, 5, 8]);
  expect(await thinCheckpoints(harness, new AbortController().signal)).toBe(0);
});

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
      const [{ newest } = { newest: 0 }] = await harness.raw<{ newest: number }>`SELECT max(size) AS newest
        FROM audit_checkpoints`;
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
    expect(await harness.raw`SELECT 1 FROM audit_checkpoints WHERE size > ${held}`).toEqual([]);
    const found =
      await harness.raw`SELECT outcome, actor_id, seq FROM audit_outbox WHERE type = 'audit.sealing_stopped'`;
    expect(found).toEqual([{ outcome: 'database_behind', actor_id: 'test', seq: null }]);

    expect(await planContinue(harness)).toMatchObject({ lost: lostHead, held: { size: held } });
    const continued = await continueLog(harness, { reason: 'backup of yesterday' }, testCaller);
    expect(continued).toMatchObject({ firstSeq: held, lost: lostHead });
    expect(continued.origin).toMatch(/^sallyport\.test\/audit\/continued-[0-9a-f]{8}$/);
    const [first] = await harness.raw<{ leaf: Buffer }>`SELECT leaf FROM audit_events WHERE seq = ${held}`;
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
    expect(await harness.raw`SELECT origin FROM audit_log WHERE closed_at IS NULL`).toEqual([{ origin }]);
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
    const types = await harness.raw<{ type: string }>`SELECT type FROM audit_events
      WHERE type LIKE 'audit.%' ORDER BY seq`;
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
