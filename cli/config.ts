import type { Command } from 'commander';
import { ConfigError, loadProcessConfig, sections, settingProblem } from '../services/platform/config/load.ts';
import type { Section } from '../services/platform/define/setting.ts';
import { CommandError, exitCodes } from './exit-codes.ts';
import { createOutput, type GlobalOptions } from './output.ts';

const REDACTED = '[redacted]';

type Row = { readonly env: string; readonly value: unknown; readonly set: boolean; readonly use: string };

const rows = (): Row[] =>
  Object.values(sections).flatMap((section) =>
    Object.values(section as Section).map((setting) => {
      const given = process.env[setting.env];
      const parsed = setting.schema.safeParse(given);
      const [issue] = parsed.error?.issues ?? [];
      const value = issue === undefined ? parsed.data : `unreadable: ${settingProblem(issue, given)}`;
      return {
        env: setting.env,
        value: setting.secret && given ? REDACTED : (value ?? null),
        set: given !== undefined,
        use: setting.use,
      };
    }),
  );

function print(options: GlobalOptions): void {
  const all = rows();
  createOutput(options).data({ settings: all }, () =>
    all.map(({ env, value, set }) => `${set ? '*' : ' '} ${env}=${value ?? ''}`),
  );
  try {
    loadProcessConfig(process.env);
  } catch (err) {
    if (!(err instanceof ConfigError)) throw err;
    throw new CommandError(exitCodes.checkFailed, err.message);
  }
}

function explain(name: string, options: GlobalOptions): void {
  const row = rows().find(({ env }) => env === name.toUpperCase());
  if (!row) throw new CommandError(exitCodes.usage, `unknown setting ${name}`, 'sallyport config print lists them');
  createOutput(options).data(row, () => [`${row.env}=${row.value ?? ''}${row.set ? '' : '  (default)'}`, row.use]);
}

/** `sallyport config print|explain`: secrets are never printed. */
export function registerConfig(program: Command): void {
  const config = program.command('config');
  config
    .command('print')
    .description(
      'print every setting with its value; * marks settings that are set; exit with code 1 if a process would refuse to start with them',
    )
    .action((_own, command: Command) => print(command.optsWithGlobals()));
  config
    .command('explain')
    .description('explain one setting and show its value')
    .argument('<variable>')
    .action((name: string, _own, command: Command) => explain(name, command.optsWithGlobals()));
}
