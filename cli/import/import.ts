import { type Command, Option } from 'commander';
import { isAppError } from '#services/platform/define/error.ts';
import type { LegacySystemAdapter } from '#services/wings/import/adapters/adapter.ts';
import { adapters } from '#services/wings/import/adapters/adapters.ts';
import type { NoticeView, RejectView } from '#services/wings/import/contract.ts';
import { importFileUnreadable, importSourceChanged } from '#services/wings/import/errors.ts';
import type { ImportMap } from '#services/wings/import/import-shapes.ts';
import { counted } from '#services/wings/import/run/move-checklist.ts';
import { countsOf, readNotices, readRejected } from '#services/wings/import/run/read-imports.ts';
import { failImport, type Rehearsal, rehearseImport, runImport } from '#services/wings/import/run/run-import.ts';
import { startImport } from '#services/wings/import/run/start-import.ts';
import { addReason, onDatabase } from '../admin.ts';
import { listed, requireReason } from '../arguments.ts';
import { confirm } from '../confirm.ts';
import { type DatabasePorts, systemCaller } from '../database-ports.ts';
import { CommandError, exitCodes } from '../exit-codes.ts';
import type { GlobalOptions, Output } from '../output.ts';
import { registerCertificate } from './certificate.ts';
import { importPorts } from './import-ports.ts';
import { isMongoUrl, type MongoOptions, mongoSource } from './mongo-source.ts';
import { type ImportSource, readMap, sourceFile } from './source.ts';
import { registerStatus } from './status.ts';

const EVERY_MS = 1_000;

const duration = (seconds: number): string =>
  seconds < 90 ? `${Math.ceil(seconds)} s` : `${Math.ceil(seconds / 60)} min`;

/** Says once a second how far an import is, how fast, and how long the rest takes at this rate. */
function createProgress(
  output: Pick<Output, 'say'>,
  total: { readonly bytes: number; readonly from: number },
  now: () => number = () => performance.now(),
): (at: { readonly records: number; readonly bytes: number }) => void {
  const startedAt = now();
  let saidAt = startedAt;
  return ({ records, bytes }) => {
    const at = now();
    if (at - saidAt < EVERY_MS) return;
    saidAt = at;
    const perSecond = (records - total.from) / ((at - startedAt) / 1_000);
    const share = total.bytes === 0 ? 1 : Math.min(1, bytes / total.bytes);
    const left = share === 0 || perSecond === 0 ? 0 : (records / share - records) / perSecond;
    output.say(
      `${records} records, ${Math.floor(share * 100)} %, ${Math.round(perSecond)} a second, about ${duration(left)} left`,
    );
  };
}

const caller = systemCaller('sallyport import');
/** With these a run cannot go on. */
const ENDS = [importFileUnreadable, importSourceChanged].map(({ definition }) => definition.code);
/** Rejected records that are printed without --json. */
const REJECTS_SHOWN = 20;

type ImportRow = Awaited<ReturnType<typeof startImport>>;

type ImportOptions = GlobalOptions &
  MongoOptions & {
    readonly reason: string;
    readonly map?: string;
    readonly allowHash?: readonly string[];
    readonly factorsLost?: ImportMap['factors_lost'];
  };

type Place = Pick<RejectView, 'record' | 'line'>;
type Result = Pick<Rehearsal, 'counts' | 'without_password'> & {
  readonly noticed: readonly NoticeView[];
  readonly rejects: readonly RejectView[];
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
      .option('--allow-hash <format...>', 'accept hashes of this weak format', listed)
      .addOption(
        new Option(
          '--factors-lost <act>',
          'users whose second factor cannot be imported enrol one before their first session, or are rejected (default: enrol)',
        ).choices(['enrol', 'reject']),
      ),
  ).action((path: string, _own, own: Command) =>
    onDatabase<ImportOptions>(
      own,
      async (database, output, options) => {
        requireReason(options.reason);
        const map = await readMap(options.map, options);
        const source = isLive && isMongoUrl(path) ? await mongoSource(path, map, options) : await sourceFile(path);
        const input = { adapter, map, source };
        const result = await (options.dryRun
          ? rehearse(database, output, input)
          : run(database, output, { ...input, options })
        ).finally(() => source.close?.());
        const { rejected } = result.counts;
        if (rejected > 0)
          throw new CommandError(
            exitCodes.checkFailed,
            `${counted(rejected, 'record was', 'records were')} rejected; the rest is ${options.dryRun ? 'acceptable' : 'imported'}`,
            `${
              source.read
                ? 'the numbers count documents in the order of _id: correct these documents and import the collection again'
                : 'correct them and import the file again'
            }: users that are here and did not change stay as they are`,
          );
      },
      { isRehearsed: false },
    ),
  );
}

