import { beforeEach, describe, expect, test } from 'vitest';
import { takeFence } from '#services/platform/queue/fences.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { requestPrivacyJob } from '../access/privacy-requests.ts';
import { openedPhi } from '../phi-harness.ts';
import { shredPhi } from '../shred-phi.ts';
import { endHold, listHolds, placeHold } from './legal-holds.ts';
import {
  implementDataRetentionPolicies,
  readRetention,
  readRun,
  requestRetentionRun,
  setRetentionPolicy,
} from './retention.ts';
import { RETENTION_KINDS, type RetentionKind } from './retention-shapes.ts';

const { harness, ports } = openedPhi();
beforeEach(async () => {
  await ports.raw`TRUNCATE retention_runs, legal_holds, phi_consents, phi_requests, phi_disclosures, phi_break_glass,
    phi_restrictions,
    phi_data_keys, phi_rotations, phi_keys, audit_outbox`;
  await ports.raw`DELETE FROM users`;
  await ports.raw`UPDATE retention_policies SET keep_days = NULL WHERE kind IN ('users', 'phi')`;
  await ports.raw`UPDATE retention_policies SET keep_days = 7 WHERE kind = 'exports'`;
});

const UNKNOWN = '00000000-0000-7000-8000-000000000000';
const reason = 'test';
const system = testCaller as typeof testCaller & { readonly kind: 'system' };
const run = async (): Promise<void> => {
  const fence = await takeFence(ports.sql, 'apply-retention');
  await implementDataRetentionPolicies(ports, { fence, signal: new AbortController().signal, caller: system });
};
const request = (isDryRun: boolean) =>
  requestRetentionRun({ ...ports, wakeRetention: () => {} }, { dry_run: isDryRun, reason }, testCaller);
const set = (kind: RetentionKind, keepDays: number | null) =>
  setRetentionPolicy(ports, { kind, keep_days: keepDays, reason }, testCaller);
const countOf = async (table: string): Promise<number> =>
  (await ports.raw<{ n: number }>(`SELECT count(*)::int AS n FROM ${table}`))[0]!.n;

/** One overdue and one younger record of each kind that is evidence, and of exports. */
async function insertRecords(): Promise<void> {
  for (const [subject, ago] of [
    ['old', '2193 days'],
    ['young', '2100 days'],
  ] as const) {
    const then = `now() - interval '${ago}'`;
    const id = 'gen_random_uuid()';
    await ports.raw(
      `INSERT INTO phi_data_keys (id, subject_id, level, version, wrapped, created_at, shredded_at) VALUES (${id}, '${subject}', 'standard', 1, '', ${then}, ${then})`,
    );
    await ports.raw(
      `INSERT INTO phi_restrictions (id, subject_id, purposes, created_at, ended_at) VALUES (${id}, '${subject}', '{legal}', ${then}, ${then})`,
    );
    await ports.raw(
      `INSERT INTO phi_break_glass (id, user_id, subject_id, opened_at, expires_at, outcome, reviewed_at, reviewed_by)
       VALUES (${id}, 'u', '${subject}', ${then}, ${then} + interval '1 hour', 'justified', ${then}, 'v')`,
    );
    await ports.raw(
      `INSERT INTO phi_disclosures (id, subject_id, purpose, disclosed_at, encrypted) VALUES (${id}, '${subject}', 'legal', ${then}, '{}')`,
    );
    await ports.raw(
      `INSERT INTO phi_requests (id, kind, subject_id, state, finished_at, event_id, result) VALUES (${id}, 'export', '${subject}', 'done', ${then}, ${id}, '{}')`,
    );
    for (const version of [1, 2])
      await ports.raw(
        `INSERT INTO phi_consents (id, subject_id, purpose, version, granted, terms, recorded_at) VALUES (${id}, '${subject}', 'research', ${version}, true, 'x', ${then})`,
      );
    await ports.raw(
      `INSERT INTO legal_holds (id, subject_id, created_at, ended_at) VALUES (${id}, '${subject}', ${then}, ${then})`,
    );
    await ports.raw(
      `INSERT INTO retention_runs (id, dry_run, state, created_at, finished_at, counts) VALUES (${id}, true, 'done', ${then}, ${then}, '{}')`,
    );
  }
}
const OVERDUE = {
  shredded_keys: 1,
  restrictions: 1,
  emergency_accesses: 1,
  disclosures: 1,
  privacy_requests: 1,
  consents: 1,
  legal_holds: 1,
  retention_runs: 1,
};

