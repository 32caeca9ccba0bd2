import type { LogHead, Ports } from '#services/core/ports.ts';
import { findHead, readLogChain } from '../log-continuations.ts';
import { readNewestCheckpoint, readSinkStates, type SinkState } from '../log-reader.store.ts';
import type { LogStatus, StopReason } from '../log-status.ts';
import { type Backlog, readBacklog } from './backlog.store.ts';
import { type HasLogMark, headOf, readLogStatus } from './settle-log.ts';

export type LogDescription = {
  readonly head: LogHead;
  /** The log compared with the high-water mark. */
  readonly status: LogStatus;
  readonly stoppedReason: StopReason | null;
  /** Size of the newest signed checkpoint; null before the first. */
  readonly signedSize: number | null;
  readonly waiting: Backlog;
  readonly sinks: readonly SinkState[];
  /** Heads of earlier logs that the database does not have, and forged continuations. */
  readonly contradictions: readonly string[];
};

/** The state of the log in use, for operators; null before the first log. */
export async function describeLog(ports: Pick<Ports, 'sql'> & HasLogMark): Promise<LogDescription | null> {
  const found = await readLogStatus(ports);
  if (found === null) return null;
  const { log, status } = found;
  const checkpoint = await readNewestCheckpoint(ports.sql, log.origin);
  return {
    head: headOf(log),
    status,
    stoppedReason: log.stopped_reason,
    signedSize: checkpoint?.size ?? null,
    waiting: await readBacklog(ports.sql),
    sinks: await readSinkStates(ports.sql),
    contradictions: await readContradictions(ports),
  };
}

async function readContradictions({ sql, logMark }: Pick<Ports, 'sql'> & HasLogMark): Promise<string[]> {
  const earlier = await logMark.readEarlier();
  const chain = await readLogChain(sql);
  const contradictions = chain.forged.map(({ origin }) => `${origin} does not begin with audit.log_continued`);
  for (const head of earlier) {
    const found = await findHead(sql, chain, head);
    if (found === 'behind' || found === 'forked')
      contradictions.push(
        `the high-water mark names ${head.size} events of ${head.origin}, which are not in the database`,
      );
  }
  return contradictions;
}
