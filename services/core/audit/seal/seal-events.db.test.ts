import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { collectAuditEvents } from '#tools/catalog/collect.ts';
import { createLogHarness, type OwnLogHarness, openLogHarness, TEST_ORIGIN } from '#tools/testing/harness/log.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { commitmentOf } from '../log/leaf.ts';
import { recordEvent } from '../record-event.ts';
import { sealEvents } from './seal-events.ts';
import { checkLog } from './sealing-harness.ts';

let harness: OwnLogHarness;
beforeEach(async () => {
  harness = await openLogHarness();
  // Seals the events of the key creation, so that tests count only their own.
  await sealEvents(harness, {}, testCaller);
});
afterEach(() => harness?.end());

const seal = (limit?: number) => sealEvents(harness, limit === undefined ? {} : { limit }, testCaller);

describe('sealing', () => {
  test('every event gets one leaf, in order, under a signed head that the high-water mark has', async () => {
    const before = (await checkLog(harness)).size;
    const ids = await harness.emit(600);
    expect(await seal()).toEqual({ sealed: 600, size: before + 600, backlog: 0, stopped: null });
    const { eventIds, size } = await checkLog(harness);
    expect(eventIds.slice(before)).toEqual(ids);
    const head = await harness.head();
    expect(head.size).toBe(size);
    expect(await harness.logMark.read()).toEqual({ origin: TEST_ORIGIN, size, root: head.root });
    await harness.checkpointOutbox.settled();
    const file = join(harness.checkpointFolder, encodeURIComponent(TEST_ORIGIN), 'checkpoint');
    expect(await readFile(file, 'utf8')).toBe(head.note);
  });

  test('a sealed event carries the trace, and its columns equal its leaf', async () => {
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    const userId = harness.random.uuid();
    const detail = { reason: 'sign_out', identifier: 'secret-hash', n: 7, b: [1, { a: 2 }] };
    await harness.emit(1, { userId, traceparent, detail });
    await seal();
    const [row] = await harness.raw<Record<string, unknown> & { leaf: Buffer }>`
      SELECT *, to_char(occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at
      FROM audit_events ORDER BY seq DESC LIMIT 1`;
    const leaf = JSON.parse(row!.leaf.toString());
    expect(row).toMatchObject({
      type: 'test.done',
      actor_kind: 'user',
      actor_id: userId,
      target_kind: null,
      client_id: null,
      detail: { reason: 'sign_out', n: 7 },
      trace_id: '0af7651916cd43dd8448eb211c80319c',
      at: leaf.occurred_at,
    });
    expect(leaf).toMatchObject({
      v: 1,
      type: 'test.done',
      actor: { kind: 'user', id: userId },
      trace_id: row!.trace_id,
    });
    const committed = ['agent_hash', 'client_id', 'detail', 'detail.identifier', 'ip_hash', 'target'];
    expect(Object.keys(leaf.personal).sort()).toEqual(committed);
    expect(row!.leaf.toString()).not.toContain('secret-hash');
  });

  test('personal values are in audit_personal alone; the leaf has their commitments', async () => {
    const [id] = await harness.emit(1, { detail: { identifier: 'hash-of-address' } });
    await seal();
    const values = await harness.raw<{ field: string; salt: Buffer; value: string; subject: string }>`SELECT field,
      salt, value, subject FROM audit_personal WHERE event_id = ${id} ORDER BY field`;
    expect(values.map(({ field, value, subject }) => [field, value, subject])).toEqual([
      ['actor', 'u1', 'u1'],
      ['agent_hash', '1.agent', 'u1'],
      ['client_id', 'c1', null],
      ['detail.identifier', 'hash-of-address', 'u1'],
      ['ip_hash', '1.ip1', 'u1'],
      ['target', 'family:s1', 'u1'],
    ]);
    const [{ leaf } = { leaf: Buffer.alloc(0) }] = await harness.raw<{ leaf: Buffer }>`SELECT leaf FROM audit_events
      WHERE event_id = ${id}`;
    const { personal } = JSON.parse(leaf.toString());
    for (const value of values) expect(personal[value.field]).toBe(commitmentOf(value).toString('base64'));
    expect(await harness.raw`SELECT ip_hash, agent_hash, detail FROM audit_outbox WHERE event_id = ${id}`).toEqual([
      { ip_hash: null, agent_hash: null, detail: {} },
    ]);
  });

  test('a run without unsealed events writes neither a leaf nor a checkpoint', async () => {
    const count = async () => await harness.raw`SELECT count(*) FROM audit_checkpoints`;
    const before = await count();
    expect(await seal()).toMatchObject({ sealed: 0, backlog: 0 });
    expect(await count()).toEqual(before);
  });

  test('a run seals no more than its limit, and the next one seals the rest', async () => {
    await harness.emit(30);
    expect(await seal(10)).toMatchObject({ sealed: 10, backlog: 20 });
    expect(await seal()).toMatchObject({ sealed: 20, backlog: 0 });
    await checkLog(harness);
  });

  test('every declared event is sealed with each of its outcomes, for every kind of target', async () => {
    // Those about keys need keys that exist: see key-events.db.test.ts.
    const declared = (await collectAuditEvents()).filter(({ type }) => !type.startsWith('key.'));
    expect(declared.length).toBeGreaterThan(70);
    const targets = (
      [
        'user',
        'session',
        'client',
        'family',
        'token',
        'key',
        'revocation',
        'installation',
        'queue',
        'incident',
      ] as const
    ).map((kind) => ({ kind, id: `${kind}-1` }));
    const detail = {
      reason: 'password',
      identifier: '1.x',
      count: 2,
      user_id: 'u1',
      nested: { 'a b': [null, 'ü😀\0'] },
    };
    const written = declared.flatMap((event) => event.outcomes.map((outcome) => ({ event, outcome })));
    await harness.transact(async (tx) => {
      for (const [at, { event, outcome }] of written.entries()) {
        const target = targets[at % targets.length] as (typeof targets)[number];
        await recordEvent(tx, testCaller, event, { outcome, target, detail: detail as never });
      }
    });
    expect(await seal()).toMatchObject({ sealed: written.length, backlog: 0, stopped: null });
    await checkLog(harness);
    const leaves = await harness.raw<{ leaf: Buffer }>`SELECT leaf
      FROM audit_events ORDER BY seq DESC LIMIT ${written.length}`;
    const sealed = leaves.map(({ leaf }) => JSON.parse(leaf.toString()) as { type: string; outcome: string });
    const names = (rows: readonly { readonly type: string; readonly outcome: string }[]) =>
      rows.map(({ type, outcome }) => `${type} ${outcome}`).sort();
    expect(names(sealed)).toEqual(names(written.map(({ event, outcome }) => ({ type: event.type, outcome }))));
  });
});

