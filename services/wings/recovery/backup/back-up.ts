import { createHash } from 'node:crypto';
import type { Clock, Random, Sql, Vault } from '#services/core/ports.ts';
import { readFeedState } from '../restore.store.ts';
import { hasDestroyedData, readMigrations, readOpenLogHead, readOutboxDays } from './backup.store.ts';
import { backupOvertaken } from './backup-errors.ts';
import type { BackupSource } from './backup-ports.ts';
import { type BackupRecord, packRecords } from './backup-records.ts';
import type { BackupFoot, BackupHead } from './backup-shapes.ts';
import { sealBackup } from './seal-backup.ts';
import { createTableDigest } from './table-digest.ts';

type BackupPorts = {
  readonly source: BackupSource;
  /** The database as it is now, beside the view of the source. */
  readonly sql: Sql;
  readonly clock: Clock;
  readonly random: Random;
  readonly vault: Vault;
};

export type Progress = { readonly table: string; readonly rows: number; readonly bytes: number };

type BackupInput = {
  readonly tables: readonly string[];
  /** 32 bytes. */
  readonly key: Uint8Array;
  readonly productVersion: string;
  readonly onProgress?: (progress: Progress) => void;
};

export type BackupResult = {
  readonly head: BackupHead;
  readonly foot: BackupFoot;
  readonly rows: number;
  /** Of the tables, before compression. */
  readonly tableBytes: number;
};

/** What the key-encryption key seals to show at a restore that it is the same. */
export const KEY_CHECK_CONTEXT = 'backup:key-check';

export const schemaDigest = (migrations: BackupHead['migrations']): string =>
  createHash('sha256')
    .update(migrations.map(({ name, checksum }) => `${checksum}  ${name}\n`).join(''))
    .digest('hex');

/**
 * Reads every table in one view of the database and returns the encrypted backup as a stream; `result` resolves when the
 * stream has ended. Keys stay sealed under the key-encryption key, which the backup does not contain.
 *
 * The stream throws backupOvertaken (409) if a person was erased or shredded since it began.
 */
export function backUp(
  ports: BackupPorts,
  input: BackupInput,
): { readonly stream: AsyncIterable<Buffer>; readonly result: Promise<BackupResult> } {
  const result = Promise.withResolvers<BackupResult>();
  // The error also ends the stream, whose reader handles it.
  result.promise.catch(() => {});
  const records = recordsOf(ports, input, result.resolve);
  return { stream: sealed(ports, input, records, result.reject), result: result.promise };
}

async function* sealed(
  ports: BackupPorts,
  { key }: BackupInput,
  records: AsyncIterable<BackupRecord>,
  onError: (err: unknown) => void,
): AsyncGenerator<Buffer> {
  try {
    yield* sealBackup(ports, key, packRecords(records));
  } catch (err) {
    onError(err);
    throw err;
  }
}

async function readHead({ source, clock, vault }: BackupPorts, input: BackupInput): Promise<BackupHead> {
  const { sql } = source;
  const { incarnation, revocationEpoch, beat, replaced } = await readFeedState(sql);
  const migrations = await readMigrations(sql);
  return {
    created_at: new Date(clock.now()).toISOString(),
    product_version: input.productVersion,
    postgres_version: await source.postgresVersion(),
    state: { incarnation, revocation_epoch: revocationEpoch, beat, replaced: [...replaced] },
    log: await readOpenLogHead(sql),
    migrations,
    schema_digest: schemaDigest(migrations),
    key_check: vault.seal(Buffer.from(incarnation), KEY_CHECK_CONTEXT),
    tables: [...input.tables],
    outbox_days: await readOutboxDays(sql),
  };
}

async function* recordsOf(
  ports: BackupPorts,
  input: BackupInput,
  onResult: (result: BackupResult) => void,
): AsyncGenerator<BackupRecord> {
  const { source } = ports;
  const head = await readHead(ports, input);
  yield { kind: 'head', head };
  const sums: BackupFoot['tables'] = [];
  let tableBytes = 0;
  for (const table of await source.describe(input.tables)) {
    yield { kind: 'table', table };
    const digest = createTableDigest();
    let rows = 0;
    const onRow = (row: Buffer): void => {
      rows += 1;
      digest.addRow(row);
    };
    for await (const bytes of source.rowsOf(table, onRow)) {
      tableBytes += bytes.length;
      yield { kind: 'rows', bytes };
      input.onProgress?.({ table: table.table, rows, bytes: tableBytes });
    }
    yield { kind: 'tableEnd' };
    sums.push({ table: table.table, ...digest.sum() });
  }
  if (await hasDestroyedData(source.sql, ports.sql)) throw backupOvertaken();
  const foot = { tables: sums, sequences: await source.sequences() };
  yield { kind: 'foot', foot };
  onResult({ head, foot, rows: sums.reduce((all, { rows }) => all + rows, 0), tableBytes });
}
