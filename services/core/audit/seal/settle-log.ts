import type { Caller, LogHead, LogHighWaterStore, Ports } from '#services/core/ports.ts';
import { auditSealingResumed, auditSealingStopped } from '../audit-events.ts';
import { TileMissingError } from '../log/tiles.ts';
import { type OpenLog, readOpenLog, storeStop } from '../log.store.ts';
import { findHead, type LogChain, readLogChain } from '../log-continuations.ts';
import { type LogStatus, logStatus, type StopReason } from '../log-status.ts';
import { readRootAt } from '../log-tiles.ts';
import { recordEvent } from '../record-event.ts';
import type { HasLogGauges } from './log-gauges.ts';

export type HasLogMark = { readonly logMark: LogHighWaterStore };

type SettlePorts = Pick<Ports, 'sql' | 'transact' | 'log'> & HasLogMark & HasLogGauges;

type Settled =
  | { readonly kind: 'settled'; readonly log: OpenLog }
  | { readonly kind: 'stopped'; readonly log: OpenLog; readonly reason: StopReason };

export const headOf = ({ origin, size, root }: LogHead): LogHead => ({ origin, size, root });

/** Compares the log with its high-water mark. Null before the first log. */
export async function readLogStatus(
  ports: Pick<Ports, 'sql'> & HasLogMark,
): Promise<{ readonly log: OpenLog; readonly mark: LogHead | null; readonly status: LogStatus } | null> {
  // The high-water mark first: a log read later has at least as many leaves, even if another worker seals meanwhile.
  const mark = await ports.logMark.read();
  const log = await readOpenLog(ports.sql);
  if (log === null) return null;
  let chain: Promise<LogChain> | undefined;
  const readChain = (): Promise<LogChain> => {
    chain ??= readLogChain(ports.sql);
    return chain;
  };
  const status = await logStatus(log, mark, {
    rootAt: (size) => readRootAt(ports.sql, log.origin, size),
    isForged: async () => (await readChain()).forged.length > 0,
    find: async (head) => findHead(ports.sql, await readChain(), head),
  }).catch((err: unknown): LogStatus => {
    if (err instanceof TileMissingError) return 'tiles_damaged';
    throw err;
  });
  return { log, mark, status };
}

/**
 * Moves the high-water mark to the head of the log. After that the log may grow and its head may be signed. If the log
 * contradicts the mark, stops sealing instead. Records one event when sealing stops, and one when it resumes.
 */
export async function settleLog(ports: SettlePorts, caller: Caller): Promise<Settled> {
  for (;;) {
    const found = await readLogStatus(ports);
    if (found === null) throw new Error('no audit log is open');
    const { log, mark, status } = found;
    await ports.logGauges.countOrigins(log.origin, () => readOrigins(ports));
    if (status !== 'current' && status !== 'swap') return stopSealing(ports, log, status, caller, mark);
    // A host with a mark stopped sealing. A host without a mark cannot tell that the log is sound again.
    if (mark === null && log.stopped_reason !== null) return stopSealing(ports, log, log.stopped_reason, caller);
    // Another sealer moved the mark first: read again.
    if (status === 'swap' && !(await ports.logMark.swap(mark, headOf(log)))) continue;
    if (log.stopped_reason !== null) await resume(ports, log, caller);
    ports.logGauges.setStopReason(null);
    return { kind: 'settled', log };
  }
}

export async function stopSealing(
  ports: Pick<Ports, 'transact' | 'log'> & HasLogGauges,
  log: OpenLog,
  reason: StopReason,
  caller: Caller,
  mark: LogHead | null = null,
): Promise<Settled> {
  ports.logGauges.setStopReason(reason);
  const isNew = await ports.transact(async (tx) => {
    if (!(await storeStop(tx, log.origin, reason))) return false;
    const detail = { log: headOf(log), mark };
    await recordEvent(tx, caller, auditSealingStopped, { outcome: reason, detail });
    return true;
  });
  if (isNew) ports.log.error({ reason, origin: log.origin, size: log.size, mark }, 'audit log sealing stopped');
  return { kind: 'stopped', log, reason };
}

export async function recordResumed(ports: Pick<Ports, 'transact'>, log: OpenLog, caller: Caller): Promise<void> {
  await ports.transact(async (tx) => {
    if (await storeStop(tx, log.origin, null))
      await recordEvent(tx, caller, auditSealingResumed, { detail: { log: headOf(log) } });
  });
}

async function resume(ports: Pick<Ports, 'transact' | 'log'>, log: OpenLog, caller: Caller): Promise<void> {
  await recordResumed(ports, log, caller);
  ports.log.info({ origin: log.origin, size: log.size }, 'audit log sealing resumed');
}

/** Names of the logs in the database and of those that only the high-water mark still knows. */
async function readOrigins({ sql, logMark }: Pick<Ports, 'sql'> & HasLogMark): Promise<string[]> {
  const { logs } = await readLogChain(sql);
  const heads = [await logMark.read(), ...(await logMark.readEarlier())];
  return [...logs, ...heads].flatMap((one) => one?.origin ?? []);
}
