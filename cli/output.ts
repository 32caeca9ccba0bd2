import { visibleText } from '../services/core/shared/visible-text.ts';

export type GlobalOptions = { json?: boolean; quiet?: boolean; yes?: boolean; dryRun?: boolean };

/**
 * Prints data to stdout and messages to stderr. Other people wrote parts of both (names, titles, reasons), so what they
 * print passes `visibleText`.
 */
export type Output = {
  /** Prints the value as one line of JSON with `--json`, else the lines that `render` returns. */
  data<T>(value: T, render: (value: T) => readonly string[]): void;
  /** Prints a part of the data immediately; prints nothing with `--json`, since `json` prints everything. */
  lines(lines: readonly string[]): void;
  /** Prints all data as one line of JSON with `--json`, else nothing. */
  json(value: unknown): void;
  /** Prints a message for the operator; silent with `--quiet`. */
  say(text: string): void;
  /** Makes text bold on a terminal, unless NO_COLOR is set. */
  bold(text: string): string;
};

const BOLD = ['\u001b[1m', '\u001b[22m'] as const;

export function createOutput(options: GlobalOptions, env: NodeJS.ProcessEnv = process.env): Output {
  const hasColour = process.stdout.isTTY === true && !env.NO_COLOR && env.TERM !== 'dumb';
  /** Of the escape sequences only those of `bold` reach the terminal. */
  const shown = (text: string, [kept, ...others]: readonly string[] = hasColour ? BOLD : []): string =>
    kept === undefined
      ? visibleText(text)
      : text
          .split(kept)
          .map((part) => shown(part, others))
          .join(kept);
  return {
    data: (value, render) => {
      const lines = options.json ? [JSON.stringify(value)] : render(value);
      if (lines.length > 0) process.stdout.write(`${shown(lines.join('\n'))}\n`);
    },
    lines: (lines) => {
      if (!options.json) process.stdout.write(`${shown(lines.join('\n'))}\n`);
    },
    json: (value) => {
      if (options.json) process.stdout.write(`${shown(JSON.stringify(value))}\n`);
    },
    say: (text) => {
      if (!options.quiet) process.stderr.write(`sallyport: ${shown(text)}\n`);
    },
    bold: (text) => (hasColour ? `${BOLD[0]}${text}${BOLD[1]}` : text),
  };
}
