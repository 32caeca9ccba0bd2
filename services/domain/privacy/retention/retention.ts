import type { z } from 'zod';
import { recordEvent } from '../../audit/record-event.ts';
import type { Caller, JobRun, Ports } from '../../ports.ts';
import { retentionApplied, retentionPolicyChanged, retentionRequested } from '../audit-events.ts';
import {
  applyRetention,
  countDue,
  finishRun,
  insertRetentionRun,
  isRunDue,
  listRunRows,
  type RetentionPolicyRow,
  type RetentionRunRow,
  readNextRun,
  readRetentionPolicies,
  readRetentionRun,
  writeRetentionPolicy,
} from './retention.store.ts';
import type { retentionPolicyView, retentionRunView } from './retention-contract.ts';
import { retentionRunUnknown, retentionTooShort } from './retention-errors.ts';
import { FLOOR_DAYS, type RetentionKind, WITHOUT_FLOOR } from './retention-shapes.ts';

export type RetentionPolicyView = z.output<typeof retentionPolicyView>;
export type RetentionRunView = z.output<typeof retentionRunView>;
/** Requests the job; never fails, because the timetable runs it anyway. */
export type HasRetentionWake = { readonly wakeRetention: () => void };

const BATCH = 500;

const policyOf = ({ kind, keepDays, changedAt }: RetentionPolicyRow): RetentionPolicyView => ({
  kind,
  keep_days: keepDays,
  least_days: WITHOUT_FLOOR.includes(kind) ? null : FLOOR_DAYS,
  changed_at: changedAt,
});
const runOf = (row: RetentionRunRow): RetentionRunView => ({
  run_id: row.id,
  dry_run: row.isDryRun,
  state: row.state,
  created_at: row.createdAt,
  finished_at: row.finishedAt,
  counts: row.counts,
});

/** The policies, and the last twenty runs. */
export async function readRetention({
  sql,
}: Pick<Ports, 'sql'>): Promise<{ policies: RetentionPolicyView[]; runs: RetentionRunView[] }> {
  const [policies, runs] = [await readRetentionPolicies(sql), await listRunRows(sql)];
  return { policies: policies.map(policyOf), runs: runs.map(runOf) };
}

/**
 * Sets how long a kind of record is kept. Throws `retention_too_short` (409) for evidence that would be kept for less
 * than six years, and for sealed events, which are never deleted.
 */
export async function setRetentionPolicy(
  { transact }: Pick<Ports, 'transact'>,
  input: { readonly kind: RetentionKind; readonly keepDays: number | null; readonly reason: string },
  caller: Caller,
): Promise<RetentionPolicyView> {
  const { kind, keepDays, reason } = input;
  const hasFloor = !WITHOUT_FLOOR.includes(kind);
  const isRefused = kind === 'audit_events' ? keepDays !== null : hasFloor && (keepDays ?? 0) < FLOOR_DAYS;
  if (isRefused) throw retentionTooShort();
  return transact(async (tx) => {
    const row = await writeRetentionPolicy(tx, kind, keepDays);
    await recordEvent(tx, caller, retentionPolicyChanged, {
      outcome: 'ok',
      target: { kind: 'installation', id: 'sallyport' },
      detail: { kind, keep_days: keepDays, reason },
    });
    return policyOf(row);
  });
}

/** Queues a run; a dry run only counts. */
export function requestRetentionRun(
  ports: Pick<Ports, 'transact' | 'random'> & HasRetentionWake,
  { isDryRun, reason }: { readonly isDryRun: boolean; readonly reason: string },
  caller: Caller,
): Promise<RetentionRunView> {
  return ports.transact(async (tx) => {
    const row = await insertRetentionRun(tx, ports.random.uuid(), isDryRun);
    await recordEvent(tx, caller, retentionRequested, {
      outcome: isDryRun ? 'dry_run' : 'run',
      target: { kind: 'installation', id: 'sallyport' },
      detail: { run_id: row.id, reason },
    });
    tx.afterCommit(ports.wakeRetention);
    return runOf(row);
  });
}

/** Throws `retention_run_unknown` (404). */
export async function readRun({ sql }: Pick<Ports, 'sql'>, runId: string): Promise<RetentionRunView> {
  const row = await readRetentionRun(sql, runId);
  if (row === undefined) throw retentionRunUnknown();
  return runOf(row);
}

/**
 * One run of the job: carries out queued runs, and once a day one of its own. Records of a person under a legal hold are
 * left. Each batch is a transaction; the counts and the event that seals them commit together at the end.
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
    for (const { kind, keepDays } of await readRetentionPolicies(ports.sql)) {
      if (signal.aborted) return;
      if (keepDays !== null)
        counts[kind] = next.isDryRun ? await countDue(ports.sql, kind, keepDays) : await removeAll(kind, keepDays);
    }
    if (signal.aborted) return;
    await finish(next, counts);
  }

  async function removeAll(kind: RetentionKind, keepDays: number): Promise<number> {
    let total = 0;
    while (!signal.aborted) {
      const removed = await ports.transact(async (tx) => {
        await fence.hold(tx);
        return applyRetention(tx, kind, keepDays, BATCH);
      });
      total += removed;
      if (removed < BATCH) break;
    }
    return total;
  }

  function finish({ id, isDryRun }: RetentionRunRow, counts: Readonly<Record<string, number>>): Promise<void> {
    return ports.transact(async (tx) => {
      await fence.hold(tx);
      if (!(await finishRun(tx, id, counts))) return;
      await recordEvent(tx, caller, retentionApplied, {
        outcome: isDryRun ? 'counted' : 'removed',
        target: { kind: 'installation', id: 'sallyport' },
        detail: { run_id: id, counts },
      });
    });
  }
}
