import { auditLogOrigins, auditSealingStopped as sealingStoppedGauge } from '#observability/metrics/audit.ts';
import type { Caller, LogMark, LogMarkStore, Ports } from '#services/domain/ports.ts';
import { auditSealingResumed, auditSealingStopped } from '../audit-events.ts';
import { TileMissingError } from '../log/tiles.ts';
import { noteStop, type OpenLog, readOpenLog } from '../log.store.ts';
import { findHead, type LogChain, readLogChain } from '../log-continuations.ts';
import { type LogStatus, logStatus, type StopReason, stopReasons } from '../log-status.ts';
import { readRootAt } from '../log-tiles.ts';
import { recordEvent } from '../record-event.ts';

export type HasLogMark = { readonly logMark: LogMarkStore };

type SettlePorts = Pick<Ports, 'sql' | 'transact' | 'log'> & HasLogMark;

export type Settled =
  | { readonly kind: 'settled'; readonly log: OpenLog }
  | { readonly kind: 'stopped'; readonly log: OpenLog; readonly reason: StopReason };

export const markOf = ({ origin, size, root }: LogMark): LogMark => ({ origin, size, root });

/** How the log stands to its mark. Null before the first log. */
export async function readStanding(
  ports: Pick<Ports, 'sql'> & HasLogMark,
): Promise<{ readonly log: OpenLog; readonly mark: LogMark | null; readonly standing: LogStatus } | null> {
  // The high-water mark first: a log read later has at least as many leaves, even if another worker seals meanwhile.
  const mark = await ports.logMark.read();
  const log = await readOpenLog(ports.sql);
  if (log === null) return null;
  let chain: Promise<LogChain> | undefined;
  const readChain = (): Promise<LogChain> => {
    chain ??= readLogChain(ports.sql);
    return chain;
  };
  const standing = await logStatus(log, mark, {
    rootAt: (size) => readRootAt(ports.sql, log.origin, size),
    isForged: async () => (await readChain()).forged.length > 0,
    find: async (head) => findHead(ports.sql, await readChain(), head),
  }).catch((err: unknown): LogStatus => {
    if (err instanceof TileMissingError) return 'tiles_damaged';
    throw err;
  });
  return { log, mark, standing };
}

/**
 * Brings the mark up to the log, after which the log may grow and its head may be signed; or stops sealing, because
 * this database is not the one whose head the mark is. A stop, and its end, is an event once.
 */
export async function settleLog(ports: SettlePorts, caller: Caller): Promise<Settled> {
  for (;;) {
    const found = await readStanding(ports);
    if (found === null) throw new Error('no audit log is open');
    const { log, mark, standing } = found;
    await showOrigins(ports, log);
    if (standing !== 'current' && standing !== 'swap') return stopSealing(ports, log, standing, caller, mark);
    // Stopped by a host that has a mark: one without has nothing to say against it.
    if (mark === null && log.stoppedReason !== null) return stopSealing(ports, log, log.stoppedReason, caller);
    // Lost against another sealer: look again.
    if (standing === 'swap' && !(await ports.logMark.swap(mark, markOf(log)))) continue;
    if (log.stoppedReason !== null) await resume(ports, log, caller);
    showStop(null);
    return { kind: 'settled', log };
  }
}

export async function stopSealing(
  ports: Pick<Ports, 'transact' | 'log'>,
  log: OpenLog,
  reason: StopReason,
  caller: Caller,
  mark: LogMark | null = null,
): Promise<Settled> {
  showStop(reason);
  const isNew = await ports.transact(async (tx) => {
    if (!(await noteStop(tx, log.origin, reason))) return false;
    const detail = { log: markOf(log), mark };
    await recordEvent(tx, caller, auditSealingStopped, { outcome: reason, detail });
    return true;
  });
  if (isNew)
    ports.log.error({ reason, origin: log.origin, size: log.size, mark }, 'sealing of the audit log has stopped');
  return { kind: 'stopped', log, reason };
}

export async function noteResumed(ports: Pick<Ports, 'transact'>, log: OpenLog, caller: Caller): Promise<void> {
  await ports.transact(async (tx) => {
    if (await noteStop(tx, log.origin, null))
      await recordEvent(tx, caller, auditSealingResumed, { outcome: 'ok', detail: { log: markOf(log) } });
  });
}

async function resume(ports: Pick<Ports, 'transact' | 'log'>, log: OpenLog, caller: Caller): Promise<void> {
  await noteResumed(ports, log, caller);
  ports.log.info({ origin: log.origin, size: log.size }, 'sealing of the audit log goes on');
}

let shownOrigin: string | undefined;

/** Read again where another log is in use than before. A log that is gone from the database counts by its mark. */
async function showOrigins(ports: Pick<Ports, 'sql'> & HasLogMark, log: OpenLog): Promise<void> {
  if (log.origin === shownOrigin) return;
  const { logs } = await readLogChain(ports.sql);
  const outside = [await ports.logMark.read(), ...(await ports.logMark.readEarlier())];
  const origins = [...logs, ...outside].flatMap((one) => one?.origin ?? []);
  auditLogOrigins.set(new Set(origins).size);
  shownOrigin = log.origin;
}

function showStop(reason: StopReason | null): void {
  for (const each of stopReasons) sealingStoppedGauge.set(each === reason ? 1 : 0, { reason: each });
}
