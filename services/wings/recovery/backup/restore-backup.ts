import { recordEvent } from '#services/core/audit/record-event.ts';
import { continueRestoredLog } from '#services/core/audit/seal/continue-log.ts';
import type { HasLogMark } from '#services/core/audit/seal/settle-log.ts';
import { rewrapSealedValues } from '#services/core/keys/secrets/rewrap-sealed-values.ts';
import type { Caller, LogHead, LogHighWaterStore, MarkStore, Marks, Ports, Tx } from '#services/core/ports.ts';
import { type DatabaseStatus, databaseStatus } from '#services/core/revocations/high-water-marks.ts';
import { backupRestored } from '#services/wings/recovery/audit-events.ts';
import { forgetMarkPlace } from '../restore.store.ts';
import { type AcceptedLoss, restoreAcceptLoss } from '../restore-accept-loss.ts';
import { KEY_CHECK_CONTEXT, type Progress, schemaDigest } from './back-up.ts';
import {
  backupOtherInstallation,
  backupSchemaOlder,
  backupSchemaUnknown,
  restoreInProgress,
  restoreMismatch,
  restoreTargetUsed,
} from './backup-errors.ts';
import type { FillingTx, RestoreTarget } from './backup-ports.ts';
import type { BackupFoot, BackupHead } from './backup-shapes.ts';
import { type BackupContent, openBackupContent } from './read-backup.ts';
import { createTableDigest } from './table-digest.ts';

type RestoreBackupPorts = Pick<Ports, 'vault' | 'random' | 'marks'> & HasLogMark & { readonly target: RestoreTarget };

type RestoreInput = {
  readonly key: Uint8Array;
  readonly sealed: AsyncIterable<Uint8Array>;
  readonly migrations: BackupHead['migrations'];
  /** Reads every table back before the commit, and opens every sealed value. */
  readonly isVerified: boolean;
  readonly onProgress?: (progress: Progress) => void;
};

/** What the high-water marks know that the backup does not have. */
export type MissingState = {
  /** Revocations: `from` and `to` are epochs of the feed, the first and the last that is missing. */
  readonly revocations: { readonly count: number; readonly from: number; readonly to: number } | null;
  /** About one a second while the product runs: how long it went on after the backup. */
  readonly beats: number;
  /** Events of the sealed log. */
  readonly events: {
    readonly origin: string;
    readonly count: number;
    readonly from: number;
    readonly to: number;
  } | null;
  /** The marks, or the log that they name, continue in another incarnation than that of the backup. */
  readonly isReplaced: boolean;
};

export type RestoredBackup = BackupContent & {
  /** Of the restored database, compared with the high-water marks of this machine before the restore. */
  readonly standing: DatabaseStatus;
  /** Null where there are no marks: what is missing cannot be known. */
  readonly missing: MissingState | null;
  /** Without marks every earlier session and token ended with the restore, in its transaction. */
  readonly cutOff: (AcceptedLoss & { readonly logOrigin: string | null }) | null;
};

/** Opens a backup if it may be restored into this target; close it. @throws what refuses a restore */
async function openRestorable(
  ports: RestoreBackupPorts,
  { key, sealed, migrations }: Pick<RestoreInput, 'key' | 'sealed' | 'migrations'>,
) {
  if (!(await ports.target.lock())) throw restoreInProgress();
  if (!(await ports.target.isUnused())) throw restoreTargetUsed();
  const backup = await openBackupContent(key, sealed);
  try {
    const marks = await ports.marks.read();
    assertKeyEncryptionKey(ports, backup.head);
    assertSchema(backup.head, migrations);
    await assertInstallation(ports, backup.head, marks);
    return { backup, marks };
  } catch (err) {
    await backup.close();
    throw err;
  }
}

