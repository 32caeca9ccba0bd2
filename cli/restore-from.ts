import { loadConfig } from '../services/platform/config/load.ts';
import { resolveDataDir } from '../services/platform/local/data-dir.ts';
import { createLogMark, createMarks } from '../services/platform/marks/mark-stores.ts';
import { readMigrations } from '../services/platform/postgres/migration-files.ts';
import { openRestoreTarget } from '../services/platform/postgres/table-copies.ts';
import {
  type MissingState,
  planRestoreBackup,
  type RestoredBackup,
  restoreBackup,
} from '../services/wings/recovery/backup/restore-backup.ts';
import type { IntegrityResult } from '../services/wings/recovery/backup/validate-data-integrity.ts';
import { openBackupAt, progressOf, readKeyFile } from './backup.ts';
import { systemCaller, withDatabase } from './database-ports.ts';
import { CommandError, exitCodes } from './exit-codes.ts';
import { checkIntegrity, integrityLines } from './integrity.ts';
import { createOutput, type GlobalOptions, type Output } from './output.ts';

export type RestoreOptions = GlobalOptions & {
  acceptLoss?: boolean;
  force?: boolean;
  from?: string;
  fromFeed?: string;
  keyFile?: string;
  into?: string;
  verify?: boolean;
};

const STANDING_TEXT = {
  new: 'there are no high-water marks: what happened after the backup is unknown, so every earlier session and token ended',
  current: 'it is at its high-water marks: nothing happened after the backup, and it serves as it is',
  replaced: 'it is newer than the loss that its high-water marks know of, and serves as it is',
  rewound: 'it is older than its high-water marks: nothing is issued or validated until the loss is accepted',
} as const satisfies Record<RestoredBackup['standing'], string>;

/** One hour: the integrity check reads whole tables. */
const STATEMENT_TIMEOUT_MS = 3_600_000;

/** `sallyport restore --from FILE --key-file F --into DATABASE_URL [--verify]`. */
export async function restoreFrom(options: RestoreOptions): Promise<void> {
  const { from, keyFile, into } = options;
  if (from === undefined || keyFile === undefined || into === undefined)
    throw new CommandError(
      exitCodes.usage,
      `missing ${keyFile === undefined ? '--key-file' : '--into'}`,
      'sallyport restore --from FILE --key-file FILE --into DATABASE_URL',
    );
  const output = createOutput(options);
  const key = readKeyFile(keyFile);
  const { marks } = loadConfig(process.env);
  const outside = { marks: createMarks(marks, resolveDataDir()), logMark: createLogMark(marks, resolveDataDir()) };
  const env = { ...process.env, DATABASE_URL: into };
  await withDatabase(
    async (ports) => {
      const target = await openRestoreTarget(into);
      try {
        const restorePorts = { ...ports, ...outside, target };
        const input = { key, sealed: openBackupAt(from), migrations: await readMigrations() };
        if (options.dryRun) {
          const head = await planRestoreBackup(restorePorts, input);
          const { created_at: createdAt } = head;
          output.data({ from, is_target_empty: true, created_at: createdAt, ...installationOf(head) }, () => [
            `would restore ${from}, of ${createdAt}; nothing was done`,
            installationLine(head),
          ]);
          return;
        }
        const startedAt = performance.now();
        const done = await restoreBackup(
          restorePorts,
          { ...input, isVerified: options.verify ?? false, onProgress: progressOf(output) },
          systemCaller('sallyport restore'),
        );
        const seconds = (performance.now() - startedAt) / 1_000;
        const integrity = options.verify ? await checkIntegrity(ports, outside.marks) : null;
        report(output, done, { seconds, integrity });
        if (integrity && !isSound(integrity)) process.exitCode = exitCodes.checkFailed;
      } finally {
        await target.close();
      }
    },
    { env, statementTimeoutMs: STATEMENT_TIMEOUT_MS, isHeldToMarks: false },
  );
}

function report(
  output: Output,
  done: RestoredBackup,
  { seconds, integrity }: { readonly seconds: number; readonly integrity: IntegrityResult | null },
): void {
  const { head, foot, standing, missing, cutOff } = done;
  const rows = foot.tables.reduce((all, table) => all + table.rows, 0);
  const json = {
    backup_of: head.created_at,
    ...installationOf(head),
    rows,
    tables: foot.tables.length,
    seconds,
    verified: integrity !== null,
    integrity,
    standing,
    missing,
    cut_off: cutOff && {
      incarnation: cutOff.incarnation,
      ended: cutOff.ended,
      keys_compromised: cutOff.keysCompromised,
      keys_created: cutOff.keysCreated,
      log_origin: cutOff.logOrigin,
    },
  };
  output.data(json, () => [
    `restored      ${rows.toLocaleString('en')} rows in ${foot.tables.length} tables, ${seconds.toFixed(1)} s`,
    ...(integrity
      ? ['verified      every table was read back and is what the backup holds', ...integrityLines(integrity)]
      : []),
    `backup of     ${head.created_at}, revocation epoch ${head.state.revocation_epoch}`,
    installationLine(head),
    `database      ${STANDING_TEXT[standing]}`,
    ...missingLines(missing),
    ...(cutOff ? [`ended         ${cutOff.ended.sessions} sessions, ${cutOff.ended.families} token families`] : []),
    ...(cutOff?.logOrigin ? [`audit log     continues as ${cutOff.logOrigin}`] : []),
  ]);
  output.say('what was erased or shredded after the backup is readable in it again: repeat those erasures');
  if (standing === 'rewound')
    output.say(
      'to serve without what is missing, with DATABASE_URL set to this database: sallyport restore --accept-loss',
    );
  if (missing?.events) output.say('and, since the audit log lost events: sallyport audit continue --reason …');
}

type RestoredHead = RestoredBackup['head'];

/** Where no mark is left nothing but the operator can tell whose backup it is. */
const installationOf = ({ state, log }: RestoredHead) => ({
  installation: { incarnation: state.incarnation, log_origin: log?.origin ?? null },
});
const installationLine = (head: RestoredHead): string => {
  const { incarnation, log_origin: origin } = installationOf(head).installation;
  return `installation  ${incarnation}${origin === null ? '' : `, audit log ${origin}`}`;
};

function missingLines(missing: MissingState | null): string[] {
  if (missing === null) return [];
  const { revocations, beats, events, isReplaced } = missing;
  return [
    ...(revocations
      ? [`missing       ${revocations.count} revocations, epochs ${revocations.from} to ${revocations.to}`]
      : []),
    ...(events ? [`missing       ${events.count} events of ${events.origin}, ${events.from} to ${events.to}`] : []),
    ...(beats > 0 ? [`went on       for about ${beats} s after the backup`] : []),
    ...(isReplaced ? ['replaced      a loss was accepted after the backup'] : []),
  ];
}

/** A restored database that is only behind its marks is as the backup was. */
const isSound = ({ findings }: IntegrityResult): boolean => findings.every(({ kind }) => kind === 'database_rewound');
