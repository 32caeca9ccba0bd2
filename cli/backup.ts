import type { Command } from 'commander';
import { version } from '../observability/version.ts';
import { modules } from '../services/modules.ts';
import { readBackupAt, writeBackupAt } from '../services/platform/backups/backup-place.ts';
import { KEY_BYTES, keyInFile } from '../services/platform/backups/key-file.ts';
import { loadConfig } from '../services/platform/config/load.ts';
import { openBackupSource } from '../services/platform/postgres/table-copies.ts';
import { queueTables } from '../services/platform/queue/tables.ts';
import { backUp, type Progress } from '../services/wings/recovery/backup/back-up.ts';
import { type BackupContent, verifyBackup } from '../services/wings/recovery/backup/read-backup.ts';
import { assertBackupWhole } from '../services/wings/recovery/backup/seal-backup.ts';
import { openContext } from './context.ts';
import { withDatabase } from './database-ports.ts';
import { CommandError, exitCodes } from './exit-codes.ts';
import { createOutput, type GlobalOptions, type Output } from './output.ts';

/** Every table of the product: a module that owns a new one brings it into the backup. */
export const backedUpTables: readonly string[] = [...modules.flatMap(({ tables }) => tables), ...queueTables];

const PROGRESS_EVERY_MS = 2_000;

const backupConfig = () => loadConfig(process.env).backups;

