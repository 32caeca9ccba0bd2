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

const NAME = 'npx sallyport';
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
  // The package is started by a name of its own, and must not send its users to one in a registry.
  const named = (text: string): string => text.replaceAll(NAME, () => env.SALLYPORT_COMMAND ?? NAME);
  const print = (text: string): void => void process.stdout.write(`${shown(text)}\n`);
  return {
    data: (value, render) => {
      const lines = options.json ? [JSON.stringify(value)] : render(value).map(named);
      if (lines.length > 0) print(lines.join('\n'));
    },
    lines: (lines) => {
      if (!options.json) print(named(lines.join('\n')));
    },
    json: (value) => void (options.json && print(JSON.stringify(value))),
    say: (text) => {
      if (!options.quiet) process.stderr.write(`sallyport: ${shown(named(text))}\n`);
    },
    bold: (text) => (hasColour ? `${BOLD[0]}${text}${BOLD[1]}` : text),
  };
}
