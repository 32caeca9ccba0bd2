import { execFileSync } from 'node:child_process';
import type { Command } from 'commander';
import { describe, expect, test, vi } from 'vitest';
import { exitCodes } from './exit-codes.ts';
import { createProgram } from './program.ts';

const program = await createProgram();
const groups = program.commands.filter(({ commands }) => commands.length > 0);
const verbsOf = (group: Command): Command[] => [group, ...group.commands.flatMap(verbsOf)];
const find = (...path: string[]): Command =>
  path.reduce((at: Command, name) => at.commands.find((verb) => verb.name() === name) as Command, program);
const helpOf = (...path: string[]): string => {
  let help = '';
  find(...path)
    .configureOutput({ writeOut: (text) => (help += text) })
    .outputHelp();
  return help;
};

describe('--help', () => {
  test.each(groups.map((group) => [group.name(), group] as const))('%s names each of its verbs', (_name, group) => {
    const named = group.description().split(/[^a-z0-9-]+/);
    for (const verb of group.commands) expect(named, verb.name()).toContain(verb.name());
  });

  test('the help of every verb has the options of all verbs, and the exit codes', () => {
    for (const option of ['--json', '--yes', '--dry-run', '--quiet'])
      expect(helpOf('users', 'invite')).toContain(option);
    for (const code of Object.values(exitCodes))
      expect(helpOf('users', 'invite')).toMatch(new RegExp(`[ :,]${code} \\w`));
  });

  test.each(['issue', 'revoke'])('token %s names the variables that it reads', (verb) => {
    for (const variable of ['SALLYPORT_API', 'CLIENT_ID', 'CLIENT_SECRET'])
      expect(helpOf('token', verb)).toContain(variable);
  });
});

test('every verb is listed in the order of the help; only the one that the arguments name has its verbs and options', async () => {
  const built = async (...args: string[]) => {
    const { commands } = await createProgram(args);
    expect(commands.map((verb) => `${verb.name()} ${verb.description()}`)).toEqual(
      program.commands.map((verb) => `${verb.name()} ${verb.description()}`),
    );
    return commands.filter((verb) => verb.commands.length + verb.options.length > 0).map((verb) => verb.name());
  };
  expect(await built('--json', 'token', 'issue')).toEqual(['token']);
  expect(await built('-qy', 'token', 'issue')).toEqual(['token']);
  expect([await built('--help', 'token'), await built('help', 'token')]).toEqual([['token'], ['token']]);
  for (const args of [[], ['--help'], ['tokens'], ['toString']]) expect(await built(...args)).toEqual([]);
  const all = program.commands.filter((verb) => verb.commands.length + verb.options.length > 0);
  expect(await built('completion', 'bash')).toEqual(all.map((verb) => verb.name()));
});

test('a command of a wing that is left out is refused with the setting and what helps', async () => {
  vi.stubEnv('SALLYPORT_LEAVE_OUT', 'outbound');
  const without = await createProgram(['siem', 'list']);
  await expect(without.parseAsync(['siem', 'list'], { from: 'user' })).rejects.toMatchObject({
    exitCode: exitCodes.refused,
    message: 'SALLYPORT_LEAVE_OUT leaves out handoff, which has the command siem',
    fix: expect.stringContaining('SALLYPORT_LEAVE_OUT= npx sallyport siem'),
  });
  vi.unstubAllEnvs();
});

test('the usage of a verb names the options that it requires', () => {
  expect(helpOf('roles', 'create')).toContain(
    'Usage: sallyport roles create [options] <name> [permissions...] --description <text> --reason <text>\n',
  );
  expect(helpOf('users', 'disable')).toContain('Usage: sallyport users disable [options] <user> --reason <text>\n');
});

test('every option that takes a list takes it by commas too, but the ones whose values may contain a comma', () => {
  const lists = groups
    .flatMap((group) => verbsOf(group))
    .flatMap((verb) => verb.options.filter(({ variadic }) => variadic));
  expect(lists.length).toBeGreaterThan(10);
  const whole = lists.filter(({ parseArg }) => parseArg === undefined).map(({ long }) => long);
  expect([...new Set(whole)].sort()).toEqual([
    '--audiences',
    '--match',
    '--post-logout-redirect-uris',
    '--redirect-uris',
  ]);
  for (const { parseArg, argChoices } of lists)
    if (parseArg !== undefined && argChoices === undefined)
      expect(parseArg('a,b', undefined as unknown)).toEqual(['a', 'b']);
});

describe('completion', () => {
  const cwd = `${import.meta.dirname}/..`;
  const scriptFor = (shell: string): string =>
    execFileSync(process.execPath, ['cli/main.ts', 'completion', shell], { encoding: 'utf8', cwd });
  const scripts = { bash: scriptFor('bash'), zsh: scriptFor('zsh'), fish: scriptFor('fish') };

  const completed = (...typed: string[]): string[] => {
    const words = ['sallyport', ...typed].map((word) => `'${word}'`).join(' ');
    const input = `${scripts.bash}
      COMP_WORDS=(${words}); COMP_CWORD=${typed.length}; _sallyport sallyport '${typed.at(-1)}' x; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const out = execFileSync('bash', { input, encoding: 'utf8', cwd });
    return out.split('\n').filter((line) => line !== '');
  };

  test('bash completes verbs, their options and their choices, also after arguments', () => {
    expect([completed('rest'), completed('clients', 'up')]).toEqual([['restore'], ['update']]);
    expect(completed('clients', 'update', 'an-id', '--no-d')).toEqual(['--no-dpop-bound']);
    expect(completed('--json', 'roles', 'list', '--perm')).toEqual(['--permission']);
    expect(completed('completion', 'f')).toEqual(['fish']);
  });

  test.each(Object.entries(scripts))('the completion script for %s names every verb', (_shell, out) => {
    for (const { commands } of groups) for (const verb of commands) expect(out).toContain(` ${verb.name()}`);
  });
});
