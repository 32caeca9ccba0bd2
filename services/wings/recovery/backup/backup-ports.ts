import type { Sql, Tx } from '#services/core/ports.ts';
import type { BackupFoot, BackupHead, TableHead } from './backup-shapes.ts';

/** One consistent view of a database, on a connection of its own. */
export type BackupSource = {
  readonly sql: Sql;
  /** Tables with the columns that are stored; those that PostgreSQL computes are left out. */
  describe(tables: readonly string[]): Promise<TableHead[]>;
  /** Rows of a table in COPY's text format. @param onRow called with each row; its bytes are overwritten afterwards */
  rowsOf(table: TableHead, onRow: (row: Buffer) => void): AsyncIterable<Buffer>;
  /** Where the sequences are now: they do not belong to the view, and only move forward. */
  sequences(): Promise<BackupFoot['sequences']>;
  postgresVersion(): Promise<string>;
};

/** A database that is filled in one transaction, on a connection of its own. */
export type RestoreTarget = {
  /** False while another session restores into this database. Released with the connection. */
  lock(): Promise<boolean>;
  /** False if it holds tables of others, or rows of an installation that was used. */
  isUnused(): Promise<boolean>;
  /** Applies the migrations of this version, and returns all that are applied. */
  migrate(): Promise<BackupHead['migrations']>;
  /**
   * Runs `work` in one transaction in which the tables are empty, without their triggers and foreign keys. Afterwards
   * both are in force again, and the foreign keys were checked over all rows.
   */
  fill<T>(
    tables: readonly string[],
    outboxDays: readonly string[],
    work: (tx: FillingTx) => Promise<T>,
    then: (tx: Tx) => Promise<void>,
  ): Promise<T>;
};

export type FillingTx = Pick<BackupSource, 'describe' | 'rowsOf'> & {
  load(table: TableHead, rows: AsyncIterable<Uint8Array>): Promise<void>;
  setSequences(sequences: BackupFoot['sequences']): Promise<void>;
};