/** @throws CommandError (2) for a place that is neither a file nor in an S3-compatible store */
function assertPlace(place: string): void {
  if (/^\w+:\/\//.test(place) && !place.startsWith('s3://'))
    throw new CommandError(exitCodes.usage, `${place} is no place for backups`, 'name a file, or s3://bucket/key');
}

/** The bytes of a backup, from where it is kept. @throws CommandError (2) like `assertPlace` */
export function openBackupAt(place: string): AsyncIterable<Buffer> {
  assertPlace(place);
  return readBackupAt(place, backupConfig);
}

/** @throws CommandError (2) if the file does not hold 32 bytes, as they are or in hex or base64 */
export function readKeyFile(path: string): Buffer {
  let key: Buffer | undefined;
  try {
    key = keyInFile(path);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new CommandError(exitCodes.usage, `${path} is not readable (${code})`, newKeyFix(path), { cause });
  }
  if (key) return key;
  throw new CommandError(exitCodes.usage, `${path} does not hold a key of ${KEY_BYTES} bytes`, newKeyFix(path));
}

const newKeyFix = (path: string): string => `name the key file, or make one: openssl rand -out ${path} ${KEY_BYTES}`;

const grouped = (value: number): string => Math.round(value).toLocaleString('en');
const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

/** Says every two seconds how far the work is. */
export function progressOf(output: Output): (progress: Progress) => void {
  const startedAt = performance.now();
  let saidAt = startedAt;
  let saidBytes = 0;
  return ({ table, rows, bytes }) => {
    const now = performance.now();
    if (now - saidAt < PROGRESS_EVERY_MS) return;
    const rate = (bytes - saidBytes) / ((now - saidAt) / 1_000);
    saidAt = now;
    saidBytes = bytes;
    output.say(`${table}: ${grouped(rows)} rows; ${megabytes(bytes)} in all, ${megabytes(rate)}/s`);
  };
}

type BackupOptions = GlobalOptions & { out?: string; keyFile?: string };

const contentJson = ({ head, foot }: BackupContent) => ({
  created_at: head.created_at,
  product_version: head.product_version,
  incarnation: head.state.incarnation,
  revocation_epoch: head.state.revocation_epoch,
  beat: head.state.beat,
  log: head.log,
  last_migration: head.migrations.at(-1)?.name ?? null,
  schema_digest: head.schema_digest,
  rows: foot.tables.reduce((all, { rows }) => all + rows, 0),
  tables: foot.tables,
});

const contentLines = (json: ReturnType<typeof contentJson>): string[] => [
  `made          ${json.created_at} by ${json.product_version}`,
  `database      incarnation ${json.incarnation}, revocation epoch ${json.revocation_epoch}`,
  `audit log     ${json.log ? `${json.log.origin}, ${grouped(json.log.size)} events` : 'not begun'}`,
  `schema        ${json.last_migration}`,
  `rows          ${grouped(json.rows)} in ${json.tables.length} tables`,
];

async function backup({ out = '', keyFile = '', ...options }: BackupOptions): Promise<void> {
  const output = createOutput(options);
  assertPlace(out);
  const key = readKeyFile(keyFile);
  const { databaseUrl } = await openContext(['databaseUrl']);
  await withDatabase(
    async (ports) => {
      const source = await openBackupSource(databaseUrl);
      try {
        if (options.dryRun) {
          const tables = await source.describe(backedUpTables);
          output.data({ out, tables: tables.map(({ table }) => table) }, () => [
            `would write ${tables.length} tables to ${out}`,
          ]);
          return;
        }
        const startedAt = performance.now();
        const { stream, result } = backUp(
          { ...ports, source },
          { tables: backedUpTables, key, productVersion: version, onProgress: progressOf(output) },
        );
        const { bytes, sha256 } = await writeBackupAt(out, stream, backupConfig);
        const { head, foot, rows, tableBytes } = await result;
        const seconds = (performance.now() - startedAt) / 1_000;
        const json = { out, bytes, sha256, table_bytes: tableBytes, seconds, rows_per_second: rows / seconds };
        output.data({ ...json, ...contentJson({ head, foot }) }, ({ out: to, ...content }) => [
          `written       ${to}, ${megabytes(bytes)} of ${megabytes(tableBytes)}`,
          `sha-256       ${sha256}`,
          ...contentLines(content),
          `took          ${seconds.toFixed(1)} s, ${grouped(rows / seconds)} rows/s`,
        ]);
      } finally {
        await source.close();
      }
    },
    { isHeldToMarks: false },
  );
}

async function verify(file: string, options: BackupOptions): Promise<void> {
  const output = createOutput(options);
  const source = openBackupAt(file);
  if (options.keyFile === undefined) {
    await assertBackupWhole(source);
    output.say('without --key-file only the checksum was compared: it shows accidents, not forgery');
    output.data({ file, whole: true, authentic: null }, () => [`whole         ${file}`]);
    return;
  }
  const progress = progressOf(output);
  let read = 0;
  const content = await verifyBackup(readKeyFile(options.keyFile), source, (bytes) => {
    read += bytes;
    progress({ table: file, rows: 0, bytes: read });
  });
  output.data({ file, whole: true, authentic: true, ...contentJson(content) }, (json) => [
    `authentic     ${file}`,
    ...contentLines(json),
  ]);
}

export async function asCommand(work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (err) {
    const { code, path } = err as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'EACCES' || code === 'EISDIR')
      throw new CommandError(exitCodes.usage, `${path} cannot be opened (${code})`, 'check the path', { cause: err });
    throw err;
  }
}

/** `sallyport backup --out FILE --key-file F`, `sallyport backup verify FILE`. */
export function registerBackup(program: Command): void {
  const command = program
    .command('backup')
    .option('--out <file or s3://bucket/key>', 'where to write; it appears there when it is complete')
    .option('--key-file <file>', 'file with the 32 bytes that encrypt the backup')
    .action((_own, own: Command) => {
      const options = own.optsWithGlobals<BackupOptions>();
      const missing = (['out', 'keyFile'] as const).filter((name) => options[name] === undefined);
      if (missing.length > 0)
        throw new CommandError(
          exitCodes.usage,
          `missing ${missing.map((name) => (name === 'out' ? '--out' : '--key-file')).join(' and ')}`,
          'sallyport backup --out FILE --key-file FILE',
        );
      return asCommand(backup(options));
    });
  command
    .command('verify')
    .description('read a whole backup without a database; exit with code 1 and name the damage if there is any')
    .argument('<file or s3://bucket/key>')
    .option('--key-file <file>', 'key of the backup; without it only the checksum is compared')
    .action((file: string, _own, own: Command) => asCommand(verify(file, own.optsWithGlobals<BackupOptions>())));
}
