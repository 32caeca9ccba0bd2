import { createInterface } from 'node:readline/promises';
import type { Command } from 'commander';
import { planContinue } from '../services/core/audit/seal/continue-log.ts';
import type { LogHighWaterStore, MarkStore } from '../services/core/ports.ts';
import { resolveDataDir } from '../services/platform/local/data-dir.ts';
import { createLogMark, createMarks } from '../services/platform/marks/mark-stores.ts';
import {
  assertLoss,
  planRestore,
  type RestorePlan,
  restoreAcceptLoss,
} from '../services/wings/recovery/restore-accept-loss.ts';
import { type DatabasePorts, systemCaller, withDatabase } from './database-ports.ts';
import { CommandError, exitCodes } from './exit-codes.ts';
import { createOutput, type Output } from './output.ts';
import type { RestoreOptions } from './restore-from.ts';

const caller = systemCaller('sallyport restore');

/** One hour: revoking every token family of a large installation is one long transaction. */
const STATEMENT_TIMEOUT_MS = 3_600_000;

const STATE_TEXT = {
  new: 'there are no high-water marks for it: a loss cannot be detected',
  current: 'it matches its high-water marks: nothing was lost',
  replaced: 'the loss of the state in its high-water marks was accepted',
  rewound: 'it is older than its high-water marks, or has another history: nothing is issued or validated',
} as const satisfies Record<RestorePlan['standing'], string>;

/** `sallyport restore [--accept-loss]` and `sallyport restore --from FILE`, directly on the database. */
export function registerRestore(program: Command): void {
  program
    .command('restore')
    .option(
      '--accept-loss',
      'accept the loss: end every session, revoke every token and replace all keys, so that the API serves again',
    )
    .option('--force', 'with --accept-loss: do it even if the database shows no loss')
    .option('--from <file or s3://bucket/key>', 'fill an empty database from this backup')
    .option('--key-file <file>', 'with --from: key of the backup')
    .option('--into <url>', 'with --from: URL of the empty database, as its owner')
    .option('--verify', 'with --from: read every table back before the commit, and open every sealed value')
    .option(
      '--from-feed <folder, s3://bucket/folder/ or url>',
      'restore lost revocations from kept responses of GET /v1/revocations, without accepting a loss',
    )
    .action(async (_own, command: Command) => {
      const options = command.optsWithGlobals<RestoreOptions>();
      if (options.fromFeed !== undefined) {
        const { restoreFeed } = await import('./restore-feed.ts');
        return await restoreFeed(options.fromFeed, options);
      }
      if (options.from !== undefined) {
        const [{ restoreFrom }, { asCommand }] = await Promise.all([
          import('./restore-from.ts'),
          import('./backup.ts'),
        ]);
        return await asCommand(restoreFrom(options));
      }
      const restoreHere = (ports: DatabasePorts) =>
        restore(
          {
            ...ports,
            marks: createMarks(ports.settings.marks, resolveDataDir()),
            logMark: createLogMark(ports.settings.marks, resolveDataDir()),
          },
          options,
        );
      await withDatabase(restoreHere, { statementTimeoutMs: STATEMENT_TIMEOUT_MS, isHeldToMarks: false });
    });
}

type RestorePorts = DatabasePorts & { readonly marks: MarkStore; readonly logMark: LogHighWaterStore };

async function restore(ports: RestorePorts, options: RestoreOptions): Promise<void> {
  const output = createOutput(options);
  const plan = await planRestore(ports);
  if (options.acceptLoss) assertLoss(plan, options.force ?? false);
  if (!options.acceptLoss || options.dryRun) return report(output, plan, options);
  if (!options.yes) await confirm(output, plan);
  const done = await restoreAcceptLoss(ports, { isForced: options.force ?? false }, caller);
  output.say('running copies continue by themselves within a second; all users must sign in again');
  if ((await planContinue(ports)) !== null)
    output.say('the audit log lost events too; sealing stays stopped until: npx sallyport audit continue --reason …');
  const { keysCompromised, keysCreated, ...rest } = done;
  output.data({ ...rest, keys_compromised: keysCompromised, keys_created: keysCreated }, () => [
    `incarnation   ${done.incarnation}`,
    ...countLines('ended', done.ended),
    `keys          ${keysCompromised.length} compromised, ${keysCreated.length} created`,
  ]);
}

function report(output: Output, plan: RestorePlan, options: RestoreOptions): void {
  const { standing, database, marks, live } = plan;
  output.data({ standing, database: placeJson(database), marks: marks && placeJson(marks), live }, () => [
    `database      ${STATE_TEXT[standing]}`,
    `database at   ${place(database)}`,
    `marks at      ${marks ? place(marks) : 'none'}`,
    ...countLines('live', live),
  ]);
  if (options.acceptLoss) output.say('nothing was done');
  else if (plan.standing === 'rewound')
    throw new CommandError(
      exitCodes.checkFailed,
      'the database is behind its high-water marks',
      'restore the newest state, or, if it is lost, run: sallyport restore --accept-loss',
    );
}

type Place = { readonly incarnation: string; readonly revocationEpoch: number; readonly beat: number };

const placeJson = ({ incarnation, revocationEpoch, beat }: Place): Record<string, unknown> => ({
  incarnation,
  revocation_epoch: revocationEpoch,
  beat,
});

const place = (at: Place): string =>
  `incarnation ${at.incarnation}, revocation epoch ${at.revocationEpoch}, beat ${at.beat}`;

const countLines = (word: string, { sessions, families, users, clients }: RestorePlan['live']): string[] => [
  `${word.padEnd(13)} ${sessions} sessions, ${families} token families`,
  `epochs        of ${users} users, ${clients} clients`,
];

async function confirm(output: Output, { standing, live }: RestorePlan): Promise<void> {
  if (!process.stdin.isTTY || !process.stderr.isTTY)
    throw new CommandError(exitCodes.waitsForHuman, 'this command asks for confirmation', 'add --yes');
  output.say(`the database: ${STATE_TEXT[standing]}`);
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const reply = await terminal.question(`End ${live.sessions} sessions and revoke every token? [y/N] `);
  terminal.close();
  if (!/^y(es)?$/i.test(reply.trim())) throw new CommandError(exitCodes.refused, 'nothing was done');
}
