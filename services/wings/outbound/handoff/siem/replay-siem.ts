import { newestEventSeq } from '#services/core/audit/read/list-events.ts';
import { recordEvent } from '#services/core/audit/record-event.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import { siemReplayed } from '../audit-events.ts';
import { siemPositionAhead, siemTargetUnknown } from '../errors.ts';
import { readTarget, readTargets, replayTarget, type TargetRow } from './siem.store.ts';
import type { SiemTargetView } from './siem-contract.ts';

const viewOf = (row: TargetRow, newest: number): SiemTargetView => ({
  siem_target: row.name,
  reached_seq: row.reached_seq,
  behind: Math.max(0, newest - row.reached_seq),
  failure: row.failure,
  failing_since: row.failed_at?.toISOString() ?? null,
  accepted_at: row.accepted_at?.toISOString() ?? null,
});

/** Lists the targets that have a place in the log, by name. */
export async function listSiemTargets({
  sql,
}: Pick<Ports, 'sql'>): Promise<{ newest_seq: number; siem_targets: SiemTargetView[] }> {
  const newest = await newestEventSeq({ sql });
  return { newest_seq: newest, siem_targets: (await readTargets(sql)).map((row) => viewOf(row, newest)) };
}

/**
 * Moves a target back, so that it gets all events from this one on again, in their order; those that it has not had yet
 * follow. Throws `siem_target_unknown` (404) and `siem_position_ahead` (409).
 */
export function replaySiem(
  { transact }: Pick<Ports, 'transact'>,
  input: { readonly siem_target: string; readonly from_seq: number; readonly reason: string },
  caller: Caller,
): Promise<SiemTargetView> {
  const { siem_target: name, from_seq: seq, reason } = input;
  return transact(async (tx) => {
    const before = await readTarget(tx, name);
    if (before === undefined) throw siemTargetUnknown();
    const row = await replayTarget(tx, name, seq - 1);
    if (row === undefined) throw siemPositionAhead();
    const detail = { siem_target: name, seq, reached_seq: before.reached_seq, reason };
    await recordEvent(tx, caller, siemReplayed, { detail });
    return viewOf(row, await newestEventSeq({ sql: tx }));
  });
}
