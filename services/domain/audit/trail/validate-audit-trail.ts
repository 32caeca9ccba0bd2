import type { LogMark, Ports, Sql } from '#services/domain/ports.ts';
import { type Continuation, findHead, headOf, type LogChain, readLogChain } from '../log-continuations.ts';
import type { HasAuditLogKeys } from '../read/read-log.ts';
import { checkLogTrail } from './check-log-trail.ts';
import { readForks, readStrayRows } from './trail.store.ts';
import { type TrailFault, TrailFindings, type TrailGap } from './trail-findings.ts';

/** A head as it is known outside the database. `isMark`: of the log in use, by the high-water mark. */
export type OutsideHead = { readonly where: string; readonly head: LogMark; readonly isMark?: boolean };

/** Published events that an operator accepted as lost, by their places in their log, both ends inclusive. */
type AcceptedLoss = {
  readonly origin: string;
  readonly from: number;
  readonly to: number;
  /** The log that began with saying so. */
  readonly continuedAs: string;
};

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
  /** No faults: an operator accepted them, and the log says so. */
  readonly losses: readonly AcceptedLoss[];
  readonly logs: readonly {
    readonly origin: string;
    readonly firstSeq: number;
    readonly size: number;
    readonly root: string;
  }[];
};

/**
 * Reads the whole sealed log, every origin of it: rows against their sealed bytes, those against the tiles, the tiles
 * against signed roots all along, every log against the heads of it that are known outside, and a log that continues
 * another against the leaf that must say so.
 * In pages, so that no snapshot lasts; what is sealed after it began is not looked at.
 */
export async function validateAuditTrail(
  { sql, auditLogKeys }: Pick<Ports, 'sql'> & HasAuditLogKeys,
  outside: readonly OutsideHead[] = [],
): Promise<AuditValidationResult> {
  const findings = new TrailFindings();
  const chain = await readLogChain(sql);
  const { logs } = chain;
  for (const head of outside) await compareWithOutside(sql, chain, head, findings);
  for (const log of chain.forged)
    findings.add(
      'log_forged_continuation',
      log.firstSeq,
      `${log.origin} does not begin with the event that names the log before it and what was lost: \`sallyport audit continue\` did not make it`,
    );
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
    losses: chain.continuations.flatMap((one) => lossOf(chain, one)),
    logs: logs.map((log) => ({ ...headOf(log), firstSeq: log.firstSeq })),
  };
}

function lossOf({ logs }: LogChain, { origin, lost }: Continuation): AcceptedLoss[] {
  const log = logs.find((one) => one.origin === lost.origin);
  const kept = log?.size ?? 0;
  const isWhole = kept === lost.size && (log === undefined || headOf(log).root === lost.root);
  if (isWhole) return [];
  return [{ origin: lost.origin, from: kept < lost.size ? kept : 0, to: lost.size - 1, continuedAs: origin }];
}

async function compareWithOutside(
  sql: Sql,
  chain: LogChain,
  { where, head, isMark = false }: OutsideHead,
  findings: TrailFindings,
): Promise<void> {
  const { origin, size } = head;
  const open = chain.logs.find(({ closedAt }) => closedAt === null);
  if (isMark && origin !== open?.origin)
    findings.add(
      'log_behind_mark',
      null,
      `${where} knows ${size} events of ${origin}, and the database writes ${open?.origin ?? 'no log'}: \`sallyport audit continue\` alone moves the mark to another log`,
    );
  // Tiles that do not give a root any more are named by the trail itself.
  const found = await findHead(sql, chain, head).catch(() => null);
  const log = chain.logs.find((one) => one.origin === origin);
  if (found === 'behind')
    findings.add(
      'log_behind_mark',
      null,
      `the database has ${log?.size ?? 0} events of ${origin}, and ${where} knows ${size}: it was restored, or its newest rows were removed`,
    );
  if (found === 'beside')
    findings.add('log_beside_mark', null, `at ${size} events ${origin} has another root than ${where} knows`);
}
