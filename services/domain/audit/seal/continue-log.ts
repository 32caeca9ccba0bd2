import type { Caller, LogMark, Ports, Sql, Tx } from '#services/domain/ports.ts';
import { auditLogContinued } from '../audit-events.ts';
import { emptyEdge } from '../log/grow-tree.ts';
import { closeLog, lockLog, type OpenLog, openLog, readOpenLog } from '../log.store.ts';
import { type Continuation, readLogChain } from '../log-continuations.ts';
import { nothingToContinue } from '../log-errors.ts';
import { recordEvent } from '../record-event.ts';
import { readUnsealedEvent } from './seal.store.ts';
import { prepareBatch, writeBatch } from './seal-batch.ts';
import { type HasLogMark, markOf, noteResumed, readStanding } from './settle-log.ts';

type ContinuePorts = Pick<Ports, 'sql' | 'transact' | 'random'> & HasLogMark;

export type LogLoss = {
  /** The log of this database, as far as it goes. */
  readonly held: LogMark;
  /** The head that was published and that it does not have. */
  readonly lost: LogMark;
};

export type ContinuedLog = LogLoss & {
  readonly origin: string;
  /** Place of the new log's first leaf. */
  readonly firstSeq: number;
};

/** What continuing would give up; null where nothing is lost. Changes nothing. */
export async function planContinue(ports: Pick<Ports, 'sql'> & HasLogMark): Promise<LogLoss | null> {
  const loss = await findLoss(ports);
  return loss && { held: loss.held, lost: loss.lost };
}

async function findLoss(ports: Pick<Ports, 'sql'> & HasLogMark) {
  const found = await readStanding(ports);
  if (found === null) return null;
  const { log, mark, standing } = found;
  if (standing === 'continued_elsewhere' && mark !== null) {
    const { held, lost } = await continuationOf(ports.sql, mark);
    return { log, mark, held, lost, isContinued: true };
  }
  const isWell = (standing === 'current' || standing === 'swap') && log.stoppedReason === null;
  return isWell ? null : { log, mark, held: markOf(log), lost: mark ?? markOf(log), isContinued: false };
}

/** How the log of a mark went on. */
async function continuationOf(sql: Sql, mark: LogMark): Promise<LogLoss> {
  const { continuations } = await readLogChain(sql);
  return continuations.find(({ held, lost }) => [held.origin, lost.origin].includes(mark.origin)) as Continuation;
}

/**
 * Goes on after leaves of the log were lost (a restored backup, damaged tiles): the log is closed as it is and a new
 * one begins, under a name that no lost one can have. Its first leaf is the event that names the lost head, so that
 * a verifier with a proof against it can learn its fate. Where that was done already, by a run that ended early or
 * on another host, the mark of this one is moved and no further log begins. Sealing resumes with the next run.
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
    await ports.logMark.follow(mark, markOf(log));
    await noteResumed(ports, log, caller);
    return { origin: log.origin, firstSeq: log.firstSeq, held, lost };
  }
  const origin = successorOf(log.origin, ports.random.bytes(4));
  const next = await ports.transact(async (tx) => {
    await lockLog(tx);
    // Another process continued it.
    if (!(await closeLog(tx, log.origin))) throw nothingToContinue();
    await openLog(tx, origin, log.firstSeq + log.size, lost);
    return beginLog(ports, tx, { ...input, held, lost }, caller);
  });
  // Should this not happen, or where other hosts have marks of their own, the same command does it later.
  await ports.logMark.follow(mark, next);
  return { origin, firstSeq: log.firstSeq + log.size, held, lost };
}

async function beginLog(
  ports: Pick<Ports, 'random'>,
  tx: Tx,
  { reason, held, lost }: LogLoss & { readonly reason: string },
  caller: Caller,
): Promise<LogMark> {
  const log = (await readOpenLog(tx)) as OpenLog;
  const eventId = ports.random.uuid();
  await recordEvent(tx, caller, auditLogContinued, { outcome: 'ok', eventId, detail: { reason, held, lost } });
  const batch = prepareBatch(ports, log, emptyEdge, [await readUnsealedEvent(tx, eventId)]);
  await writeBatch(tx, batch);
  return { origin: log.origin, size: batch.size, root: batch.root };
}

const SUCCESSOR = /\/continued-[0-9a-f]{8}$/;
const successorOf = (origin: string, random: Buffer): string =>
  `${origin.replace(SUCCESSOR, '')}/continued-${random.toString('hex')}`;
