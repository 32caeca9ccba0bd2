import { createInterface } from 'node:readline/promises';
import { visibleText } from '../services/core/shared/visible-text.ts';
import { CommandError, exitCodes } from './exit-codes.ts';

/** @throws CommandError (5) if the user leaves (Ctrl-C, Ctrl-D) */
async function replyTo(prompt: string): Promise<string> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return (await terminal.question(prompt)).trim();
  } catch (cause) {
    throw new CommandError(exitCodes.refused, 'nothing was done', undefined, { cause });
  } finally {
    terminal.close();
  }
}

/**
 * Asks for confirmation on the terminal; returns only if the user answers yes.
 * @throws CommandError (4) without a terminal, (5) after any other answer
 */
export async function confirm(question: string): Promise<void> {
  if (!process.stdin.isTTY || !process.stderr.isTTY)
    throw new CommandError(exitCodes.waitsForHuman, 'this command asks for confirmation', 'add --yes');
  const reply = await replyTo(`${visibleText(question)} [y/N] `);
  if (!/^y(es)?$/i.test(reply)) throw new CommandError(exitCodes.refused, 'nothing was done');
}

/**
 * Asks on the terminal for the value of an option that was not given.
 * @param option as the user types it, `--description`
 * @param fallback without a terminal, or without an answer
 * @throws CommandError (2) without a terminal, or without an answer, where there is no fallback
 */
export async function ask(question: string, option: string, fallback?: string): Promise<string> {
  const missing = (): string => {
    if (fallback !== undefined) return fallback;
    throw new CommandError(exitCodes.usage, `${option} is missing`, `add ${option} <text>: ${question}`);
  };
  if (!process.stdin.isTTY || !process.stderr.isTTY) return missing();
  const reply = await replyTo(`${question} ${fallback ? `[${fallback}] ` : ''}`);
  return reply === '' ? missing() : reply;
}
