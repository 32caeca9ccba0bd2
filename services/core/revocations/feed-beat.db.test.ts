import { beforeEach, expect, test } from 'vitest';
import { WRITTEN_WITHOUT_BEAT } from '#services/platform/define/beat-sql.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import { eventually } from '#tools/testing/eventually.ts';
import { createTestPorts } from '#tools/testing/harness/ports.ts';
import { createTestDatabase } from '#tools/testing/harness/stores.ts';
import { opened } from '#tools/testing/opened.ts';
import { beatFeed, readFeed } from './revocations.store.ts';

const age = defineStatement('testBeatAge')`UPDATE feed_state SET beat_at = clock_timestamp() - interval '2 seconds'`;
const write = defineStatement('testBeatWrite')`
  UPDATE token_lifetimes SET revocation_keep_seconds = revocation_keep_seconds`;

const database = opened(createTestDatabase);
const ports = opened(() => createTestPorts(database.url));
beforeEach(() => ports.sql.query(age));

const read = () => readFeed(ports.sql, 0);

test('a beat is due after a transaction that wrote', async () => {
  await ports.sql.query(write);
  expect((await read()).is_beat_due).toBe(true);
});

test('no beat is due when nothing was written since the last, as a restored database then lacks nothing', async () => {
  // Other databases of the server number their transactions together with this one.
  await eventually('a moment in which no other database writes', async () => {
    await ports.sql.query(age);
    return !(await read()).is_beat_due;
  });
});

const figures = defineStatement('testBeatFigures')`
  WITH written AS (
    INSERT INTO copy_samples (id, copy_id, kind, seconds, sample)
    SELECT gen_random_uuid(), gen_random_uuid(), 'api', 1, '{}' WHERE $1 RETURNING id
  ), ${WRITTEN_WITHOUT_BEAT} SELECT FROM written`;

test('no beat is due after a write that a restored database may lack, and it advances none', () =>
  eventually('a moment in which no other database writes', async () => {
    await ports.sql.query(age);
    const { beat } = await read();
    for (let time = 0; time < 3; time += 1) await ports.sql.query(figures, [true]);
    const after = await read();
    expect(after.beat).toBe(beat);
    return !after.is_beat_due;
  }));

test('such a write hides no other: a beat is due for one before it, one after it and one that is open beside it', async () => {
  await ports.sql.query(write);
  await ports.sql.query(figures, [true]);
  expect((await read()).is_beat_due).toBe(true);
  await ports.sql.query(age);
  await ports.sql.query(figures, [true]);
  await ports.sql.query(write);
  expect((await read()).is_beat_due).toBe(true);
  await ports.sql.query(age);
  await ports.transact(async (tx) => {
    await tx.query(write);
    await ports.sql.query(figures, [true]);
  });
  expect((await read()).is_beat_due).toBe(true);
});

test('a statement that wrote nothing leaves the row of the beat alone', async () => {
  const version = defineStatement('testBeatVersion')`SELECT xmin::text FROM feed_state`;
  const before = await ports.sql.query(version);
  await ports.sql.query(figures, [false]);
  expect(await ports.sql.query(version)).toEqual(before);
});

test('a beat beside an open transaction that wrote is not the last one, and another is due while it is open', () =>
  ports.transact(async (tx) => {
    await tx.query(write);
    expect(await beatFeed(ports.sql)).toBe(false);
    await ports.sql.query(age);
    expect((await read()).is_beat_due).toBe(true);
  }));

test('two copies advance the beat once', async () => {
  const { beat } = await read();
  await Promise.all([beatFeed(ports.sql), beatFeed(ports.sql)]);
  await beatFeed(ports.sql);
  expect((await read()).beat).toBe(beat + 1);
});