describe('events are sealed whatever the order in which they commit', () => {
  test('seals an event whose transaction commits after later events were sealed', async () => {
    const slow = new pg.Client({ connectionString: harness.databaseUrl });
    await slow.connect();
    await slow.query('BEGIN');
    await slow.query(`INSERT INTO audit_outbox (type, outcome, actor_kind) VALUES ('test.slow', 'ok', 'system')`);
    const after = await harness.emit(5);
    expect(await seal()).toMatchObject({ sealed: 5 });
    await slow.query('COMMIT');
    await slow.end();
    expect(await seal()).toMatchObject({ sealed: 1 });
    const { eventIds } = await checkLog(harness);
    expect(eventIds.slice(-6, -1)).toEqual(after);
  });
});

describe('several sealers', () => {
  test('four concurrent sealers, in five rounds, give each event one leaf', async () => {
    const others = await Promise.all(
      [1, 2, 3].map(() => createLogHarness(harness.databaseUrl, { dataDir: harness.dataDir })),
    );
    const ids: string[] = [];
    for (let round = 0; round < 5; round += 1) {
      ids.push(...(await harness.emit(300)));
      const answers = await Promise.all([harness, ...others].map((each) => sealEvents(each, {}, testCaller)));
      expect(answers.reduce((sum, { sealed }) => sum + sealed, 0)).toBe(300);
    }
    const { eventIds } = await checkLog(harness);
    expect(new Set(eventIds).size).toBe(eventIds.length);
    expect(eventIds).toEqual(expect.arrayContaining(ids));
    await Promise.all(others.map((each) => each.end()));
  });

  test('an event written twice has one leaf, and both rows have its number', async () => {
    const [id] = await harness.emit(1);
    await seal();
    await harness.raw`INSERT INTO audit_outbox (event_id, type, outcome, actor_kind)
      VALUES (${id}, 'test.done', 'ok', 'system')`;
    const twin = '0190b1d4-0000-7000-8000-000000000000';
    for (const type of ['test.one', 'test.two'])
      await harness.raw`INSERT INTO audit_outbox (event_id, type, outcome, actor_kind)
        VALUES (${twin}, ${type}, 'ok', 'system')`;
    expect(await seal()).toMatchObject({ sealed: 1, backlog: 0 });
    const { eventIds } = await checkLog(harness);
    expect(eventIds.filter((each) => each === id || each === twin)).toHaveLength(2);
  });

  test('a sealer that stalled before its write writes nothing once another has sealed (SIGSTOP past the lock)', async () => {
    const stalled = await createLogHarness(harness.databaseUrl, { dataDir: harness.dataDir });
    await harness.emit(10);
    const transact = stalled.transact;
    let overtaken = 0;
    const late = {
      ...stalled,
      transact: (async (work) => {
        // The first transaction reads, the second writes.
        if (overtaken++ === 1) {
          await seal();
          await harness.emit(7);
        }
        return transact(work);
      }) as typeof transact,
    };
    expect(await sealEvents(late, {}, testCaller)).toMatchObject({ sealed: 7, backlog: 0 });
    await checkLog(harness);
    await stalled.end();
  });

  test('a row that is gone when the batch is written gets no leaf', async () => {
    const [gone] = await harness.emit(2);
    let transactions = 0;
    const transact = (async (work) => {
      if (transactions++ === 1) await harness.raw`DELETE FROM audit_outbox WHERE event_id = ${gone}`;
      return harness.transact(work);
    }) as typeof harness.transact;
    expect(await sealEvents({ ...harness, transact }, {}, testCaller)).toMatchObject({ sealed: 1, backlog: 0 });
    await checkLog(harness);
  });

  test('a run superseded by a newer one writes nothing', async () => {
    await harness.emit(3);
    const before = await checkLog(harness);
    const superseded = Object.assign(new Error('run_superseded'), { code: 'run_superseded' });
    const fence = { number: 1, hold: () => Promise.reject(superseded) };
    await expect(sealEvents(harness, { fence }, testCaller)).rejects.toBe(superseded);
    expect(await checkLog(harness)).toEqual(before);
    expect(await seal()).toMatchObject({ sealed: 3 });
  });
});
