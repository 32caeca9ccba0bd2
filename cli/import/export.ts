import { access, type FileHandle, open, rename, unlink } from 'node:fs/promises';
import { type Command, Option } from 'commander';
import { adapters } from '#services/wings/import/adapters/adapters.ts';
import { type UserFileFormat, userFiles } from '#services/wings/import/adapters/generic.ts';
import { type Exported, exportUsers } from '#services/wings/import/run/export-users.ts';
import { onDatabase, rehearsed } from '../admin.ts';
import { requireReason } from '../arguments.ts';
import { confirm } from '../confirm.ts';
import { systemCaller } from '../database-ports.ts';
import { CommandError, exitCodes } from '../exit-codes.ts';
import type { GlobalOptions } from '../output.ts';
import { importPorts } from './import-ports.ts';
import { readMap } from './source.ts';

const caller = systemCaller('sallyport export');
/** Text that is written at once. */
const WRITE_CHARACTERS = 262_144;

type ExportOptions = GlobalOptions & { readonly reason: string; readonly map?: string; readonly idsOf?: string };

const KINDS = adapters.map(({ kind }) => kind);
const FORMATS = Object.keys(userFiles);
const isFormat = (name: string): name is UserFileFormat => FORMATS.includes(name);

/** `sallyport export FORMAT FILE`, directly on the database. */
export function registerExport(program: Command): void {
  program
    .command('export')
    .description('write every user, with password hashes and factors')
    .argument('<format>', FORMATS.join(' or '))
    .argument('<file>', 'a new file; only its owner may read it')
    .addOption(
      new Option('--ids-of <kind>', 'users who came from this system have their ids there again').choices(KINDS),
    )
    .option('--map <file>', 'the mapping of the import: roles get their names there again')
    .option('--reason <text>', 'reason, for the audit log', 'export')
    .action((format: string, path: string, _own, own: Command) => {
      assertFormat(format);
      return onDatabase<ExportOptions>(own, async (database, output, options) => {
        requireReason(options.reason);
        const map = await readMap(options.map);
        await assertNew(path);
        if (rehearsed(output, options, `write every user to ${path}`)) return;
        if (!options.yes) await confirm(`Write every user, with password hashes and factors, to ${path}?`);
        const ports = importPorts(database);
        const { idsOf = format, reason } = options;
        const written = await inFile(path, (write) =>
          exportUsers(ports, { format, idsOf, map, reason }, write, caller),
        );
        if (written.withoutHash > 0)
          output.say(
            `${written.withoutHash} users need a new password there: only this installation verifies their hash`,
          );
        output.data({ file: path, users: written.users, without_hash: written.withoutHash }, ({ users }) => [
          `wrote ${users} users to ${path}`,
        ]);
      });
    });
}

/** @throws CommandError (2) */
function assertFormat(format: string): asserts format is UserFileFormat {
  if (isFormat(format)) return;
  const isSystem = KINDS.includes(format);
  throw new CommandError(
    exitCodes.usage,
    isSystem ? `users are no longer written as ${format} has them` : `there is no format ${format}`,
    isSystem
      ? `sallyport export ndjson users-back.ndjson --ids-of ${format}; docs/how-to/leave.md says what becomes what there`
      : `name one of ${FORMATS.join(', ')}`,
  );
}

async function assertNew(path: string): Promise<void> {
  const exists = await access(path).then(
    () => true,
    () => false,
  );
  if (exists) throw new CommandError(exitCodes.usage, `${path} exists`, 'name a new file');
}

/**
 * Writes beside the file, and gives it its name when all is on disk: an export that fails leaves no half file.
 * @throws CommandError (1) if it cannot be written, as when the disk is full
 */
async function inFile(
  path: string,
  write: (put: (text: string) => Promise<void>) => Promise<Exported>,
): Promise<Exported> {
  const part = `${path}.part`;
  let file: FileHandle | undefined;
  try {
    file = await open(part, 'wx', 0o600);
    const result = await written(file, write);
    await file.sync();
    await file.close();
    await rename(part, path);
    return result;
  } catch (err) {
    if (file === undefined) throw unwritable(part, err);
    await file.close().catch(() => {});
    await unlink(part).catch(() => {});
    throw isOfFile(err) ? unwritable(path, err) : err;
  }
}

async function written(
  file: FileHandle,
  write: (put: (text: string) => Promise<void>) => Promise<Exported>,
): Promise<Exported> {
  let waiting = '';
  const flush = async (): Promise<void> => {
    await file.writeFile(waiting);
    waiting = '';
  };
  const result = await write(async (text) => {
    waiting += text;
    if (waiting.length >= WRITE_CHARACTERS) await flush();
  });
  await flush();
  return result;
}

const isOfFile = (err: unknown): boolean => typeof (err as { readonly syscall?: unknown }).syscall === 'string';

function unwritable(path: string, cause: unknown): CommandError {
  const code = String((cause as { readonly code?: unknown }).code);
  const why = code === 'ENOSPC' ? 'the disk is full' : `it cannot be written (${code})`;
  return new CommandError(exitCodes.checkFailed, `${path}: ${why}; no file was left`, 'name a file on another disk', {
    cause,
  });
}
