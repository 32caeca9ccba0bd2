import { createInterface } from 'node:readline/promises';
import { visibleText } from '../services/core/shared/visible-text.ts';
import { CommandError, exitCodes } from './exit-codes.ts';

/**
 * Asks for confirmation on the terminal; returns only if the user answers yes.
 * @throws CommandError (4) without a terminal, (5) after any other answer
 */
export async function confirm(question: string): Promise<void> {
  if (!process.stdin.isTTY || !process.stderr.isTTY)
    throw new CommandError(exitCodes.waitsForHuman, 'this command asks for confirmation', 'add --yes');
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const reply = await terminal.question(`${visibleText(question)} [y/N] `);
  terminal.close();
  if (!/^y(es)?$/i.test(reply.trim())) throw new CommandError(exitCodes.refused, 'nothing was done');
}

/**
 * Asks on the terminal for the value of an option that was not given.
 * @param option as the user types it, `--description`
 * @throws CommandError (2) without a terminal, or without an answer
 */
export async function ask(question: string, option: string): Promise<string> {
  const missing = (): CommandError =>
    new CommandError(exitCodes.usage, `${option} is missing`, `add ${option} <text>: ${question}`);
  if (!process.stdin.isTTY || !process.stderr.isTTY) throw missing();
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const reply = (await terminal.question(`${question} `)).trim();
  terminal.close();
  if (reply === '') throw missing();
  return reply;
}
