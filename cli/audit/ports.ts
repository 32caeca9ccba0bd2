import { join } from 'node:path';
import { openNote, parseCheckpoint } from '#services/core/audit/log/note.ts';
import type { HasAuditLogKeys, HasKeyRotations } from '#services/core/audit/read/read-log.ts';
import type { OutsideHead } from '#services/core/audit/trail/validate-audit-trail.ts';
import { readLogKeys } from '#services/core/keys/log/log-keys.ts';
import { readRotationNotes } from '#services/core/keys/log/rotation-notes.ts';
import type { LogHighWaterStore, Ports, Sql } from '#services/core/ports.ts';
import { createMarkedGuard } from '#services/core/revocations/database-guard.ts';
import { type PublishedNote, readFileNotes, readS3Notes } from '#services/platform/checkpoints/published-notes.ts';
import { s3SettingsOf } from '#services/platform/checkpoints/s3-requests.ts';
import type { Config } from '#services/platform/config/load.ts';
import { systemClock, systemRandom } from '#services/platform/crypto/system.ts';
import { createLogMark, createMarks } from '#services/platform/marks/mark-stores.ts';
import { createSql, createTransact } from '#services/platform/postgres/pool.ts';
import { openReplica, type Replica, readReplicaFacts } from '#services/platform/postgres/replica.ts';
import { openContext, poolOf } from '../context.ts';
import { CommandError, exitCodes } from '../exit-codes.ts';
import { installationSettings } from '../installation.ts';

/** Ports for reading and repairing the audit log; they hold no key and no secret. */
export type AuditPorts = Pick<Ports, 'transact' | 'sql' | 'clock' | 'random'> &
  HasAuditLogKeys &
  HasKeyRotations & {
    readonly logMark: LogHighWaterStore;
    /** Those of the installation where they are facts of it. */
    readonly settings: Config;
    /** Time of what a read replica reads; null: the primary reads. */
    readonly asOf: string | null;
    /** Every head of every log that is stored outside the database. */
    outsideHeads(): Promise<OutsideHead[]>;
  };

const STATEMENT_TIMEOUT_MS = 60_000;

/**
 * Runs `work` on the running or named database.
 * @param isHeldToMarks true: writes nothing to a database that is behind its high-water marks
 * @param reads `replica`: only reads, from DATABASE_REPLICA_URL if it is set and not too far behind
 * @throws CommandError (3) when it does not answer
 */
export async function withAuditLog<T>(
  work: (ports: AuditPorts) => Promise<T>,
  { isHeldToMarks = false, reads }: { readonly isHeldToMarks?: boolean; readonly reads?: 'replica' } = {},
): Promise<T> {
  const { databaseUrl, dataDir } = await openContext(['databaseUrl']);
  const pool = poolOf(databaseUrl, STATEMENT_TIMEOUT_MS);
  const config = await installationSettings({ sql: createSql(pool) }).catch(async (err: unknown) => {
    await pool.end();
    throw err;
  });
  const guard = isHeldToMarks ? createMarkedGuard(createMarks(config.marks, dataDir)) : undefined;
  const primary = createSql(pool, guard);
  const replica = reads && (await replicaOf(config.stores, primary));
  const { sql, asOf } = (await replica?.read()) ?? { sql: primary, asOf: null };
  const logMark = createLogMark(config.marks, dataDir);
  const auditLogKeys = (origin: string): ReturnType<typeof readLogKeys> => readLogKeys({ sql }, origin);
  try {
    return await work({
      sql,
      settings: config,
      asOf,
      transact: createTransact(pool, () => {}, guard),
      clock: systemClock,
      random: systemRandom,
      auditLogKeys,
      auditKeyRotations: () => readRotationNotes({ sql }),
      logMark,
      outsideHeads: async () => [
        ...(await markedHeads(logMark)),
        ...(await publishedHeads(auditLogKeys, config, join(dataDir, 'audit', 'checkpoints'))),
      ],
    });
  } finally {
    await Promise.all([pool.end(), replica?.close()]);
  }
}

async function replicaOf(
  { databaseReplicaUrl: url, replicaMaxAgeSeconds: maxAgeSeconds }: Config['stores'],
  primary: Sql,
): Promise<Replica | undefined> {
  if (url === undefined) return undefined;
  // A primary that does not answer is reported by what comes next.
  const known = await readReplicaFacts(primary).catch(() => undefined);
  const silent = { info: () => {}, warn: () => {} };
  return openReplica({
    url,
    maxAgeSeconds,
    primary,
    incarnation: () => known?.incarnation ?? null,
    statementTimeoutMs: STATEMENT_TIMEOUT_MS,
    log: silent,
  });
}

async function markedHeads(logMark: LogHighWaterStore): Promise<OutsideHead[]> {
  const mark = await logMark.read();
  const earlier = await logMark.readEarlier();
  return [
    ...(mark ? [{ where: 'the high-water mark', head: mark, isMark: true }] : []),
    ...earlier.map((head) => ({ where: 'the high-water mark', head })),
  ];
}

/** Every head of every log in the sinks that can be read; a witness cannot be read. */
async function publishedHeads(
  keysOf: HasAuditLogKeys['auditLogKeys'],
  { audit }: Config,
  folder: string,
): Promise<OutsideHead[]> {
  const heads: OutsideHead[] = [];
  const take = async (notes: AsyncIterable<PublishedNote>): Promise<void> => {
    for await (const published of notes) heads.push(...(await headIn(published, keysOf)));
  };
  await take(readFileNotes(audit.folder ?? folder));
  if (audit.sinks.includes('s3'))
    await take(readS3Notes(s3SettingsOf(audit))).catch((cause: unknown) => {
      if (cause instanceof CommandError) throw cause;
      throw new CommandError(
        exitCodes.unreachable,
        `the heads in ${audit.s3Url} cannot be read`,
        'check that the bucket answers, and that the access key may list (s3:ListBucket) and get objects',
        { cause },
      );
    });
  return heads;
}

/** @throws CommandError if no key of the log has signed the head; a fork of another installation is ignored */
async function headIn(
  { where, note, isFork }: PublishedNote,
  keysOf: HasAuditLogKeys['auditLogKeys'],
): Promise<OutsideHead[]> {
  try {
    const keys = await keysOf(note.slice(0, note.indexOf('\n')));
    const { origin, size, root } = parseCheckpoint(openNote(note, keys).text);
    return [{ where, head: { origin, size, root: root.toString('base64') } }];
  } catch (cause) {
    if (isFork) return [];
    throw new CommandError(
      exitCodes.checkFailed,
      `${where} is not signed by a key of the log`,
      'find out who wrote it',
      { cause },
    );
  }
}

/** Parses an event number from the command line. */
export function seqOf(text: string, name: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new CommandError(exitCodes.usage, `${name} takes a number of the log, from 0`, 'sallyport audit tail');
}
