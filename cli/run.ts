import { CommanderError } from 'commander';
import { ConfigError } from '../services/platform/config/load.ts';
import { StartError } from '../services/platform/local/errors.ts';
import { readEnvFile } from './env-file.ts';
import { CommandError, type ExitCode, exitCodes } from './exit-codes.ts';
import { createOutput } from './output.ts';
import { createProgram } from './program.ts';

/** Runs a verb. Returns the exit code of a failure, whose error is printed; undefined when the verb succeeded. */
export async function run(args: readonly string[]): Promise<ExitCode | undefined> {
  try {
    const envFile = readEnvFile();
    const program = await createProgram(args);
    await program
      .hook('preAction', (_program, verb) => {
        if (envFile && verb.name() === 'start')
          createOutput(verb.optsWithGlobals()).say(`variables that are not set are read from ${envFile}`);
      })
      .parseAsync(args, { from: 'user' });
    return undefined;
  } catch (err) {
    return tell(err);
  }
}

/** Prints the error to stderr, and returns the exit code. */
function tell(err: unknown): ExitCode {
  if (err instanceof CommanderError) return err.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  if (err instanceof ConfigError) {
    const lines = err.problems.map(({ env, problem, fix }) => `${env} ${problem}\n  fix: ${fix}\n`);
    process.stderr.write(`sallyport: the configuration is refused\n${lines.join('')}`);
    return exitCodes.refused;
  }
  if (err instanceof CommandError || err instanceof StartError) {
    process.stderr.write(`sallyport: ${err.message}\n${err.fix ? `  fix: ${err.fix}\n` : ''}`);
    return err instanceof CommandError ? err.exitCode : exitCodes.checkFailed;
  }
  process.stderr.write(`sallyport: ${err instanceof Error ? (err.stack ?? err.message) : String(err)}\n`);
  return exitCodes.checkFailed;
}
