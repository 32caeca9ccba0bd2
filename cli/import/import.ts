import type { Command } from 'commander';
import type { LegacySystemAdapter } from '../../services/domain/migration/adapters/adapter.ts';
import { adapters } from '../../services/domain/migration/adapters/adapters.ts';
import { importSourceChanged } from '../../services/domain/migration/errors.ts';
import { readRejected } from '../../services/domain/migration/run/read-imports.ts';
import { failImport, rehearseImport, runImport } from '../../services/domain/migration/run/run-import.ts';
import { startImport } from '../../services/domain/migration/run/start-import.ts';
import { isAppError } from '../../services/platform/define/error.ts';
import { addReason, onDatabase } from '../admin.ts';
import { listed, requireReason } from '../arguments.ts';
import { confirm } from '../confirm.ts';
import { type DatabasePorts, systemCaller } from '../database-ports.ts';
import { CommandError, exitCodes } from '../exit-codes.ts';
import type { GlobalOptions, Output } from '../output.ts';
import { registerCertificate } from './certificate.ts';
import { importPorts } from './import-ports.ts';
import { isMongoUrl, type MongoOptions, mongoSource } from './mongo-source.ts';
import { createProgress } from './progress.ts';
import { type ImportSource, readMap, sourceFile } from './source.ts';
import { registerStatus } from './status.ts';

const caller = systemCaller('sallyport import');
/** Rejected records that are printed without --json. */
const REJECTS_SHOWN = 20;

type ImportRow = Awaited<ReturnType<typeof startImport>>;

type ImportOptions = GlobalOptions &
  MongoOptions & {
    readonly reason: string;
    readonly map?: string;
    readonly allowHash?: readonly string[];
  };

type Result = {
  readonly new: number;
  readonly changed: number;
  readonly same: number;
  readonly linked: number;
  readonly rejected: number;
  readonly rejects: readonly { readonly line: number; readonly reason: string; readonly value: string }[];
};

/** `sallyport import KIND FILE|status|certificate`, directly on the database, and `import verify`. */
export function registerImport(program: Command): void {
  const command = program.command('import');
  for (const adapter of adapters) registerKind(command, adapter);
  registerCertificate(command);
  registerStatus(command);
}

function registerKind(parent: Command, adapter: LegacySystemAdapter): void {
  const isLive = adapter.kind === 'mongo';
  const command = parent
    .command(adapter.kind)
    .description(`import users from an export of ${adapter.kind}${isLive ? ', or from a live collection' : ''}`)
    .argument('<file>', isLive ? 'the export, or mongodb://host/database' : 'the export');
  if (isLive)
    command
      .option('--collection <name>', 'collection of a live database (default: users)')
      .option('--password-file <file>', 'password of the user that the URL names');
  addReason(
    command
      .option('--map <file>', 'a mapping (JSON): columns, roles, parameters')
      .option('--allow-hash <format...>', 'accept hashes of this weak format', listed),
  ).action((path: string, _own, own: Command) =>
    onDatabase<ImportOptions>(own, async (database, output, options) => {
      requireReason(options.reason);
      const map = await readMap(options.map, options.allowHash ?? []);
      const source = isLive && isMongoUrl(path) ? await mongoSource(path, map, options) : await sourceFile(path);
      const input = { adapter, map, source };
      const result = await (options.dryRun
        ? rehearse(database, output, input)
        : run(database, output, { ...input, options })
      ).finally(() => source.close?.());
      if (result.rejected > 0)
        throw new CommandError(
          exitCodes.checkFailed,
          `${result.rejected} records were rejected; the rest is ${options.dryRun ? 'acceptable' : 'imported'}`,
          `${
            source.read
              ? 'the numbers count documents in the order of _id: correct these documents and import the collection again'
              : 'correct them and import the file again'
          }: users that are here and did not change stay as they are`,
        );
    }),
  );
}

type Input = {
  readonly adapter: LegacySystemAdapter;
  readonly map: Awaited<ReturnType<typeof readMap>>;
  readonly source: ImportSource;
};

async function rehearse(database: DatabasePorts, output: Output, { adapter, map, source }: Input): Promise<Result> {
  const onProgress = createProgress(output, { bytes: source.bytes, from: 0 });
  const found = await rehearseImport(database, { adapter, map, stream: source.open(), onProgress });
  output.say(`would import users of ${adapter.kind}; nothing was done`);
  output.data({ dry_run: true, ...withCounts(found), differences: found.differences }, () => [
    ...found.differences.map(({ change, legacy_id: id, email }) => `${change.padEnd(8)} ${id}  ${email}`),
    ...linesOf(found, source),
  ]);
  return found;
}

async function run(
  database: DatabasePorts,
  output: Output,
  { adapter, map, source, options }: Input & { readonly options: ImportOptions },
): Promise<Result> {
  if (!options.yes) await confirm(`Import users of ${adapter.kind} from ${source.path}?`);
  const { kind } = adapter;
  const start = () =>
    startImport(
      database,
      { kind, map, sourceSha256: source.sha256, sourceBytes: source.bytes, reason: options.reason },
      caller,
    );
  const advance = async (row: ImportRow): Promise<ImportRow> => {
    output.say(`import ${row.id}${row.position > 0 ? ` goes on after record ${row.position}` : ''}`);
    const onProgress = createProgress(output, { bytes: source.bytes, from: row.position });
    const sourceRead = source.read && { sourceRead: source.read };
    const input = { row, adapter, map, stream: source.open(), onProgress, ...sourceRead };
    return (await runImport(importPorts(database), input, caller)) as ImportRow;
  };
  const row = await start();
  const ended = await advance(row).catch(async (err: unknown) => {
    if (!isAppError(err) || err.code !== importSourceChanged.definition.code) throw err;
    await failImport(database, { id: row.id, failure: err.code }, caller);
    output.say('the source changed since this import stopped: another begins, and users who are here stay as they are');
    return advance(await start());
  });
  const result: Result = {
    new: ended.new_count,
    changed: ended.changed_count,
    same: ended.same_count,
    linked: ended.linked_count,
    rejected: ended.rejected_count,
    rejects: await readRejected(database, ended.id),
  };
  output.data({ import_id: ended.id, ...withCounts(result) }, () => linesOf(result, source));
  return result;
}

const withCounts = ({ rejects, ...result }: Result): object => {
  const { new: created, changed, same, linked, rejected } = result;
  const counts = { new: created, changed, same, linked, rejected };
  return { ...counts, counts, rejects };
};

const linesOf = (result: Result, source: ImportSource): string[] => [
  ...result.rejects
    .slice(0, REJECTS_SHOWN)
    .map(({ line, reason, value }) => `${source.read ? 'document' : 'line'} ${line}: ${reason}  ${value}`),
  ...(result.rejects.length > REJECTS_SHOWN
    ? [`… and ${result.rejected - REJECTS_SHOWN} more (--json lists them)`]
    : []),
  `new ${result.new}  changed ${result.changed} (${result.linked} linked)  same ${result.same}  rejected ${result.rejected}`,
];
