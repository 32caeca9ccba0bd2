import { createHash } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readLogKeys } from '#services/core/keys/log/log-keys.ts';
import { openSealingHarness, type SealingHarness } from '../seal/sealing-harness.ts';
import { validateAuditTrail } from '../trail/validate-audit-trail.ts';
import { followEvents, followEventsOf, listEvents } from './list-events.ts';
import { readEvent } from './read-event.ts';

let harness: SealingHarness;
/** An event with one beside it on each side. */
let target: number;
beforeEach(async () => {
  harness = await openSealingHarness();
  await harness.emit(6, { detail: { reason: 'a reason that is personal' } });
  target = (await harness.seal()).size - 3;
});
afterEach(() => harness.end());

const listed = async () => (await listEvents(harness, { limit: 100 })).events.find(({ seq }) => seq === target);
const verified = async () => {
  const auditLogKeys = (origin: string) => readLogKeys(harness, origin);
  const { valid, faults } = await validateAuditTrail({ sql: harness.sql, auditLogKeys });
  return { valid, codes: faults.map(({ code }) => code) };
};

test('events that no one altered are shown, also after the erasure of personal values', async () => {
  const { events } = await listEvents(harness, { limit: 100 });
  expect(events.length).toBeGreaterThan(6);
  expect(events.every(({ altered }) => altered === undefined)).toBe(true);
  expect(await readEvent(harness, target)).toMatchObject({ detail: { reason: 'a reason that is personal' } });
  await harness.asSuperuser('DELETE FROM audit_personal');
  expect((await readEvent(harness, target)).detail).toEqual({});
});

test.each([
  ['a column', (seq: number) => `UPDATE audit_events SET outcome = 'forged' WHERE seq = ${seq}`],
  ['its id', (seq: number) => `UPDATE audit_events SET event_id = gen_random_uuid() WHERE seq = ${seq}`],
  [
    'a personal value',
    (seq: number) =>
      `UPDATE audit_personal SET value = 'forged' WHERE field = 'detail.reason' AND event_id = (SELECT event_id FROM audit_events WHERE seq = ${seq})`,
  ],
])('a superuser who alters %s is found by the next read, which shows what was sealed', async (_, statement) => {
  const before = await listed();
  await harness.asSuperuser(statement(target));
  await expect(readEvent(harness, target)).rejects.toMatchObject({
    code: 'audit_row_altered',
    options: { detail: `Event ${target} was altered.` },
  });
  // The ids of `emit` are not ours, so the leaf has only commitments to them.
  const sealed = { actor: { kind: 'user', id: null }, target: null, client_id: null, detail: {} };
  expect(await listed()).toEqual({ ...before, ...sealed, altered: true });
  expect((await followEvents(harness, target - 1, 1))[0]).toMatchObject({ type: 'test.done', altered: true });
  expect((await readEvent(harness, target + 1)).seq).toBe(target + 1);
  expect(await verified()).toEqual({ valid: false, codes: ['row_edited'] });
});

/** Alters row and leaf alike, as one who knows the format. */
async function alterRowAndLeaf(): Promise<Buffer> {
  const [row] = await harness.raw<{ leaf: Buffer }>`SELECT leaf FROM audit_events WHERE seq = ${target}`;
  const leaf = Buffer.from((row?.leaf.toString() ?? '').replace('"outcome":"ok"', '"outcome":"forged"'));
  await harness.asSuperuser(
    `UPDATE audit_events SET outcome = 'forged', leaf = '\\x${leaf.toString('hex')}' WHERE seq = ${target}`,
  );
  return leaf;
}

test('a superuser who alters row and leaf is found by the next read, which shows only the place', async () => {
  await alterRowAndLeaf();
  await expect(readEvent(harness, target)).rejects.toMatchObject({ code: 'audit_row_altered' });
  expect(await listed()).toMatchObject({ seq: target, type: 'unknown', outcome: 'unknown', detail: {}, altered: true });
  expect(await followEventsOf(harness, ['test.done'], target - 1, 1)).toEqual({
    events: [],
    reachedSeq: target,
    isNewest: false,
  });
  expect((await verified()).valid).toBe(false);
});

test('a superuser who alters row, leaf and tile is found by the recomputation: the root is not the signed one', async () => {
  const hash = createHash('sha256')
    .update(Buffer.concat([Buffer.of(0), await alterRowAndLeaf()]))
    .digest('hex');
  await harness.asSuperuser(
    `UPDATE audit_tiles SET hashes = overlay(hashes PLACING '\\x${hash}'::bytea FROM ${target * 32 + 1}) WHERE level = 0`,
  );
  expect((await readEvent(harness, target)).outcome).toBe('forged');
  const { valid, codes } = await verified();
  expect([valid, codes]).toEqual([false, expect.arrayContaining(['root_mismatch'])]);
});

test('what is altered in the outbox before it is sealed, is sealed as it is: the log proves what the database said', async () => {
  const [eventId] = await harness.emit(1);
  await harness.asSuperuser(`UPDATE audit_outbox SET outcome = 'forged' WHERE event_id = '${eventId}'`);
  await harness.seal();
  const { events } = await listEvents(harness, { limit: 1 });
  expect(events).toMatchObject([{ event_id: eventId, outcome: 'forged' }]);
  expect(await verified()).toEqual({ valid: true, codes: [] });
});
