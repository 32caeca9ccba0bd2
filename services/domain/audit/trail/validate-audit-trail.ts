import type { LogMark, Ports, Sql } from '../../ports.ts';
import { readOpenLog } from '../log.store.ts';
import { readLogs } from '../log-reader.store.ts';
import { logStanding } from '../log-standing.ts';
import { readRootAt } from '../log-tiles.ts';
import type { HasAuditLogKeys } from '../read/read-log.ts';
import { checkLogTrail } from './check-log-trail.ts';
import { readForks, readStrayRows } from './trail.store.ts';
import { type TrailFault, TrailFindings, type TrailGap } from './trail-findings.ts';

/** A head of the log as somebody outside the database knows it: the mark, a sink. */
export type OutsideHead = { readonly where: string; readonly head: LogMark };

export type AuditValidationResult = {
  /** True when every row is what was sealed, none is missing or added, and the tree has the roots that were signed. */
  readonly valid: boolean;
  /** Rows that were read. */
  readonly checked: number;
  /** `seq` of the first row that is not what was sealed, or is missing; null where none can be named. */
  readonly firstBadId: number | null;
  /** Rows that are missing, both ends inclusive. */
  readonly gaps: readonly TrailGap[];
  /** What is wrong, at most a hundred; `faultCount` says how many there are. */
  readonly faults: readonly TrailFault[];
  readonly faultCount: number;
  readonly logs: readonly {
    readonly origin: string;
    readonly firstSeq: number;
    readonly size: number;
    readonly root: string;
  }[];
};

/**
 * Reads the whole sealed log, every origin of it: rows against their sealed bytes, those against the tiles, the tiles
 * against signed roots all along, the log against the heads that are known outside.
 * In pages, so that no snapshot lasts; what is sealed after it began is not looked at.
 */
export async function validateAuditTrail(
  { sql, auditLogKeys }: Pick<Ports, 'sql'> & HasAuditLogKeys,
  outside: readonly OutsideHead[] = [],
): Promise<AuditValidationResult> {
  const findings = new TrailFindings();
  for (const head of outside) await compareWithOutside(sql, head, findings);
  const logs = await readLogs(sql);
  let end = 0;
  for (const log of logs) {
    if (log.firstSeq !== end)
      findings.add('log_truncated', end, `${log.origin} begins at ${log.firstSeq}, not at ${end}`);
    await checkLogTrail(sql, log, await auditLogKeys(log.origin), findings);
    end = log.firstSeq + log.size;
  }
  for (const { origin, size } of await readForks(sql))
    findings.add('log_forked', null, `${origin}: two roots are signed for ${size} events; both checkpoints are kept`);
  for (const { seq } of await readStrayRows(sql)) findings.add('row_added', seq, `event ${seq} is in no log`);
  return {
    valid: findings.faultCount === 0 && findings.gaps.length === 0,
    checked: findings.checked,
    firstBadId: findings.firstBadSeq(),
    gaps: findings.gaps,
    faults: findings.faults,
    faultCount: findings.faultCount,
    logs: logs.map(({ origin, firstSeq, size, root }) => ({ origin, firstSeq, size, root: root.toString('base64') })),
  };
}

async function compareWithOutside(sql: Sql, { where, head }: OutsideHead, findings: TrailFindings): Promise<void> {
  const log = await readOpenLog(sql);
  if (log === null)
    return findings.add(
      'log_behind_mark',
      null,
      `there is no log, and ${where} knows ${head.size} events of ${head.origin}`,
    );
  // Tiles that do not give a root any more are named by the trail itself.
  const standing = await logStanding(log, head, (size) => readRootAt(sql, log.origin, size)).catch(() => null);
  if (standing === 'database_behind')
    findings.add(
      'log_behind_mark',
      null,
      `the database has ${log.size} events of ${log.origin}, and ${where} knows ${head.size} of ${head.origin}: it was restored, or its newest rows were removed`,
    );
  if (standing === 'forked')
    findings.add('log_beside_mark', null, `at ${head.size} events ${log.origin} has another root than ${where} knows`);
}