/** What a restore of this backup begins with; changes nothing. @throws what refuses a restore */
export async function planRestoreBackup(
  ports: RestoreBackupPorts,
  input: Pick<RestoreInput, 'key' | 'sealed' | 'migrations'>,
): Promise<BackupHead> {
  const { backup } = await openRestorable(ports, input);
  await backup.close();
  return backup.head;
}

/**
 * Fills an empty database from a backup, in one transaction: rows are neither recorded nor numbered a second time, and
 * the foreign keys are checked over all rows at the end.
 *
 * What was revoked after the backup must not be accepted again. With high-water marks the processes refuse a database
 * that is behind them, until an operator accepts the loss. Without marks what is missing is unknown, so everything
 * issued before ends here and now, and the audit log continues under another name.
 *
 * @throws restoreInProgress, restoreTargetUsed, backupOtherInstallation, backupSchemaOlder, backupSchemaUnknown (409);
 *   backupKeyWrong, backupDamaged, backupTruncated, backupUnknownFormat, restoreMismatch (422)
 */
export async function restoreBackup(
  ports: RestoreBackupPorts,
  input: RestoreInput,
  caller: Caller,
): Promise<RestoredBackup> {
  const { target } = ports;
  const { backup, marks } = await openRestorable(ports, input);
  try {
    const { head } = backup;
    const logMark = await ports.logMark.read();
    await target.migrate();
    const after = createDeferredMarks(ports);
    const { incarnation, revocation_epoch: revocationEpoch, beat, replaced } = head.state;
    const standing = databaseStatus({ incarnation, revocationEpoch, beat, replaced }, marks);
    const missing = marks && missingOf(head, marks, logMark);
    let cutOff: RestoredBackup['cutOff'] = null;
    const foot = await target.fill(
      head.tables,
      head.outbox_days,
      async (filling) => {
        const read = await backup.read(loader(filling, input));
        await filling.setSequences(read.sequences);
        if (input.isVerified) await assertReadBack(filling, read, input);
        return read;
      },
      async (tx) => {
        await forgetMarkPlace(tx);
        if (input.isVerified) await rewrapSealedValues({ ...ports, transact: within(tx) }, { onlyLook: true }, caller);
        const detail = {
          backup_of: head.created_at,
          incarnation,
          revocation_epoch: revocationEpoch,
          standing,
          missing,
        };
        await recordEvent(tx, caller, backupRestored, { target: { kind: 'installation', id: incarnation }, detail });
        if (marks === null) cutOff = await cutOffAt(ports, after, tx, head, caller);
      },
    );
    await after.raise();
    return { head, foot, standing, missing, cutOff };
  } finally {
    await backup.close();
  }
}

const within =
  (tx: Tx): Ports['transact'] =>
  (work) =>
    work(tx);

function assertKeyEncryptionKey({ vault }: Pick<Ports, 'vault'>, { key_check, state }: BackupHead): void {
  let plain: string | undefined;
  try {
    plain = vault.open(key_check, KEY_CHECK_CONTEXT).toString();
  } catch {
    // Sealed under another key.
  }
  if (plain !== state.incarnation)
    throw backupOtherInstallation({ detail: 'its keys are sealed under another key-encryption key' });
}

function assertSchema({ migrations, product_version }: BackupHead, own: BackupHead['migrations']): void {
  if (schemaDigest(migrations) === schemaDigest(own)) return;
  const known = new Map(own.map(({ name, checksum }) => [name, checksum]));
  const detail = `version ${product_version} made it, with ${migrations.length} migrations; this version has ${own.length}`;
  throw migrations.every(({ name, checksum }) => known.get(name) === checksum)
    ? backupSchemaOlder({ detail })
    : backupSchemaUnknown({ detail });
}

/**
 * Whichever mark is left tells the installation. A backup from before a loss that was accepted has another incarnation than
 * the marks; its log has their origin.
 */
