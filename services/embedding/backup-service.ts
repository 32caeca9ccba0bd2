import { version } from '#observability/version.ts';
import { systemCaller } from '#services/platform/define/system-caller.ts';
import type { HasAuditLogKeys } from '../core/audit/read/read-log.ts';
import type { Ports } from '../core/ports.ts';
import { modules } from '../modules.ts';
import { readBackupAt, writeBackupAt } from '../platform/backups/backup-place.ts';
import { loadConfig } from '../platform/config/load.ts';
import { resolveDataDir } from '../platform/local/data-dir.ts';
import { createLogMark } from '../platform/marks/mark-stores.ts';
import { readMigrations } from '../platform/postgres/migration-files.ts';
import { openBackupSource, openRestoreTarget } from '../platform/postgres/table-copies.ts';
import { queueTables } from '../platform/queue/tables.ts';
import { backUp } from '../wings/recovery/backup/back-up.ts';
import { type RestoredBackup, restoreBackup } from '../wings/recovery/backup/restore-backup.ts';
import { type IntegrityResult, validateDataIntegrity } from '../wings/recovery/backup/validate-data-integrity.ts';
import { assertWing, type HasWings } from './assert-wing.ts';

export type BackupServicePorts = Pick<Ports, 'sql' | 'clock' | 'random' | 'vault' | 'marks'> & HasAuditLogKeys;

type Environment = Readonly<Record<string, string | undefined>>;

/** Where a backup is, and the key that encrypts it. */
export type BackupPlace = {
  /** A file, or `s3://bucket/key` with the settings BACKUP_S3_…. */
  readonly file: string;
  /** 32 bytes. */
  readonly key: Uint8Array;
};

/** A backup that was written. */
export type BackupResult = BackupPlace & {
  /** SHA-256 of the file, hexadecimal. */
  readonly checksum: string;
  readonly bytes: number;
  readonly rows: number;
  readonly createdAt: string;
};

const caller = systemCaller('backup-service');

/** Backups for TypeScript code in the same process. */
export class BackupService {
  readonly #ports: BackupServicePorts;
  readonly #env: Environment;

  /** @param env settings of the ports by name, as `openSallyport` takes them; the login of DATABASE_URL reads every table */
  constructor(ports: BackupServicePorts & HasWings, env: Environment) {
    assertWing(ports, 'recovery');
    this.#ports = ports;
    this.#env = env;
  }

  /** Writes an encrypted backup of every table in one consistent view. The file appears when it is complete. */
  async backupAuthenticationData({ file, key }: BackupPlace): Promise<BackupResult> {
    const source = await openBackupSource(this.#env.DATABASE_DIRECT_URL || (this.#env.DATABASE_URL ?? ''));
    try {
      const tables = [...modules.flatMap((module) => module.tables), ...queueTables];
      const { stream, result } = backUp({ ...this.#ports, source }, { tables, key, productVersion: version });
      const { bytes, sha256 } = await writeBackupAt(file, stream, () => loadConfig(this.#env).backups);
      const { head, rows } = await result;
      return { file, key, checksum: sha256, bytes, rows, createdAt: head.created_at };
    } finally {
      await source.close();
    }
  }

  /**
   * Fills the empty database `into` from a backup, in one transaction, and reads it back. No token that was revoked is
   * accepted afterwards: where the high-water marks know more than the backup, the database is refused until an operator
   * accepts the loss (`standing: 'rewound'`); without marks every earlier session and token ends.
   * Throws `backup_damaged`, `backup_truncated`, `backup_key_wrong` and others (docs/reference/errors.md).
   */
  async restoreAuthenticationData({
    file,
    key,
    into,
  }: BackupPlace & { readonly into: string }): Promise<RestoredBackup> {
    const target = await openRestoreTarget(into);
    try {
      const migrations = await readMigrations();
      const logMark = createLogMark(loadConfig(this.#env).marks, resolveDataDir(this.#env));
      const input = {
        key,
        sealed: readBackupAt(file, () => loadConfig(this.#env).backups),
        migrations,
        isVerified: true,
      };
      return await restoreBackup({ ...this.#ports, logMark, target }, input, caller);
    } finally {
      await target.close();
    }
  }

  /** Finds rows without their counterpart, guards that are not in force, and faults of the feed and the audit log. */
  validateDataIntegrity(): Promise<IntegrityResult> {
    return validateDataIntegrity(this.#ports);
  }
}
