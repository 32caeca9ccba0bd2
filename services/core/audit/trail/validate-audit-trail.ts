import type { LogHead, Ports, Sql } from '#services/core/ports.ts';
import { type Continuation, findHead, headOfRow, type LogChain, readLogChain } from '../log-continuations.ts';
import type { HasAuditLogKeys } from '../read/read-log.ts';
import { checkLogTrail } from './check-log-trail.ts';
import { readForks, readStrayRows } from './trail.store.ts';
import { type TrailFault, TrailFindings, type TrailGap } from './trail-findings.ts';

/** A head known outside the database. `isMark`: the high-water mark, which must name the log in use. */
export type OutsideHead = { readonly where: string; readonly head: LogHead; readonly isMark?: boolean };

/** Published events that an operator accepted as lost, by their indexes in their log, both inclusive. */
type AcceptedLoss = {
  readonly origin: string;
  readonly from: number;
  readonly to: number;
  /** The log whose first leaf states the loss. */
  readonly continuedAs: string;
};

export type AuditValidationResult = {
  /** True if every row is as sealed, no row is missing or added, and the tree has the signed roots. */
  readonly valid: boolean;
  /** Number of rows read. */
  readonly checked: number;
  /** `seq` of the first row that is changed or missing; null if unknown. */
  readonly firstBadId: number | null;
  /** Missing rows, both ends inclusive. */
  readonly gaps: readonly TrailGap[];
  /** At most a hundred faults; `faultCount` counts all. */
  readonly faults: readonly TrailFault[];
  readonly faultCount: number;
  /** Losses that an operator accepted and the log states. They are not faults. */
  readonly losses: readonly AcceptedLoss[];
  readonly logs: readonly {
    readonly origin: string;
    readonly firstSeq: number;
    readonly size: number;
    readonly root: string;
  }[];
};

/**
 * Verifies every log of the database: rows against their sealed bytes, sealed bytes against the tiles, tiles against the
 * signed roots, and each log against the heads known outside. A log that continues another must begin with the leaf that
 * states the loss. Reads page by page, so that no snapshot lasts long; ignores events sealed after it began.
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
      log.first_seq,
      `${log.origin} does not begin with the event that names the log before it and what was lost, so \`sallyport audit continue\` did not create it`,
    );
  let end = 0;
  for (const log of logs) {
    if (log.first_seq !== end)
      findings.add('log_truncated', end, `${log.origin} begins at ${log.first_seq}, not at ${end}`);
    await checkLogTrail(sql, log, await auditLogKeys(log.origin), findings);
    end = log.first_seq + log.size;
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
    logs: logs.map((log) => ({ ...headOfRow(log), firstSeq: log.first_seq })),
  };
}

function lossOf({ logs }: LogChain, { origin, lost }: Continuation): AcceptedLoss[] {
  const log = logs.find((one) => one.origin === lost.origin);
  const kept = log?.size ?? 0;
  const isWhole = kept === lost.size && (log === undefined || headOfRow(log).root === lost.root);
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
  const open = chain.logs.find((row) => row.closed_at === null);
  if (isMark && origin !== open?.origin)
    findings.add(
      'log_behind_mark',
      null,
      `${where} names ${size} events of ${origin}, but the log in use is ${open?.origin ?? 'none'}: only \`sallyport audit continue\` moves the mark to another log`,
    );
  // If tiles are damaged, `checkLogTrail` reports them.
  const found = await findHead(sql, chain, head).catch(() => null);
  const log = chain.logs.find((one) => one.origin === origin);
  if (found === 'behind')
    findings.add(
      'log_behind_mark',
      null,
      `the database has ${log?.size ?? 0} events of ${origin}, and ${where} knows ${size}: it was restored, or its newest rows were removed`,
    );
  if (found === 'forked')
    findings.add('log_beside_mark', null, `at ${size} events, ${origin} has another root than ${where}`);
}
