import type { z } from 'zod';
import { recordEvent } from '#services/core/audit/record-event.ts';
import type { Caller, JobRun, Ports } from '#services/core/ports.ts';
import { retentionApplied, retentionPolicyChanged, retentionRequested } from '../audit-events.ts';
import {
  applyRetention,
  countDue,
  countRemoved,
  finishRun,
  insertRetentionRun,
  isRunDue,
  listRunRows,
  type RetentionPolicyRow,
  readNextRun,
  readRetentionPolicies,
  readRetentionRun,
  writeRetentionPolicy,
} from './retention.store.ts';
import type { RetentionRunView, retentionPolicyView } from './retention-contract.ts';
import { retentionRunUnknown, retentionTooShort } from './retention-errors.ts';
import { FLOOR_DAYS, type RetentionKind, WITHOUT_FLOOR } from './retention-shapes.ts';

export { retentionIsDue } from './retention.store.ts';

export type RetentionPolicyView = z.output<typeof retentionPolicyView>;
/** Requests the job; never fails, because the timetable runs it anyway. */
export type HasRetentionWake = { readonly wakeRetention: () => void };

const BATCH = 500;

const policyOf = (row: RetentionPolicyRow): RetentionPolicyView => ({
  kind: row.kind,
  keep_days: row.keep_days,
  least_days: WITHOUT_FLOOR.includes(row.kind) ? null : FLOOR_DAYS,
  changed_at: row.changed_at,
});

/** The policies, and the last twenty runs. */
export async function readRetention({
  sql,
}: Pick<Ports, 'sql'>): Promise<{ policies: RetentionPolicyView[]; runs: RetentionRunView[] }> {
  const [policies, runs] = [await readRetentionPolicies(sql), await listRunRows(sql)];
  return { policies: policies.map(policyOf), runs };
}

/**
 * Sets how long a kind of record is kept. Throws `retention_too_short` (409) for evidence that would be kept for less
 * than six years, and for sealed events, which are never deleted.
 */
export async function setRetentionPolicy(
  { transact }: Pick<Ports, 'transact'>,
  input: { readonly kind: RetentionKind; readonly keep_days: number | null; readonly reason: string },
  caller: Caller,
): Promise<RetentionPolicyView> {
  const { kind, keep_days: keepDays, reason } = input;
  const hasFloor = !WITHOUT_FLOOR.includes(kind);
  const isRefused = kind === 'audit_events' ? keepDays !== null : hasFloor && (keepDays ?? 0) < FLOOR_DAYS;
  if (isRefused) throw retentionTooShort();
  return transact(async (tx) => {
    const row = await writeRetentionPolicy(tx, kind, keepDays);
    await recordEvent(tx, caller, retentionPolicyChanged, {
      target: { kind: 'installation', id: 'sallyport' },
      detail: { kind, keep_days: keepDays, reason },
    });
    return policyOf(row);
  });
}

export const requestRetentionRun = (
  ports: Pick<Ports, 'transact' | 'random'> & HasRetentionWake,
  { dry_run: isDryRun, reason }: { readonly dry_run: boolean; readonly reason: string },
  caller: Caller,
): Promise<RetentionRunView> =>
  ports.transact(async (tx) => {
    const row = await insertRetentionRun(tx, ports.random.uuid(), isDryRun);
    await recordEvent(tx, caller, retentionRequested, {
      outcome: isDryRun ? 'dry_run' : 'run',
      target: { kind: 'installation', id: 'sallyport' },
      detail: { run_id: row.run_id, reason },
    });
    tx.afterCommit(ports.wakeRetention);
    return row;
  });

/** Throws `retention_run_unknown` (404). */
export async function readRun(
  { sql }: Pick<Ports, 'sql'>,
  input: { readonly run_id: string },
): Promise<RetentionRunView> {
  const row = await readRetentionRun(sql, input.run_id);
  if (row === undefined) throw retentionRunUnknown();
  return row;
}

/** For each kind with a policy, how many records are overdue by more than these days; those under a legal hold are not. */
export async function readOverdueRecords(
  { sql }: Pick<Ports, 'sql'>,
  graceDays: number,
): Promise<{ kind: RetentionKind; keepDays: number; overdue: number }[]> {
  const kinds: { kind: RetentionKind; keepDays: number; overdue: number }[] = [];
  for (const { kind, keep_days: keepDays } of await readRetentionPolicies(sql))
    if (keepDays !== null) kinds.push({ kind, keepDays, overdue: await countDue(sql, kind, keepDays + graceDays) });
  return kinds;
}

/**
 * One run of the job: carries out queued runs, and once a day one of its own. Records of a person under a legal hold are
 * left. Each batch is a transaction that also counts it in the run, so the counts of a killed run are exact; the final
 * counts and the event that seals them commit together.
 */
export async function implementDataRetentionPolicies(
  ports: Pick<Ports, 'transact' | 'sql' | 'random'>,
  { fence, signal, caller }: Pick<JobRun, 'fence' | 'signal' | 'caller'>,
): Promise<void> {
  if (await isRunDue(ports.sql))
    await ports.transact(async (tx) => {
      await fence.hold(tx);
      await insertRetentionRun(tx, ports.random.uuid(), false);
    });
  for (let next = await readNextRun(ports.sql); next !== undefined; next = await readNextRun(ports.sql)) {
    const counts: Record<string, number> = {};
    for (const { kind, keep_days: keepDays } of await readRetentionPolicies(ports.sql)) {
      if (signal.aborted) return;
      if (keepDays !== null)
        counts[kind] = next.dry_run ? await countDue(ports.sql, kind, keepDays) : await removeAll(next, kind, keepDays);
    }
    if (signal.aborted) return;
    await finish(next, counts);
  }

  /** How many records of the kind this run removed, in this process or in one that died. */
  async function removeAll({ run_id: id }: RetentionRunView, kind: RetentionKind, keepDays: number): Promise<number> {
    for (;;) {
      const { removed, total } = await ports.transact(async (tx) => {
        await fence.hold(tx);
        const removed = await applyRetention(tx, kind, keepDays, BATCH);
        return { removed, total: await countRemoved(tx, id, kind, removed) };
      });
      if (removed < BATCH || signal.aborted) return total;
    }
  }

  function finish(
    { run_id: id, dry_run: isDryRun }: RetentionRunView,
    seen: Readonly<Record<string, number>>,
  ): Promise<void> {
    return ports.transact(async (tx) => {
      await fence.hold(tx);
      const counts = await finishRun(tx, id, seen);
      if (counts === undefined) return;
      await recordEvent(tx, caller, retentionApplied, {
        outcome: isDryRun ? 'counted' : 'removed',
        target: { kind: 'installation', id: 'sallyport' },
        detail: { run_id: id, counts },
      });
    });
  }
}
