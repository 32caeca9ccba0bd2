/** Options every verb understands. */
export type GlobalOptions = {
  json?: boolean;
  quiet?: boolean;
  yes?: boolean;
  dryRun?: boolean;
};

/** Data goes to stdout, messages to stderr. */
export type Output = {
  /** With `--json` the value as one line of JSON, else the lines that `render` gives. */
  data<T>(value: T, render: (value: T) => readonly string[]): void;
  /** Prints a part of the data immediately; nothing with `--json`, where `json` prints everything. */
  lines(lines: readonly string[]): void;
  /** The whole as one line of JSON; nothing without `--json`. */
  json(value: unknown): void;
  /** Prints a message for the operator; silent with `--quiet`. */
  say(text: string): void;
  /** Bold text where colour is wanted: a terminal, and no NO_COLOR. */
  bold(text: string): string;
};

export function createOutput(options: GlobalOptions, env: NodeJS.ProcessEnv = process.env): Output {
  const hasColour = process.stdout.isTTY === true && !env.NO_COLOR && env.TERM !== 'dumb';
  return {
    data: (value, render) => {
      const text = options.json ? JSON.stringify(value) : render(value).join('\n');
      process.stdout.write(`${text}\n`);
    },
    lines: (lines) => {
      if (!options.json) process.stdout.write(`${lines.join('\n')}\n`);
    },
    json: (value) => {
      if (options.json) process.stdout.write(`${JSON.stringify(value)}\n`);
    },
    say: (text) => {
      if (!options.quiet) process.stderr.write(`sallyport: ${text}\n`);
    },
    bold: (text) => (hasColour ? `\u001b[1m${text}\u001b[22m` : text),
  };
}