describe('a retention run', () => {
  test('removes what is overdue of every kind and nothing younger, and seals its counts', async () => {
    await insertRecords();
    const { run_id } = await request(false);
    await run();
    expect(await readRun(ports, { run_id })).toMatchObject({ state: 'done', counts: { ...OVERDUE, exports: 2 } });
    for (const [table, left] of [
      ['phi_data_keys', 1],
      ['phi_restrictions', 1],
      ['phi_break_glass', 1],
      ['phi_disclosures', 1],
      ['phi_requests', 1],
      // The newest decision stays, however old.
      ['phi_consents', 3],
      ['legal_holds', 1],
    ] as const)
      expect([table, await countOf(table)]).toEqual([table, left]);
    const [event] = await ports.raw`SELECT outcome, detail -> 'counts' AS counts FROM audit_outbox
      WHERE type = 'retention.applied' AND detail ->> 'run_id' = ${run_id}`;
    expect(event).toEqual({ outcome: 'removed', counts: { ...OVERDUE, exports: 2 } });
  });

  test('as a dry run only counts', async () => {
    await insertRecords();
    // The run of today, so that the job begins none of its own.
    await ports.raw`INSERT INTO retention_runs (id, dry_run, state, finished_at, counts)
      VALUES (gen_random_uuid(), false, 'done', now(), '{}')`;
    const { run_id } = await request(true);
    await run();
    expect(await readRun(ports, { run_id })).toMatchObject({ dry_run: true, counts: { ...OVERDUE, exports: 2 } });
    expect([await countOf('phi_disclosures'), await countOf('phi_requests WHERE result IS NOT NULL')]).toEqual([2, 2]);
  });

  test('runs once a day by itself', async () => {
    await run();
    await run();
    expect((await readRetention(ports)).runs.map(({ dry_run, state }) => [dry_run, state])).toEqual([[false, 'done']]);
    await ports.raw`UPDATE retention_runs SET created_at = created_at - interval '25 hours'`;
    await run();
    expect((await readRetention(ports)).runs).toHaveLength(2);
  });

  test('deletes disabled users and destroys old data keys only where a policy says so', async () => {
    await ports.raw`INSERT INTO users (id, email, "disabledAt")
      VALUES ('gone', 'g@x.test', now() - interval '40 days'), ('here', 'h@x.test', NULL)`;
    const encrypted = await harness.encrypt('x');
    await ports.raw`UPDATE phi_data_keys SET created_at = created_at - interval '40 days'`;
    await request(false);
    await run();
    expect([await countOf('users'), await harness.decrypt(encrypted)]).toEqual([2, 'x']);
    await set('users', 30);
    await set('phi', 30);
    await request(false);
    await run();
    expect(await ports.raw`SELECT id FROM users`).toEqual([{ id: 'here' }]);
    await expect(harness.decrypt(encrypted)).rejects.toMatchObject({ code: 'phi_shredded' });
  });

  test('an unknown run is 404', () =>
    expect(readRun(ports, { run_id: UNKNOWN })).rejects.toMatchObject({ code: 'retention_run_unknown' }));
});

describe('the floor', () => {
  test.each(RETENTION_KINDS.filter((kind) => !['users', 'phi', 'exports', 'audit_events'].includes(kind)))(
    '%s are kept six years at least, by the use-case and by the database',
    async (kind) => {
      for (const days of [2_191, null])
        await expect(async () => set(kind, days)).rejects.toMatchObject({ code: 'retention_too_short' });
      await expect(ports.raw`UPDATE retention_policies SET keep_days = 2191 WHERE kind = ${kind}`).rejects.toThrow();
      expect(await set(kind, 2_200)).toMatchObject({ kind, keep_days: 2_200, least_days: 2_192 });
      await set(kind, 2_192);
    },
  );

  test('sealed events are never deleted', async () => {
    await expect(async () => set('audit_events', 36_500)).rejects.toMatchObject({ code: 'retention_too_short' });
    await expect(
      ports.raw`UPDATE retention_policies SET keep_days = 36500 WHERE kind = 'audit_events'`,
    ).rejects.toThrow();
    expect(await set('audit_events', null)).toMatchObject({ keep_days: null });
  });
});

describe('a legal hold', () => {
  test('keeps every record of a person until it ends: by policy, by shredding and by deletion', async () => {
    await insertRecords();
    await harness.encrypt('x', { subject_id: 'old' });
    const { hold_id: holdId } = await placeHold(ports, { subject_id: 'old', reason }, testCaller);
    const { run_id } = await request(false);
    await run();
    expect((await readRun(ports, { run_id })).counts).toEqual({
      ...Object.fromEntries(Object.keys(OVERDUE).map((kind) => [kind, 0])),
      retention_runs: 1,
      exports: 1,
    });
    const subject = { subject_id: 'old', reason };
    await expect(shredPhi(ports, subject, testCaller)).rejects.toMatchObject({ code: 'subject_held' });
    const own = { ...ports, wakePrivacyRequests: () => {} };
    expect(await outcomeOf(requestPrivacyJob(own, { ...subject, kind: 'deletion' }, testCaller))).toBe('subject_held');
    await endHold(ports, { ...subject, hold_id: holdId }, testCaller);
    expect(await outcomeOf(endHold(ports, { ...subject, hold_id: holdId }, testCaller))).toBe('legal_hold_unknown');
    expect((await listHolds(ports, { subject_id: 'old' })).holds[0]).toMatchObject({ hold_id: holdId });
    expect((await shredPhi(ports, subject, testCaller)).destroyed_keys).toBe(1);
    await request(false);
    await run();
    expect(await countOf(`phi_disclosures WHERE subject_id = 'old'`)).toBe(0);
  });

  test('of an unknown person is 404', async () => {
    const unknown = placeHold(ports, { subject_id: 'typo', reason }, testCaller);
    await expect(unknown).rejects.toMatchObject({ code: 'phi_subject_unknown' });
  });
});
