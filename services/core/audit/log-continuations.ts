import type { LogHead, Sql } from '../ports.ts';
import { auditLogContinued } from './audit-events.ts';
import { type LogRow, readLeaves, readLogs } from './log-reader.store.ts';
import { readRootAt } from './log-tiles.ts';

/** A loss that an operator accepted. The first leaf of the continuing log states it, with `held` and `lost`. */
export type Continuation = {
  /** The log whose first leaf states it. */
  readonly origin: string;
  /** Head of the previous log in this database. */
  readonly held: LogHead;
  /** Head of the previous log that was published, and that the database no longer has. */
  readonly lost: LogHead;
};

export type LogChain = {
  /** Every log of the database, oldest first. */
  readonly logs: readonly LogRow[];
  readonly continuations: readonly Continuation[];
  /** Logs that follow another log without the leaf that states the loss. */
  readonly forged: readonly LogRow[];
};

export const headOfRow = ({ origin, size, root }: LogRow): LogHead => ({ origin, size, root: root.toString('base64') });

/** Reads every log, and verifies that each one after the first begins with the leaf that states what was lost. */
export async function readLogChain(sql: Sql): Promise<LogChain> {
  const logs = await readLogs(sql);
  const continuations: Continuation[] = [];
  const forged: LogRow[] = [];
  for (const [at, log] of logs.entries()) {
    const before = logs[at - 1];
    if (before === undefined && log.previous === null) continue;
    const found = before === undefined ? null : await readContinuation(sql, log, before);
    if (found === null) forged.push(log);
    else continuations.push(found);
  }
  return { logs, continuations, forged };
}

async function readContinuation(sql: Sql, log: LogRow, before: LogRow): Promise<Continuation | null> {
  const [first] = log.size === 0 ? [] : await readLeaves(sql, log.first_seq, log.first_seq + 1);
  const stated = first === undefined ? null : statedLoss(first.leaf);
  if (stated === null || log.previous_root === null) return null;
  const lost = { origin: log.previous, size: log.previous_size, root: log.previous_root.toString('base64') };
  const isConsistent = isSameHead(stated.held, headOfRow(before)) && isSameHead(stated.lost, lost as LogHead);
  return isConsistent ? { origin: log.origin, held: stated.held, lost: stated.lost } : null;
}

const isSameHead = (one: LogHead | undefined, other: LogHead): boolean =>
  one?.origin === other.origin && one.size === other.size && one.root === other.root;

function statedLoss(leaf: Buffer): { readonly held: LogHead; readonly lost: LogHead } | null {
  try {
    const { type, detail } = JSON.parse(leaf.toString());
    return type === auditLogContinued.type ? detail : null;
  } catch {
    return null;
  }
}

/**
 * Compares a head known outside with the database. `present`: the log had this root at this size. `accepted_loss`: an
 * operator accepted that it is lost. `behind`: the database has fewer leaves. `forked`: it has other leaves.
 */
export type HeadFound = 'present' | 'accepted_loss' | 'behind' | 'forked';

/** @throws TileMissingError */
export async function findHead(sql: Sql, { logs, continuations }: LogChain, head: LogHead): Promise<HeadFound> {
  const log = logs.find(({ origin }) => origin === head.origin);
  const isWithin = log !== undefined && head.size <= log.size;
  if (isWithin && (await rootAt(sql, log, head.size)) === head.root) return 'present';
  // If the database still has the beginning of the log, the accepted loss covers only the missing tail.
  if (continuations.some(({ lost }) => isUpTo(lost, head) && (!isWithin || lost.size <= log.size)))
    return 'accepted_loss';
  return isWithin ? 'forked' : 'behind';
}

const rootAt = async (sql: Sql, log: LogRow, size: number): Promise<string> =>
  size === log.size ? log.root.toString('base64') : readRootAt(sql, log.origin, size);

/** Whether the accepted loss includes this head: the operator saw `lost` and nothing beyond it. */
const isUpTo = (lost: LogHead, head: LogHead): boolean =>
  head.origin === lost.origin && (head.size < lost.size || isSameHead(head, lost));
