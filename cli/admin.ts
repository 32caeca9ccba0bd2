import type { Command } from 'commander';
import { requireReason, wholeNumberOf } from './arguments.ts';
import { confirm } from './confirm.ts';
import { type DatabasePorts, withDatabase } from './database-ports.ts';
import { createOutput, type GlobalOptions, type Output } from './output.ts';

/** Helpers of the verbs that run use-cases directly on the database. */

const LIMIT_MAX = 100;

export type ListOptions = GlobalOptions & { readonly limit: string; readonly cursor?: string };
export type ActOptions = GlobalOptions & { readonly reason: string };
/** The command line notifies no process: running copies see a change at their next poll, within a quarter of a second. */
export const noNotices = {
  announceRevocations: async (): Promise<void> => {},
  accessChanged: (): void => {},
  // The timetable starts these jobs within minutes.
  wakePhiRotation: (): void => {},
  wakePrivacyRequests: (): void => {},
  wakeRetention: (): void => {},
  apiKeysChanged: (): void => {},
};

export type Verb<O> = (ports: DatabasePorts, output: Output, options: O) => Promise<void>;

/**
 * Runs a verb directly on the database; an error of a use-case ends the command with its exit code and fix. What it writes
 * under --dry-run is undone, so a verb may act to learn what it would do.
 * @param isRehearsed false: it reads for too long for one transaction, and its plan writes nothing
 */
export async function onDatabase<O extends GlobalOptions>(
  command: Command,
  verb: Verb<O>,
  { isRehearsed = true } = {},
): Promise<void> {
  const options = command.optsWithGlobals<O>();
  const isRehearsal = isRehearsed && options.dryRun === true;
  await withDatabase((ports) => verb(ports, createOutput(options), options), { isRehearsal });
}

/** The same for verbs that show accounts: they need the key of the names under which account locks are stored. */
export const onAccounts = <O extends GlobalOptions>(command: Command, verb: Verb<O>): Promise<void> =>
  onDatabase<O>(command, async (ports, output, options) => {
    await ports.keyRing.load();
    await verb(ports, output, options);
  });

export const addPage = (command: Command): Command =>
  command
    .option('-n, --limit <count>', `maximum number of rows, up to ${LIMIT_MAX}`, '50')
    .option('--cursor <cursor>', 'cursor of the previous page');
/** A dry run writes nothing, and so asks for no reason. */
export const addReason = (command: Command, meaning = 'reason, for the audit log'): Command =>
  command.option('--reason <text>', meaning).hook('preAction', (_program, verb) => {
    if (verb.opts().reason !== undefined) return;
    if (verb.optsWithGlobals<GlobalOptions>().dryRun) verb.setOptionValue('reason', 'dry run');
    else verb.error("error: required option '--reason <text>' not specified");
  });

/** @throws CommandError (2) */
export const pageOf = ({ limit, cursor }: ListOptions): { readonly limit: number; readonly cursor?: string } => ({
  limit: wholeNumberOf('--limit', limit, 1, LIMIT_MAX),
  ...(cursor === undefined ? {} : { cursor }),
});

/**
 * Prints one page of a list, under the API's name for the list, and the cursor of the next page.
 * @param page without `next` if the list has no pages
 */
export function listPage<T>(
  output: Output,
  name: string,
  { items, next }: { readonly items: readonly T[]; readonly next?: string | null | undefined },
  line: (item: T) => string,
): void {
  if (typeof next === 'string') output.say(`next page: --cursor ${next}`);
  if (items.length === 0) output.say(`no ${name.replaceAll('_', ' ')}`);
  output.data({ [name]: items, next }, () => items.map(line));
}

/**
 * With --dry-run, reports what the command would do (with --json also as data).
 * @param what as in "would …; nothing was done"
 * @returns whether it was a dry run
 */
export function rehearsed(output: Output, options: GlobalOptions, what: string): boolean {
  if (!options.dryRun) return false;
  output.say(`would ${what}; nothing was done`);
  if (options.json) output.data({ dry_run: true, would: what }, () => []);
  return true;
}

/** Asks, then acts on the ports of `onDatabase`, which undoes a dry run; see `rehearsed` for `what`. */
export async function actAsked<T>(
  output: Output,
  options: ActOptions,
  what: string,
  act: () => Promise<T>,
  render: (done: T) => readonly string[],
): Promise<void> {
  requireReason(options.reason);
  if (options.dryRun) {
    await act();
    return void rehearsed(output, options, what);
  }
  if (!options.yes) await confirm(`${what.charAt(0).toUpperCase()}${what.slice(1)}?`);
  output.data(await act(), render);
}
