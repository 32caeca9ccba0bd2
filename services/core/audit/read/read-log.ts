import type { Ports } from '#services/core/ports.ts';
import { auditLogEmpty, auditOriginUnknown } from '../errors.ts';
import { type NoteKey, vkeyOf } from '../log/note.ts';
import { joinNotes } from '../log/rotation.ts';
import { type CheckpointRow, type LogRow, readLogs, readNewestCheckpoint } from '../log-reader.store.ts';

type ReadPorts = Pick<Ports, 'sql'>;

/** `number` of a log from `listOrigins`, or `current`. */
export type LogChoice = string;

/** Public keys of a log, by its origin: current and earlier ones. */
export type HasAuditLogKeys = { readonly auditLogKeys: (origin: string) => Promise<readonly NoteKey[]> };

/** Notes by which keys of the log were replaced, oldest first. The same for every log of the installation. */
export type HasKeyRotations = { readonly auditKeyRotations: () => Promise<readonly string[]> };

/** Every log of the installation, oldest first. */
export const listOrigins = ({ sql }: ReadPorts): Promise<LogRow[]> => readLogs(sql);

/** @throws auditLogEmpty (404) before the first log; auditOriginUnknown (404) */
async function chosenLog({ sql }: ReadPorts, choice: LogChoice): Promise<LogRow> {
  const logs = await readLogs(sql);
  if (choice !== 'current') {
    const log = logs.find(({ number }) => String(number) === choice);
    if (log === undefined) throw auditOriginUnknown();
    return log;
  }
  const current = logs.at(-1);
  if (current === undefined) throw auditLogEmpty();
  return current;
}

async function newestCheckpoint(ports: ReadPorts, log: LogRow): Promise<CheckpointRow> {
  const checkpoint = await readNewestCheckpoint(ports.sql, log.origin);
  if (checkpoint === null) throw auditLogEmpty();
  return checkpoint;
}

/** The newest checkpoint, a signed note. */
export const readCheckpoint = async (ports: ReadPorts, choice: LogChoice): Promise<string> =>
  (await newestCheckpoint(ports, await chosenLog(ports, choice))).note;

/** The verifier keys of a log, one a line. */
export const readVkeys = async (ports: ReadPorts & HasAuditLogKeys, choice: LogChoice): Promise<string> =>
  readVkeysOf(ports, (await chosenLog(ports, choice)).origin);

/**
 * The notes of a log's keys over their successors, in one text.
 * @throws auditLogEmpty (404) before the first log; auditOriginUnknown (404)
 */
export async function readKeyRotations(ports: ReadPorts & HasKeyRotations, choice: LogChoice): Promise<string> {
  await chosenLog(ports, choice);
  return joinNotes(await ports.auditKeyRotations());
}

export async function readVkeysOf({ auditLogKeys }: HasAuditLogKeys, origin: string): Promise<string> {
  const keys = await auditLogKeys(origin);
  if (keys.length === 0) throw auditLogEmpty();
  return keys.map((key) => `${vkeyOf(key)}\n`).join('');
}
