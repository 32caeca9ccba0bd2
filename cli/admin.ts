import type { Command } from 'commander';
import { confirm } from './confirm.ts';
import { type DatabasePorts, withDatabase } from './database-ports.ts';
import { CommandError, exitCodes } from './exit-codes.ts';
import { asCommandError, requireReason } from './incidents.ts';
import { createOutput, type GlobalOptions, type Output } from './output.ts';

/** What verbs about people, sessions, clients and roles have in common. */

const limitMax = 100;

export type ListOptions = GlobalOptions & { readonly limit: string };
export type ActOptions = GlobalOptions & { readonly reason: string };
/** Running copies see a change at their next poll, a quarter of a second away. */
export const untold = { announceRevocations: async (): Promise<void> => {}, accessChanged: (): void => {} };

type Verb<O> = (ports: DatabasePorts, output: Output, options: O) => Promise<void>;

/** Runs a verb directly on the database; refusals of a use-case end with exit code 1 and their fix. */
export async function onDatabase<O extends GlobalOptions>(command: Command, verb: Verb<O>): Promise<void> {
  const options = command.optsWithGlobals<O>();
  try {
    await withDatabase((ports) => verb(ports, createOutput(options), options));
  } catch (err) {
    throw asCommandError(err);
  }
}

export const addLimit = (command: Command): Command =>
  command.option('-n, --limit <count>', `how many at most, up to ${limitMax}`, '50');
export const addReason = (command: Command): Command =>
  command.requiredOption('--reason <text>', 'why, for the audit log');

/** @throws CommandError (2) */
export function limitOf({ limit }: ListOptions): number {
  const count = Number(limit);
  if (!Number.isInteger(count) || count < 1 || count > limitMax)
    throw new CommandError(exitCodes.usage, `--limit takes a whole number from 1 to ${limitMax}`);
  return count;
}

export const tellMore = (output: Output, next: string | null): void => {
  if (next !== null) output.say('there are more: narrow it down, or raise --limit');
};

/**
 * Asks, then acts. With --dry-run it says what would be done, with --json as data too.
 * @param what as in "would … ; nothing was done"
 */
export async function actAsked<T>(
  output: Output,
  options: ActOptions,
  what: string,
  act: () => Promise<T>,
  render: (done: T) => readonly string[],
): Promise<void> {
  requireReason(options.reason);
  if (options.dryRun) {
    output.say(`would ${what}; nothing was done`);
    if (options.json) output.data({ dry_run: true, would: what }, () => []);
    return;
  }
  if (!options.yes) await confirm(`${what.charAt(0).toUpperCase()}${what.slice(1)}?`);
  output.data(await act(), render);
}
