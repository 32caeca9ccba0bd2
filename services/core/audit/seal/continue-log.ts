import type { Caller, LogHead, Ports, Sql, Tx } from '#services/core/ports.ts';
import { auditLogContinued } from '../audit-events.ts';
import { emptyEdge } from '../log/grow-tree.ts';
import { closeLog, lockLog, type OpenLog, openLog, readOpenLog, storeStop } from '../log.store.ts';
import { type Continuation, readLogChain } from '../log-continuations.ts';
import { nothingToContinue } from '../log-errors.ts';
import { recordEvent } from '../record-event.ts';
import { readUnsealedEvent } from './seal.store.ts';
import { prepareBatch, writeBatch } from './seal-batch.ts';
import { type HasLogMark, headOf, readLogStatus, recordResumed } from './settle-log.ts';

type ContinuePorts = Pick<Ports, 'sql' | 'transact' | 'random'> & HasLogMark;

type LogLoss = {
  /** Head of the log in this database. */
  readonly held: LogHead;
  /** The published head that this database does not have. */
  readonly lost: LogHead;
};

type ContinuedLog = LogLoss & {
  readonly origin: string;
  /** Sequence number of the new log's first leaf. */
  readonly firstSeq: number;
};

/** Reads what `continueLog` would give up; null if nothing is lost. */
export async function planContinue(ports: Pick<Ports, 'sql'> & HasLogMark): Promise<LogLoss | null> {
  const loss = await findLoss(ports);
  return loss && { held: loss.held, lost: loss.lost };
}

async function findLoss(ports: Pick<Ports, 'sql'> & HasLogMark) {
  const found = await readLogStatus(ports);
  if (found === null) return null;
  const { log, mark, status } = found;
  if (status === 'continued_elsewhere' && mark !== null) {
    const { held, lost } = await continuationOf(ports.sql, mark);
    return { log, mark, held, lost, isContinued: true };
  }
  const canSeal = (status === 'current' || status === 'swap') && log.stopped_reason === null;
  return canSeal ? null : { log, mark, held: headOf(log), lost: mark ?? headOf(log), isContinued: false };
}

/** The continuation of the log that the mark names. */
async function continuationOf(sql: Sql, mark: LogHead): Promise<LogLoss> {
  const { continuations } = await readLogChain(sql);
  return continuations.find(({ held, lost }) => [held.origin, lost.origin].includes(mark.origin)) as Continuation;
}

/**
 * Accepts that leaves were lost (a restored backup, damaged tiles): closes the log and begins another one under a new
 * random name. Its first leaf is an event that names the lost head, so a verifier that has a proof against that head
 * learns what happened. If an earlier run or another host has already begun the new log, this only moves the mark of
 * this host. Sealing resumes with the next run.
 * @throws nothingToContinue (409); storeUnavailable
 */
export async function continueLog(
  ports: ContinuePorts,
  input: { readonly reason: string },
  caller: Caller,
): Promise<ContinuedLog> {
  const loss = await findLoss(ports);
  if (loss === null) throw nothingToContinue();
  const { log, mark, held, lost } = loss;
  if (loss.isContinued) {
    await ports.logMark.follow(mark, headOf(log));
    await recordResumed(ports, log, caller);
    return { origin: log.origin, firstSeq: log.first_seq, held, lost };
  }
  const origin = successorOf(log.origin, ports.random.bytes(4));
  const next = await ports.transact(async (tx) => {
    await lockLog(tx);
    // Another process continued it meanwhile.
    if (!(await closeLog(tx, log.origin))) throw nothingToContinue();
    await openLog(tx, origin, log.first_seq + log.size, lost);
    return beginLog(ports, tx, { ...input, held, lost }, caller);
  });
  // After a crash here, and on hosts with their own high-water mark, the same command moves the mark later.
  await ports.logMark.follow(mark, next);
  return { origin, firstSeq: log.first_seq + log.size, held, lost };
}

/**
 * Continues the log of a database that was restored where no high-water mark is known. The log may have grown elsewhere
 * since, so to go on under its name could sign a second history.
 * @throws storeUnavailable
 */
export async function continueRestoredLog(
  ports: ContinuePorts,
  input: { readonly reason: string },
  caller: Caller,
): Promise<ContinuedLog> {
  await ports.transact(async (tx) => {
    const log = (await readOpenLog(tx)) as OpenLog;
    await storeStop(tx, log.origin, 'database_behind');
  });
  return continueLog(ports, input, caller);
}

async function beginLog(
  ports: Pick<Ports, 'random'>,
  tx: Tx,
  { reason, held, lost }: LogLoss & { readonly reason: string },
  caller: Caller,
): Promise<LogHead> {
  const log = (await readOpenLog(tx)) as OpenLog;
  const eventId = ports.random.uuid();
  await recordEvent(tx, caller, auditLogContinued, { eventId, detail: { reason, held, lost } });
  const batch = prepareBatch(ports, log, emptyEdge, [await readUnsealedEvent(tx, eventId)]);
  await writeBatch(tx, batch);
  return { origin: log.origin, size: batch.size, root: batch.root };
}

const SUCCESSOR = /\/continued-[0-9a-f]{8}$/;
const successorOf = (origin: string, random: Buffer): string =>
  `${origin.replace(SUCCESSOR, '')}/continued-${random.toString('hex')}`;
