import type { LogMark, Ports } from '#services/domain/ports.ts';
import { findHead, readLogChain } from '../log-continuations.ts';
import { readNewestCheckpoint, readSinkStates, type SinkState } from '../log-reader.store.ts';
import type { LogStatus, StopReason } from '../log-status.ts';
import { type Backlog, readBacklog } from './backlog.store.ts';
import { type HasLogMark, markOf, readStanding } from './settle-log.ts';

export type LogDescription = {
  readonly head: LogMark;
  /** How the log stands to the mark outside it. */
  readonly standing: LogStatus;
  readonly stoppedReason: StopReason | null;
  /** Events under the newest signed checkpoint; null before the first. */
  readonly signedSize: number | null;
  readonly waiting: Backlog;
  readonly sinks: readonly SinkState[];
  /** What the marks of earlier logs say against the database; none where all is well. */
  readonly contradictions: readonly string[];
};

/** The state of the log in use, for operators; null before the first. */
export async function describeLog(ports: Pick<Ports, 'sql'> & HasLogMark): Promise<LogDescription | null> {
  const found = await readStanding(ports);
  if (found === null) return null;
  const { log, standing } = found;
  const checkpoint = await readNewestCheckpoint(ports.sql, log.origin);
  return {
    head: markOf(log),
    standing,
    stoppedReason: log.stoppedReason,
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
    if (found === 'behind' || found === 'beside')
      contradictions.push(`the mark outside knows ${head.size} events of ${head.origin}, which are not there`);
  }
  return contradictions;
}
