import type { Ports } from '../ports.ts';
import { checkLogTrail } from './check-log-trail.ts';
import { readLogs } from './log-reader.store.ts';
import type { HasAuditLogKeys } from './read-log.ts';
import { type HasLogMark, readStanding } from './settle-log.ts';
import { readForks, readStrayRows } from './trail.store.ts';
import { type TrailFault, TrailFindings, type TrailGap } from './trail-findings.ts';

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
 * against signed roots all along, the newest head against the mark outside (where the caller has it).
 * In pages, so that no snapshot lasts; what is sealed after it began is not looked at.
 */
export async function validateAuditTrail(
  ports: Pick<Ports, 'sql'> & HasAuditLogKeys & Partial<HasLogMark>,
): Promise<AuditValidationResult> {
  const { sql, auditLogKeys, logMark } = ports;
  const findings = new TrailFindings();
  // The mark first: whoever seals meanwhile only moves the log ahead of it.
  if (logMark) await checkMark({ sql, logMark }, findings);
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

async function checkMark(ports: Pick<Ports, 'sql'> & HasLogMark, findings: TrailFindings): Promise<void> {
  const found = await readStanding(ports);
  if (found === null || found.mark === null) return;
  const { log, mark, standing } = found;
  if (standing === 'database_behind')
    findings.add(
      'log_behind_mark',
      null,
      `the database has ${log.size} events of ${log.origin}; the mark outside knows ${mark.size} of ${mark.origin}: it was restored, or its newest rows were removed`,
    );
  if (standing === 'forked')
    findings.add('log_beside_mark', null, `${log.origin} has another root at ${mark.size} than the mark outside`);
}
