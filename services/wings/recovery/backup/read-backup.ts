import { backupDamaged } from './backup-errors.ts';
import { unpackRecords } from './backup-records.ts';
import type { BackupFoot, BackupHead, TableHead } from './backup-shapes.ts';
import { openBackup } from './seal-backup.ts';
import { createTableDigest } from './table-digest.ts';

type OpenedBackup = {
  readonly head: BackupHead;
  /**
   * Passes the tables in their order to `onTable`, which must read their rows to the end. Counts and digests of the rows
   * are compared with those that were written, and the backup is known to be whole once this resolves.
   */
  read(onTable: (table: TableHead, rows: AsyncIterable<Buffer>) => Promise<void>): Promise<BackupFoot>;
  /** Gives up what was not read. */
  close(): Promise<void>;
};

const outOfOrder = () => backupDamaged({ detail: 'its tables are not as this version writes them' });

/**
 * Decrypts a backup as it is read.
 * @throws backupUnknownFormat, backupKeyWrong, backupDamaged, backupTruncated; so does `read`
 */
export async function openBackupContent(key: Uint8Array, sealed: AsyncIterable<Uint8Array>): Promise<OpenedBackup> {
  const records = unpackRecords(openBackup(key, sealed));
  const next = async () => (await records.next()).value ?? null;
  const first = await next();
  if (first?.kind !== 'head') throw outOfOrder();

  async function* rowsOf(digest: ReturnType<typeof createTableDigest>): AsyncGenerator<Buffer> {
    for (;;) {
      const part = await next();
      if (part?.kind === 'tableEnd') return;
      if (part?.kind !== 'rows') throw outOfOrder();
      digest.addBytes(part.bytes);
      yield part.bytes;
    }
  }

  return {
    head: first.head,
    async read(onTable) {
      const sums: BackupFoot['tables'] = [];
      for (;;) {
        const record = await next();
        if (record?.kind === 'foot') {
          if ((await next()) !== null || JSON.stringify(record.foot.tables) !== JSON.stringify(sums))
            throw outOfOrder();
          return record.foot;
        }
        if (record?.kind !== 'table') throw outOfOrder();
        const digest = createTableDigest();
        await onTable(record.table, rowsOf(digest));
        sums.push({ table: record.table.table, ...digest.sum() });
      }
    },
    close: async () => void (await records.return(undefined)),
  };
}

export type BackupContent = { readonly head: BackupHead; readonly foot: BackupFoot };

/** Reads a whole backup, offline. @throws like `openBackupContent` */
export async function verifyBackup(
  key: Uint8Array,
  sealed: AsyncIterable<Uint8Array>,
  onBytes: (bytes: number) => void = () => {},
): Promise<BackupContent> {
  const { head, read } = await openBackupContent(key, sealed);
  const foot = await read(async (_table, rows) => {
    for await (const { length } of rows) onBytes(length);
  });
  return { head, foot };
}