type Input = {
  readonly adapter: LegacySystemAdapter;
  readonly map: Awaited<ReturnType<typeof readMap>>;
  readonly source: ImportSource;
};

async function rehearse(database: DatabasePorts, output: Output, { adapter, map, source }: Input): Promise<Result> {
  const onProgress = createProgress(output, { bytes: source.bytes, from: 0 });
  const input = { adapter, map, stream: source.open(), onProgress };
  const found = await rehearseImport(importPorts(database), input, caller);
  const { differences, hash_formats } = found;
  output.say(`would import users of ${adapter.kind}; nothing was done`);
  output.data({ dry_run: true, ...shownOf(found), hash_formats, differences }, () => [
    ...differences.map(({ change, legacy_id: id, email }) => `${change.padEnd(8)} ${id}  ${email}`),
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
    const isEnd = isAppError(err) && ENDS.includes(err.code);
    if (isEnd) await failImport(database, { id: row.id, failure: err.code }, caller);
    if (!isEnd || err.code !== importSourceChanged.definition.code) throw err;
    output.say('the source changed since this import stopped: another begins, and users who are here stay as they are');
    return advance(await start());
  });
  const result: Result = {
    counts: { ...countsOf(ended), factors_lost: ended.factors_lost_count ?? 0 },
    without_password: map.lazy ? 0 : (ended.hash_formats.none ?? 0),
    noticed: await readNotices(database, ended.id),
    rejects: await readRejected(database, ended.id),
  };
  output.data({ import_id: ended.id, ...shownOf(result) }, () => linesOf(result, source));
  return result;
}

/** Says the place of a record: the line, and the record where a line holds several of them. */
function placesIn(source: ImportSource, all: readonly Place[]): (place: Place) => string {
  if (source.read) return ({ line }) => `document ${line}`;
  const areSeveral = all.some(({ record, line }) => record > line);
  return ({ record, line }) => (areSeveral ? `line ${line}, record ${record}` : `line ${line}`);
}

const shownOf = ({
  counts: { factors_lost, ...result },
  without_password,
  noticed: notices,
  rejects,
}: Result): object => {
  const counts = { ...result, without_password, factors_lost };
  return { ...counts, counts, notices, rejects };
};

const SAID: Readonly<Record<string, string>> = {
  factor_lost: 'second factor not imported',
  left_out: 'left out',
  shortened: 'shortened',
};

/** The first lines of a list, and how many more there are. */
const firstOf = (lines: readonly string[], all: number): string[] => [
  ...lines.slice(0, REJECTS_SHOWN),
  ...(lines.length > REJECTS_SHOWN ? [`… and ${all - REJECTS_SHOWN} more (--json lists them)`] : []),
];

function linesOf({ counts, without_password, noticed, rejects }: Result, source: ImportSource): string[] {
  const placeIn = placesIn(source, [...noticed, ...rejects]);
  return [
    ...firstOf(
      noticed.map(
        ({ notice, member, value, ...place }) => `${placeIn(place)}: ${SAID[notice] ?? notice}: ${member}  ${value}`,
      ),
      noticed.length,
    ),
    ...firstOf(
      rejects.map(({ reason, value, ...place }) => `${placeIn(place)}: ${reason}  ${value}`),
      counts.rejected,
    ),
    ...(without_password > 0
      ? [`without password ${without_password}: the file has no hash of theirs, and they reset the password`]
      : []),
    ...(counts.factors_lost > 0
      ? [`factors lost ${counts.factors_lost}: these users enrol a second factor before their first session`]
      : []),
    `new ${counts.new}  changed ${counts.changed} (${counts.linked} linked)  same ${counts.same}  rejected ${counts.rejected}`,
  ];
}
