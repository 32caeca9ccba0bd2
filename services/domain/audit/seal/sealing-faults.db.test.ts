import { copyFile, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { MarkStoreUnavailableError } from '../../../platform/marks/s3-cell.ts';
import { createS3LogMark } from '../../../platform/marks/s3-marks.ts';
import { checkLog } from '../../../platform/testing/check-log.ts';
import { startS3Server } from '../../../platform/testing/counterparts/s3-server.ts';
import { testCaller } from '../../../platform/testing/ports.ts';
import { runSealer, type SealerKill } from '../../../platform/testing/processes/log-sealer.ts';
import { createTestDatabase, type TestDatabase } from '../../../platform/testing/stores.ts';
import { createLogWorld, giveKeys, type LogWorld, TEST_ORIGIN } from '../../../platform/testing/worlds/log-world.ts';
import { erasePersonal } from '../erase-personal.ts';
import { continueLog, planContinue } from './continue-log.ts';
import { sealEvents } from './seal-events.ts';
import { thinCheckpoints } from './thin-checkpoints.ts';

let database: TestDatabase;
let world: LogWorld;
beforeEach(async () => {
  database = await createTestDatabase();
  world = await createLogWorld(database.url);
  await giveKeys(world);
  await sealEvents(world, {}, testCaller);
});
afterEach(async () => {
  await world.end();
  await database.drop();
});

const seal = () => sealEvents(world, {}, testCaller);
const asSuperuser = async (...statements: string[]): Promise<void> => {
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  for (const statement of ['SET session_replication_role = replica', ...statements]) await client.query(statement);
  await client.end();
};

/** The tables of the log as they are now; `restore` is a backup put back. */
async function backup(): Promise<{ restore(): Promise<void> }> {
  const tables = ['audit_log', 'audit_events', 'audit_personal', 'audit_tiles', 'audit_checkpoints', 'audit_outbox'];
  const kept = tables.map((table) => `CREATE TABLE kept_${table} AS TABLE ${table}`);
  await asSuperuser(...kept);
  return {
    restore: () =>
      asSuperuser(
        ...tables.flatMap((table) => [
          `DELETE FROM ${table}`,
          `INSERT INTO ${table} ${table === 'audit_outbox' ? 'OVERRIDING SYSTEM VALUE' : ''} TABLE kept_${table}`,
        ]),
      ),
  };
}

describe('kill -9', () => {
  test('at every statement and round the mark, one after the other: each event of the ledger has one leaf (V8)', async () => {
    const ledger = await world.emit(3);
    const options = { url: database.url, dataDir: world.dataDir };
    const whole = await runSealer(options);
    const statements = whole?.statements ?? 0;
    expect(statements).toBeGreaterThan(15);
    const kills: SealerKill[] = [
      ...Array.from({ length: statements }, (_, at) => ({ at: 'statement', statement: at + 1 }) as const),
      { at: 'before the mark' },
      { at: 'after the mark' },
    ];
    let killed = 0;
    for (const kill of kills) {
      ledger.push(...(await world.emit(2)));
      if ((await runSealer({ ...options, kill })) === null) killed += 1;
      // What a half-done run has left is consistent by itself, but for what the next one does first.
      const { size } = await checkLog(world);
      const mark = await world.logMark.read();
      expect(mark?.size).toBeLessThanOrEqual(size);
      const [{ newest } = { newest: 0 }] = await world.raw<{ newest: number }>(
        'SELECT max(size) AS newest FROM audit_checkpoints',
      );
      expect(newest).toBeLessThanOrEqual(mark?.size ?? 0);
    }
    expect(killed).toBeGreaterThanOrEqual(statements);
    expect(await seal()).toMatchObject({ backlog: 0, stopped: null });
    const { eventIds, size } = await checkLog(world);
    for (const id of ledger) expect(eventIds.filter((each) => each === id)).toHaveLength(1);
    expect(new Set(eventIds).size).toBe(eventIds.length);
    expect(await world.head()).toMatchObject({ size });
    expect((await world.logMark.read())?.size).toBe(size);
    // Some forty processes, one after the other.
  }, 400_000);
});

describe('a database behind its mark (V5)', () => {
  test('seals and signs nothing, says so once, keeps taking events, and continues when told to', async () => {
    await world.emit(5);
    await seal();
    const yesterday = await backup();
    const lost = await world.emit(4);
    await seal();
    const lostHead = await world.logMark.read();
    await yesterday.restore();
    const held = (await checkLog(world)).size;

    await world.emit(2);
    for (let again = 0; again < 3; again += 1)
      expect(await seal()).toMatchObject({ sealed: 0, size: held, stopped: 'database_behind' });
    expect(await world.logMark.read()).toEqual(lostHead);
    expect(await world.raw('SELECT 1 FROM audit_checkpoints WHERE size > $1', [held])).toEqual([]);
    expect(
      await world.raw(`SELECT outcome, actor_id, seq FROM audit_outbox WHERE type = 'audit.sealing_stopped'`),
    ).toEqual([{ outcome: 'database_behind', actor_id: 'test', seq: null }]);

    expect(await planContinue(world)).toMatchObject({ lost: lostHead, held: { size: held } });
    const continued = await continueLog(world, { reason: 'backup of yesterday' }, testCaller);
    expect(continued).toMatchObject({ firstSeq: held, lost: lostHead });
    expect(continued.origin).toMatch(/^sallyport\.test\/audit\/continued-[0-9a-f]{8}$/);
    const [first] = await world.raw<{ leaf: Buffer }>('SELECT leaf FROM audit_events WHERE seq = $1', [held]);
    expect(JSON.parse(first!.leaf.toString())).toMatchObject({
      type: 'audit.log_continued',
      detail: { reason: 'backup of yesterday', lost: lostHead, held: { origin: TEST_ORIGIN, size: held } },
    });

    // Its first leaf, the two events that waited, and the event of the stop.
    expect(await seal()).toMatchObject({ sealed: 3, size: 4, stopped: null });
    const { eventIds, origin } = await checkLog(world);
    expect(origin).toBe(continued.origin);
    expect(eventIds).not.toEqual(expect.arrayContaining(lost));
    expect(await world.head(origin)).toMatchObject({ origin, size: 4 });
    expect(await planContinue(world)).toBeNull();
    await expect(continueLog(world, { reason: 'again' }, testCaller)).rejects.toMatchObject({
      code: 'audit_nothing_to_continue',
    });
  });

  test('a continuation whose mark was not moved before a crash is finished by the next run', async () => {
    await world.emit(5);
    await seal();
    const yesterday = await backup();
    await world.emit(4);
    await seal();
    await yesterday.restore();
    expect(await seal()).toMatchObject({ stopped: 'database_behind' });
    const crashing = {
      ...world,
      logMark: { read: world.logMark.read, swap: () => Promise.reject(new Error('crash')) },
    };
    await expect(continueLog(crashing, { reason: 'x' }, testCaller)).rejects.toThrow('crash');
    expect(await seal()).toMatchObject({ sealed: 1, stopped: null });
    expect((await world.logMark.read())?.origin).toMatch(/continued-/);
    await checkLog(world);
  });

  test('hosts with marks of their own all stop, and all go on once one of them was told to', async () => {
    const other = await createLogWorld(database.url);
    for (const host of [world, other, world]) {
      await world.emit(2);
      expect(await sealEvents(host, {}, testCaller)).toMatchObject({ sealed: 2, stopped: null });
    }
    const yesterday = await backup();
    for (const host of [other, world]) {
      await world.emit(2);
      await sealEvents(host, {}, testCaller);
    }
    await yesterday.restore();
    const fresh = await createLogWorld(database.url);
    for (const host of [other, world, fresh])
      expect(await sealEvents(host, {}, testCaller)).toMatchObject({ stopped: 'database_behind' });
    await fresh.end();
    await continueLog(other, { reason: 'restored' }, testCaller);
    for (const host of [world, other, world]) {
      await world.emit(1);
      expect(await sealEvents(host, {}, testCaller)).toMatchObject({ stopped: null, backlog: 0 });
    }
    await checkLog(world);
    await other.end();
  });

  test('the right database put back, sealing resumes by itself and says so', async () => {
    const mark = (await world.logMark.read())!;
    const ahead = { ...mark, size: mark.size + 1 };
    await world.logMark.swap(mark, ahead);
    expect(await seal()).toMatchObject({ stopped: 'database_behind' });
    await world.logMark.swap(ahead, mark);
    expect(await seal()).toMatchObject({ sealed: 2, stopped: null });
    const types = await world.raw<{ type: string }>(
      `SELECT type FROM audit_events WHERE type LIKE 'audit.%' ORDER BY seq`,
    );
    expect(types.map(({ type }) => type)).toEqual(['audit.sealing_stopped', 'audit.sealing_resumed']);
  });

  test('the same number of leaves under another root is a fork, as are other leaves below the mark', async () => {
    const mark = (await world.logMark.read())!;
    const other = Buffer.alloc(32, 1).toString('base64');
    await world.logMark.swap(mark, { ...mark, root: other });
    expect(await seal()).toMatchObject({ stopped: 'forked' });
    await world.logMark.swap({ ...mark, root: other }, { ...mark, size: mark.size - 1, root: other });
    expect(await seal()).toMatchObject({ stopped: 'forked' });
  });

  test('without a mark the database is believed, as on a first start', async () => {
    const bare = await createLogWorld(database.url);
    await world.emit(1);
    expect(await sealEvents(bare, {}, testCaller)).toMatchObject({ sealed: 1, stopped: null });
    expect(await bare.logMark.read()).toMatchObject(await world.head().then(({ size, root }) => ({ size, root })));
    await bare.end();
  });
});

describe('tampering and damage', () => {
  test('a changed or missing tile of the edge stops sealing before a leaf stands on it (V12)', async () => {
    await world.emit(300);
    await seal();
    await asSuperuser(
      `UPDATE audit_tiles SET hashes = set_byte(hashes, 40, get_byte(hashes, 40) # 1) WHERE level = 0 AND n = 1`,
    );
    await world.emit(1);
    expect(await seal()).toMatchObject({ sealed: 0, stopped: 'tiles_damaged' });
    await asSuperuser('DELETE FROM audit_tiles WHERE level = 0 AND n = 1');
    expect(await seal()).toMatchObject({ sealed: 0, stopped: 'tiles_damaged' });
    expect(await continueLog(world, { reason: 'disk' }, testCaller)).toMatchObject({ lost: { origin: TEST_ORIGIN } });
    expect(await seal()).toMatchObject({ stopped: null });
  });

  test('a second root of one size is never signed beside the first: both are kept, sealing stops (V4)', async () => {
    await world.emit(5);
    const { size } = await checkLog(world);
    await world.raw(`INSERT INTO audit_checkpoints (origin, size, root, note) VALUES ($1, $2, $3, 'forged')`, [
      TEST_ORIGIN,
      size + 5,
      Buffer.alloc(32, 1),
    ]);
    expect(await seal()).toMatchObject({ sealed: 5, stopped: 'forked' });
    expect(await seal()).toMatchObject({ sealed: 0, stopped: 'forked' });
    expect(await world.raw('SELECT note FROM audit_checkpoints WHERE size = $1', [size + 5])).toEqual([
      { note: 'forged' },
    ]);
  });

  test('sealed events are not changed, deleted or truncated by the application', async () => {
    await world.emit(1);
    await seal();
    for (const statement of [
      `UPDATE audit_events SET outcome = 'x'`,
      'DELETE FROM audit_events',
      'TRUNCATE audit_events',
    ])
      await expect(world.raw(statement)).rejects.toMatchObject({ code: '23001' });
  });

  test('a mark that cannot be read stops the run with its path, and changes nothing', async () => {
    const file = join(world.dataDir, 'audit-mark.json');
    const kept = await readFile(file, 'utf8');
    await world.emit(1);
    await writeFile(file, '{');
    await expect(seal()).rejects.toThrow('audit-mark.json');
    await writeFile(file, kept);
    expect(await seal()).toMatchObject({ sealed: 1 });
  });
});

describe('outside', () => {
  test('with the mark in an object store every host knows it: a restored database seals on none, nor without the store', async () => {
    const bucket = await startS3Server();
    const hosts = await Promise.all(
      [1, 2].map(() => createLogWorld(database.url, { logMark: () => createS3LogMark(bucket.settings) })),
    );
    const [one, other] = hosts as [LogWorld, LogWorld];
    await one.emit(3);
    await Promise.all([one, other].map((host) => sealEvents(host, {}, testCaller)));
    const kept = await backup();
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

  test('logins go on while sealing is stopped: an event is a row and nothing else', async () => {
    const mark = (await world.logMark.read())!;
    await world.logMark.swap(mark, { ...mark, size: mark.size + 1 });
    await seal();
    await world.emit(50);
    expect(await seal()).toMatchObject({ sealed: 0, backlog: 51 });
  });

  test('two histories of one size meet in the file sink: the first stays, the second is put beside it', async () => {
    await world.emit(3);
    await seal();
    await world.checkpointOutbox.settled();
    const folder = join(world.checkpointFolder, encodeURIComponent(TEST_ORIGIN));
    const first = await readFile(join(folder, 'checkpoint'), 'utf8');
    const other = await createTestDatabase();
    const fork = await createLogWorld(other.url);
    await giveKeys(fork);
    await sealEvents(fork, {}, testCaller);
    await fork.emit(3);
    await sealEvents(fork, {}, testCaller);
    await fork.checkpointOutbox.settled();
    const foreign = join(fork.checkpointFolder, encodeURIComponent(TEST_ORIGIN), 'checkpoint');
    // Their newest, which is ours in size, where ours is told of: as with one folder behind two databases.
    await copyFile(foreign, join(folder, 'checkpoint'));
    const again = await createLogWorld(database.url, { dataDir: world.dataDir });
    await sealEvents(again, {}, testCaller);
    await again.checkpointOutbox.settled();
    expect(await readFile(join(folder, 'checkpoint'), 'utf8')).not.toBe(first);
    const [forked] = (await readdir(folder)).filter((name) => name.endsWith('.fork'));
    expect(await readFile(join(folder, forked ?? ''), 'utf8')).toBe(first);
    expect(await world.raw('SELECT failures, failing_since IS NOT NULL AS failing FROM audit_sinks')).toEqual([
      { failures: 1, failing: true },
    ]);
    await Promise.all([again.end(), fork.end()]);
    await other.drop();
  });
});

describe('forgetting (V9)', () => {
  test('a subject’s values go, sealed or not, and its proofs stay: leaves and root are the same', async () => {
    await world.emit(3, { userId: 'gone', detail: { identifier: 'mail-hash' } });
    await world.emit(2, { userId: 'stays' });
    await seal();
    const before = await checkLog(world);
    await world.emit(2, { userId: 'gone', detail: { identifier: 'mail-hash' } });
    expect(await erasePersonal(world, { subject: 'gone' }, testCaller)).toEqual({ values: 9, unsealed: 2 });
    await seal();
    const after = await checkLog(world);
    expect(after.eventIds.slice(0, before.size)).toEqual(before.eventIds);
    const dump = JSON.stringify([
      await world.raw('SELECT * FROM audit_personal'),
      await world.raw('SELECT * FROM audit_outbox'),
      await world.raw(`SELECT convert_from(leaf, 'UTF8') AS leaf, detail FROM audit_events`),
    ]);
    expect(dump).not.toContain('mail-hash');
    expect(await world.raw('SELECT DISTINCT subject FROM audit_personal WHERE subject IS NOT NULL')).toEqual([
      { subject: 'stays' },
    ]);
    expect(await world.raw(`SELECT target_id, detail FROM audit_events WHERE type = 'audit.personal_erased'`)).toEqual([
      { target_id: 'gone', detail: { values: 9, unsealed: 2 } },
    ]);
  });

  test('a batch read before an erasure does not bring back what was erased', async () => {
    await world.emit(3, { userId: 'gone' });
    const { transact } = world;
    let begun = 0;
    const late = {
      ...world,
      transact: (async (work) => {
        if (begun++ === 1) {
          await erasePersonal({ transact }, { subject: 'gone' }, testCaller);
        }
        return transact(work);
      }) as typeof transact,
    };
    expect(await sealEvents(late, {}, testCaller)).toMatchObject({ sealed: 4, backlog: 0 });
    expect(await world.raw(`SELECT 1 FROM audit_personal WHERE subject = 'gone'`)).toEqual([]);
    await checkLog(world);
  });
});

test('of old checkpoints one an hour stays, and every proof of a fork', async () => {
  await world.raw(
    `INSERT INTO audit_checkpoints (origin, size, root, note, created_at)
     SELECT 'old', n, decode(repeat('00', 32), 'hex'), 'x', date_trunc('hour', now()) - interval '8 days' + n * interval '20 minutes'
     FROM generate_series(0, 8) n`,
  );
  await world.raw(
    `INSERT INTO audit_checkpoints (origin, size, root, note, created_at)
     SELECT 'old', 4, decode(repeat('01', 32), 'hex'), 'x', created_at FROM audit_checkpoints WHERE origin = 'old' AND size = 4`,
  );
  expect(await thinCheckpoints(world, new AbortController().signal)).toBe(5);
  const left = await world.raw<{ size: number }>(
    `SELECT size FROM audit_checkpoints WHERE origin = 'old' ORDER BY size`,
  );
  expect(left.map(({ size }) => size)).toEqual([2, 4, 4, 5, 8]);
  expect(await thinCheckpoints(world, new AbortController().signal)).toBe(0);
});
