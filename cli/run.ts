import { CommanderError } from 'commander';
import { nameSources } from '../observability/source-frames.ts';
import { ConfigError } from '../services/platform/config/config-error.ts';
import { readEnvFile } from './env-file.ts';
import { CommandError, type ExitCode, exitCodes } from './exit-codes.ts';
import { createOutput } from './output.ts';
import { createProgram } from './program.ts';

/** Runs a verb. Returns the exit code of a failure, whose error is printed; undefined when the verb succeeded. */
export async function run(args: readonly string[]): Promise<ExitCode | undefined> {
  try {
    // Its file is not there yet.
    const isFirst = args.find((arg) => !arg.startsWith('-')) === 'init';
    const envFile = isFirst ? undefined : readEnvFile();
    const program = await createProgram(args);
    await program
      .hook('preAction', (_program, verb) => {
        if (envFile && verb.name() === 'start')
          createOutput(verb.optsWithGlobals()).say(`variables that are not set are read from ${envFile}`);
      })
      .parseAsync(args, { from: 'user' });
    return undefined;
  } catch (err) {
    if (err instanceof CommanderError) return err.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
    // Loaded late: it knows the errors of many modules.
    const { asCommandError } = await import('./as-command-error.ts');
    return tell(asCommandError(err));
  }
}

const { say } = createOutput({});

/** Prints the error to stderr, and returns the exit code. */
function tell(err: unknown): ExitCode {
  if (err instanceof ConfigError) {
    const problems = err.problems.map(({ env, problem, fix }) => `${env} ${problem}\n  fix: ${fix}`);
    say(['the configuration is refused', ...problems].join('\n'));
    return exitCodes.refused;
  }
  if (err instanceof CommandError) {
    say(`${err.message}${err.fix ? `\n  fix: ${err.fix}` : ''}`);
    return err.exitCode;
  }
  say(err instanceof Error ? nameSources(err.stack ?? err.message) : String(err));
  return exitCodes.checkFailed;
}
