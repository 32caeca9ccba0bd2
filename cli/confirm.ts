import { createInterface } from 'node:readline/promises';
import { visibleText } from '../services/domain/shared/visible-text.ts';
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
