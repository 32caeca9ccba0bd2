import { copyFile, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { MarkStoreUnavailableError } from '#services/platform/marks/s3-cell.ts';
import { createS3LogMark } from '#services/platform/marks/s3-marks.ts';
import { startS3Server } from '#tools/testing/fakes/s3-server.ts';
import { createLogHarness, type LogHarness, openLogHarness, TEST_ORIGIN } from '#tools/testing/harness/log.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { erasePersonal } from '../erase-personal.ts';
import { listEvents } from '../read/list-events.ts';
import { continueLog } from './continue-log.ts';
import { sealEvents } from './seal-events.ts';
import { checkLog, openSealingHarness, type SealingHarness } from './sealing-harness.ts';
import { thinCheckpoints } from './thin-checkpoints.ts';

let harness: SealingHarness;
beforeEach(async () => {
  harness = await openSealingHarness();
});
afterEach(() => harness.end());

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
    await harness.raw(`INSERT INTO audit_checkpoints (origin, size, root, note) VALUES ($1, $2, $3, 'forged')`, [
      TEST_ORIGIN,
      size + 5,
      Buffer.alloc(32, 1),
    ]);
    expect(await harness.seal()).toMatchObject({ sealed: 5, stopped: 'forked' });
    expect(await harness.seal()).toMatchObject({ sealed: 0, stopped: 'forked' });
    expect(await harness.raw('SELECT note FROM audit_checkpoints WHERE size = $1', [size + 5])).toEqual([
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
    expect(await harness.raw('SELECT failures, failing_since IS NOT NULL AS failing FROM audit_sinks')).toEqual([
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
      await harness.raw('SELECT * FROM audit_personal'),
      await harness.raw('SELECT * FROM audit_outbox'),
      await harness.raw(`SELECT convert_from(leaf, 'UTF8') AS leaf, detail FROM audit_events`),
    ]);
    expect(dump).not.toContain('mail-hash');
    expect(dump.match(/gone/g)).toEqual(['gone']);
    expect(
      await harness.raw('SELECT DISTINCT subject FROM audit_personal WHERE subject IS NOT NULL ORDER BY 1'),
    ).toEqual([{ subject: 'erased' }, { subject: 'stays' }]);
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
        if (begun++ === 1) {
          await erasePersonal({ transact }, { subject: 'gone' }, testCaller);
        }
        return transact(work);
      }) as typeof transact,
    };
    expect(await sealEvents(late, {}, testCaller)).toMatchObject({ sealed: 4, backlog: 0 });
    expect(await harness.raw(`SELECT 1 FROM audit_personal WHERE subject = 'gone'`)).toEqual([]);
    await checkLog(harness);
  });
});

test('thinning keeps one old checkpoint an hour, and both checkpoints of a fork', async () => {
  await harness.raw(
    `INSERT INTO audit_checkpoints (origin, size, root, note, created_at)
     SELECT 'old', n, decode(repeat('00', 32), 'hex'), 'x', date_trunc('hour', now()) - interval '8 days' + n * interval '20 minutes'
     FROM generate_series(0, 8) n`,
  );
  await harness.raw(
    `INSERT INTO audit_checkpoints (origin, size, root, note, created_at)
     SELECT 'old', 4, decode(repeat('01', 32), 'hex'), 'x', created_at FROM audit_checkpoints WHERE origin = 'old' AND size = 4`,
  );
  expect(await thinCheckpoints(harness, new AbortController().signal)).toBe(5);
  const left = await harness.raw<{ size: number }>(
    `SELECT size FROM audit_checkpoints WHERE origin = 'old' ORDER BY size`,
  );
  expect(left.map(({ size }) => size)).toEqual([2, 4, 4, 5, 8]);
  expect(await thinCheckpoints(harness, new AbortController().signal)).toBe(0);
});
