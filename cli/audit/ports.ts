import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseCheckpoint } from '../../services/domain/audit/log/checkpoint.ts';
import { openNote } from '../../services/domain/audit/log/note.ts';
import { type HasAuditLogKeys, listOrigins } from '../../services/domain/audit/read/read-log.ts';
import type { OutsideHead } from '../../services/domain/audit/trail/validate-audit-trail.ts';
import { readLogKeys } from '../../services/domain/keys/log-keys.ts';
import type { LogMarkStore, Ports } from '../../services/domain/ports.ts';
import { loadConfig } from '../../services/platform/config/load.ts';
import { systemClock, systemRandom } from '../../services/platform/crypto/system.ts';
import { createLogMark } from '../../services/platform/marks/mark-stores.ts';
import { createPool, createSql, createTransact } from '../../services/platform/postgres/pool.ts';
import { asCommandError } from '../as-command-error.ts';
import { openContext } from '../context.ts';
import { CommandError, exitCodes } from '../exit-codes.ts';

/** What reading and mending the audit log takes: no key and no secret. */
export type AuditPorts = Pick<Ports, 'transact' | 'sql' | 'clock' | 'random'> &
  HasAuditLogKeys & {
    readonly logMark: LogMarkStore;
    /** Heads of the log in use that are known outside the database. */
    outsideHeads(): Promise<OutsideHead[]>;
  };

const STATEMENT_TIMEOUT_MS = 60_000;

/**
 * Runs `work` on the running or named database.
 * @throws CommandError (3) when it does not answer
 */
export async function withAuditLog<T>(work: (ports: AuditPorts) => Promise<T>): Promise<T> {
  const config = loadConfig(process.env);
  const { databaseUrl, dataDir } = await openContext(['databaseUrl']);
  const pool = createPool({
    url: databaseUrl,
    connections: 2,
    applicationName: 'sallyport-cli',
    statementTimeoutMs: STATEMENT_TIMEOUT_MS,
    lockTimeoutMs: 5_000,
  });
  const sql = createSql(pool);
  const logMark = createLogMark(config.marks, dataDir);
  const auditLogKeys = (origin: string): ReturnType<typeof readLogKeys> => readLogKeys({ sql }, origin);
  try {
    return await work({
      sql,
      transact: createTransact(pool, () => {}),
      clock: systemClock,
      random: systemRandom,
      auditLogKeys,
      logMark,
      outsideHeads: async () => {
        const mark = await logMark.read();
        const published = await publishedHead(
          { sql, auditLogKeys },
          config.audit.folder ?? join(dataDir, 'audit', 'checkpoints'),
        );
        return [...(mark ? [{ where: 'the mark outside', head: mark }] : []), ...(published ? [published] : [])];
      },
    });
  } catch (err) {
    throw asCommandError(err);
  } finally {
    await pool.end();
  }
}

/** The newest head of the log in use in the folder of the file sink, where there is one. */
async function publishedHead(ports: Pick<Ports, 'sql'> & HasAuditLogKeys, folder: string): Promise<OutsideHead | null> {
  const log = (await listOrigins(ports)).at(-1);
  if (log === undefined) return null;
  const path = join(folder, encodeURIComponent(log.origin), 'checkpoint');
  const note = await readFile(path, 'utf8').catch(() => null);
  if (note === null) return null;
  try {
    const { origin, size, root } = parseCheckpoint(openNote(note, await ports.auditLogKeys(log.origin)).text);
    return { where: path, head: { origin, size, root: root.toString('base64') } };
  } catch (cause) {
    throw new CommandError(exitCodes.checkFailed, `${path} is not signed by the log's key`, 'see who wrote it', {
      cause,
    });
  }
}

/** A place in the log from the command line. */
export function seqOf(text: string, name: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new CommandError(exitCodes.usage, `${name} takes a number of the log, from 0`, 'sallyport audit tail');
}
