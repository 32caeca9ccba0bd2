import type { LogMark, Sql } from '../ports.ts';
import { auditLogContinued } from './audit-events.ts';
import { type LogRow, readLeaves, readLogs } from './log-reader.store.ts';
import { readRootAt } from './log-tiles.ts';

/** A loss that an operator accepted, as the first leaf of the log that goes on says it. */
export type Continuation = {
  /** The log that begins with it. */
  readonly origin: string;
  /** The log before it, as far as this database had it. */
  readonly held: LogMark;
  /** The head that was known outside. */
  readonly lost: LogMark;
};

export type LogChain = {
  /** Every log of the database, the oldest first. */
  readonly logs: readonly LogRow[];
  readonly continuations: readonly Continuation[];
  /** Logs that follow another without the leaf that says so. */
  readonly forged: readonly LogRow[];
};

export const headOf = ({ origin, size, root }: LogRow): LogMark => ({ origin, size, root: root.toString('base64') });

/** The logs of a database, and how each came to follow the one before it. */
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
  const [first] = log.size === 0 ? [] : await readLeaves(sql, log.firstSeq, log.firstSeq + 1);
  const said = first === undefined ? null : lossSaidBy(first.leaf);
  if (said === null || log.previousRoot === null) return null;
  const lost = { origin: log.previous, size: log.previousSize, root: log.previousRoot.toString('base64') };
  const isSaid = isSameHead(said.held, headOf(before)) && isSameHead(said.lost, lost as LogMark);
  return isSaid ? { origin: log.origin, held: said.held, lost: said.lost } : null;
}

const isSameHead = (one: LogMark | undefined, other: LogMark): boolean =>
  one?.origin === other.origin && one.size === other.size && one.root === other.root;

function lossSaidBy(leaf: Buffer): { readonly held: LogMark; readonly lost: LogMark } | null {
  try {
    const { type, detail } = JSON.parse(leaf.toString());
    return type === auditLogContinued.type ? detail : null;
  } catch {
    return null;
  }
}

/**
 * What a database has of a head that is known outside it. `lost`: not that, and an operator has accepted the loss.
 * `behind`: fewer leaves. `beside`: others.
 */
export type HeadFound = 'held' | 'lost' | 'behind' | 'beside';

/** @throws TileMissingError */
export async function findHead(sql: Sql, { logs, continuations }: LogChain, head: LogMark): Promise<HeadFound> {
  const log = logs.find(({ origin }) => origin === head.origin);
  const isWithin = log !== undefined && head.size <= log.size;
  if (isWithin && (await rootAt(sql, log, head.size)) === head.root) return 'held';
  // Of a log that was cut, only what was cut off.
  if (continuations.some(({ lost }) => isUpTo(lost, head) && (!isWithin || lost.size <= log.size))) return 'lost';
  return isWithin ? 'beside' : 'behind';
}

const rootAt = async (sql: Sql, log: LogRow, size: number): Promise<string> =>
  size === log.size ? log.root.toString('base64') : readRootAt(sql, log.origin, size);

/** Up to the head that the operator was shown. */
const isUpTo = (lost: LogMark, head: LogMark): boolean =>
  head.origin === lost.origin && (head.size < lost.size || isSameHead(head, lost));