async function assertInstallation(
  { logMark }: HasLogMark,
  { state, log }: BackupHead,
  marks: Marks | null,
): Promise<void> {
  if (marks !== null && [state.incarnation, ...state.replaced].includes(marks.incarnation)) return;
  const origins = [await logMark.read(), ...(await logMark.readEarlier())].flatMap((head) => head?.origin ?? []);
  if (marks === null && origins.length === 0) return;
  if (log !== null && origins.includes(log.origin)) return;
  const known = marks === null ? `the log ${origins.join(', ')}` : `incarnation ${marks.incarnation}`;
  throw backupOtherInstallation({
    detail: `the high-water marks of this machine are those of ${known}, and the backup is of incarnation ${state.incarnation}`,
  });
}

function missingOf({ state, log }: BackupHead, marks: Marks, logMark: LogHead | null): MissingState {
  const isReplaced = state.incarnation !== marks.incarnation;
  const epochs = marks.revocationEpoch - state.revocation_epoch;
  const events = logMark === null || log === null || logMark.origin !== log.origin ? 0 : logMark.size - log.size;
  return {
    revocations: epochs > 0 ? { count: epochs, from: state.revocation_epoch + 1, to: marks.revocationEpoch } : null,
    beats: Math.max(0, marks.beat - state.beat),
    events:
      log !== null && events > 0
        ? { origin: log.origin, count: events, from: log.size, to: log.size + events - 1 }
        : null,
    isReplaced,
  };
}

function loader(filling: FillingTx, { onProgress }: RestoreInput) {
  let bytes = 0;
  return async (table: { table: string; columns: readonly string[] }, rows: AsyncIterable<Buffer>): Promise<void> => {
    async function* counted(): AsyncGenerator<Buffer> {
      for await (const part of rows) {
        bytes += part.length;
        onProgress?.({ table: table.table, rows: 0, bytes });
        yield part;
      }
    }
    await filling.load(table, counted());
  };
}

async function assertReadBack(filling: FillingTx, { tables }: BackupFoot, { onProgress }: RestoreInput): Promise<void> {
  let bytes = 0;
  for (const expected of tables) {
    const digest = createTableDigest();
    const [table] = await filling.describe([expected.table]);
    for await (const part of filling.rowsOf(table!, digest.addRow)) {
      bytes += part.length;
      onProgress?.({ table: `${expected.table} (verified)`, rows: 0, bytes });
    }
    const { rows, digest: found } = digest.sum();
    if (rows !== expected.rows || found !== expected.digest)
      throw restoreMismatch({ detail: `${expected.table}: ${rows} rows, and the backup holds ${expected.rows}` });
  }
}

async function cutOffAt(
  ports: RestoreBackupPorts,
  after: DeferredMarks,
  tx: Tx,
  { log }: BackupHead,
  caller: Caller,
): Promise<NonNullable<RestoredBackup['cutOff']>> {
  const own = { ...ports, ...after, sql: tx, transact: within(tx) };
  const accepted = await restoreAcceptLoss(own, { isForced: false }, caller);
  const continued = log && (await continueRestoredLog(own, { reason: 'restored without high-water marks' }, caller));
  return { ...accepted, logOrigin: continued?.origin ?? null };
}

type DeferredMarks = { readonly marks: MarkStore; readonly logMark: LogHighWaterStore; raise(): Promise<void> };

/** Marks that are raised once the transaction is committed: those of a database that never came to be would refuse the next. */
function createDeferredMarks({ marks, logMark }: Pick<Ports, 'marks'> & HasLogMark): DeferredMarks {
  const later: (() => Promise<unknown>)[] = [];
  return {
    marks: {
      read: () => marks.read(),
      raise: async (next, replaced) => {
        later.push(() => marks.raise(next, replaced));
        return next;
      },
    },
    logMark: {
      ...logMark,
      follow: async (expected, next) => {
        later.push(() => logMark.follow(expected, next));
        return true;
      },
    },
    async raise() {
      for (const each of later) await each();
    },
  };
}
