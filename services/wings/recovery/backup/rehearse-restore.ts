import { restoreDrillDuration, restoreDrills } from '#observability/metrics/restore-drills.ts';
import { recordEvent } from '#services/core/audit/record-event.ts';
import type { HasLogMark } from '#services/core/audit/seal/settle-log.ts';
import { readLogKeys } from '#services/core/keys/log/log-keys.ts';
import type { Caller, Fence, LogHighWaterStore, MarkStore, Ports, Sql } from '#services/core/ports.ts';
import type { EventDetail } from '#services/platform/define/audit-event.ts';
import { AppError } from '#services/platform/define/error.ts';
import { restoreRehearsed } from '#services/wings/recovery/audit-events.ts';
import { readFeedState } from '../restore.store.ts';
import { backUp } from './back-up.ts';
import { restoreMismatch } from './backup-errors.ts';
import type { BackupSource, RestoreTarget } from './backup-ports.ts';
import type { BackupHead } from './backup-shapes.ts';
import { restoreBackup } from './restore-backup.ts';
import { validateDataIntegrity } from './validate-data-integrity.ts';

type RestoreDrill = {
  /** Opens a view of the database of the installation. */
  openSource(): Promise<BackupSource & { close(): Promise<unknown> }>;
  /** A backup that is kept somewhere, and its key; null where each rehearsal makes its own. */
  readonly kept: { key(): Uint8Array; read(): AsyncIterable<Buffer> } | null;
  /** Works in an empty database that is dropped afterwards. @param mark tells installations on one server apart */
  inScratch<T>(
    mark: string,
    work: (scratch: { readonly target: RestoreTarget; readonly sql: Sql }) => Promise<T>,
  ): Promise<T>;
  /** Every table of the product. */
  readonly tables: readonly string[];
  migrations(): Promise<BackupHead['migrations']>;
  readonly productVersion: string;
};

type HasRestoreDrill = {
  /** Null where RESTORE_DRILL_URL is not set. */
  readonly restoreDrill: RestoreDrill | null;
};

type RehearsePorts = Pick<Ports, 'sql' | 'transact' | 'clock' | 'random' | 'vault' | 'marks'> &
  HasLogMark &
  HasRestoreDrill;

export type Rehearsal = {
  /** Whether the backup was one that is kept, or made for the rehearsal. */
  readonly backup: 'kept' | 'fresh';
  /** When it was made. */
  readonly backup_of: string;
  readonly seconds: number;
  readonly rows: number;
  readonly tables: number;
  readonly orphans: number;
  /** Sealed events whose log was verified in the restored database. */
  readonly events: number;
};

const KEY_BYTES = 32;

/**
 * Restores a backup into a database beside the installation, reads every table back, checks its integrity and drops it.
 * The event with duration and counts is the evidence of the control `restore-drill`. The backup is one that is kept, or
 * made for this: that passes from one database to the other as a stream, under a key of its own that is then forgotten.
 *
 * @returns null where no place for rehearsals is configured
 * @throws what the backup or the restore threw; `restoreMismatch` for findings of the integrity check
 */
export async function rehearseRestore(
  ports: RehearsePorts,
  { fence, signal }: { readonly fence: Fence; readonly signal: AbortSignal },
  caller: Caller,
): Promise<Rehearsal | null> {
  const { restoreDrill } = ports;
  if (restoreDrill === null) return null;
  const { incarnation } = await readFeedState(ports.sql);
  const record = (outcome: 'ok' | 'failed', detail: EventDetail<typeof restoreRehearsed>): Promise<void> =>
    ports.transact(async (tx) => {
      await fence.hold(tx);
      await recordEvent(tx, caller, restoreRehearsed, {
        outcome,
        target: { kind: 'installation', id: incarnation },
        detail,
      });
    });
  let rehearsal: Rehearsal;
  try {
    rehearsal = await rehearse({ ...ports, restoreDrill }, incarnation, signal, caller);
  } catch (err) {
    // A process that stops says nothing about the backup; the next attempt does.
    if (signal.aborted) throw err;
    restoreDrills.add(1, { outcome: 'failed' });
    await record('failed', { code: codeOf(err) });
    throw err;
  }
  restoreDrills.add(1, { outcome: 'ok' });
  restoreDrillDuration.set(rehearsal.seconds);
  await record('ok', rehearsal);
  return rehearsal;
}

/** A code of the error registry or of PostgreSQL; no message, which may quote rows. */
function codeOf(err: unknown): string {
  if (err instanceof AppError) return err.code;
  const { code, name } = err as { code?: unknown; name: string };
  return (typeof code === 'string' ? code : name).slice(0, 64);
}

/** What stands outside the database belongs to the installation: a rehearsal reads it and changes nothing. */
const readOnly = ({
  marks,
  logMark,
}: Pick<Ports, 'marks'> & HasLogMark): { readonly marks: MarkStore; readonly logMark: LogHighWaterStore } => ({
  marks: { read: () => marks.read(), raise: async (next) => next },
  logMark: { ...logMark, swap: async () => true, follow: async () => true },
});

async function* untilAborted(stream: AsyncIterable<Buffer>, signal: AbortSignal): AsyncGenerator<Buffer> {
  for await (const part of stream) {
    signal.throwIfAborted();
    yield part;
  }
}

async function rehearse(
  ports: RehearsePorts & { readonly restoreDrill: RestoreDrill },
  incarnation: string,
  signal: AbortSignal,
  caller: Caller,
): Promise<Rehearsal> {
  const { restoreDrill, clock } = ports;
  const outside = { ...ports, ...readOnly(ports) };
  const startedAtMs = clock.now();
  const backup = await openBackup(outside);
  try {
    return await restoreDrill.inScratch(incarnation.slice(0, 8), async ({ target, sql }) => {
      const input = {
        key: backup.key,
        sealed: untilAborted(backup.stream, signal),
        migrations: await restoreDrill.migrations(),
        isVerified: true,
      };
      const { head, foot } = await restoreBackup({ ...outside, target }, input, caller);
      const { findings, orphans, events } = await validateDataIntegrity({
        sql,
        // A rehearsal is older than the marks of the installation, which goes on meanwhile.
        marks: { ...outside.marks, read: async () => null },
        auditLogKeys: (origin) => readLogKeys({ sql }, origin),
      });
      if (findings.length > 0)
        throw restoreMismatch({ detail: findings.map(({ kind, at, rows }) => `${kind} ${at}: ${rows}`).join('; ') });
      return {
        backup: restoreDrill.kept ? 'kept' : 'fresh',
        backup_of: head.created_at,
        seconds: Math.round((clock.now() - startedAtMs) / 100) / 10,
        rows: foot.tables.reduce((all, { rows }) => all + rows, 0),
        tables: foot.tables.length,
        orphans,
        events,
      };
    });
  } finally {
    await backup.close();
  }
}

type OpenBackup = { readonly key: Uint8Array; readonly stream: AsyncIterable<Buffer>; close(): Promise<unknown> };

async function openBackup(ports: RehearsePorts & { readonly restoreDrill: RestoreDrill }): Promise<OpenBackup> {
  const { kept, tables, productVersion, openSource } = ports.restoreDrill;
  if (kept) return { key: kept.key(), stream: kept.read(), close: async () => {} };
  const source = await openSource();
  const key = ports.random.bytes(KEY_BYTES);
  const { stream } = backUp({ ...ports, source }, { tables, key, productVersion });
  return { key, stream, close: () => source.close() };
}
