import { Argument, type Command } from 'commander';

const SHELLS = ['bash', 'zsh', 'fish'] as const;
type Shell = (typeof SHELLS)[number];

/** Verbs and options that may follow each path of verbs; `''` is the empty path. */
function wordsByPath(program: Command): Map<string, string[]> {
  const words = new Map<string, string[]>();
  const optionsOf = ({ options }: Command): string[] => options.flatMap(({ long }) => long ?? []);
  const visit = (command: Command, path: string): void => {
    const choices = command.registeredArguments.flatMap(({ argChoices }) => argChoices ?? []);
    const own = command === program ? [] : optionsOf(command);
    words.set(path, [
      ...command.commands.map((verb) => verb.name()),
      ...choices,
      ...own,
      ...optionsOf(program),
      '--help',
    ]);
    for (const verb of command.commands) visit(verb, `${path} ${verb.name()}`);
  };
  visit(program, '');
  return words;
}

/** Longest path first: words after a verb's arguments still belong to that verb. */
function bash(words: Map<string, string[]>): string[] {
  const paths = [...words].sort(([one], [two]) => two.length - one.length);
  return [
    '_sallyport() {',
    '  local path= word words cur=$2',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: bash expands it when the script runs
    '  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do case "$word" in -*) ;; *) path="$path $word" ;; esac; done',
    '  case "$path " in',
    ...paths.map(([path, own]) => `    "${path} "*) words='${own.join(' ')}' ;;`),
    '  esac',
    '  COMPREPLY=($(compgen -W "$words" -- "$cur"))',
    '}',
    'complete -F _sallyport sallyport',
  ];
}

/** fish evaluates a condition for each word. */
function fish(words: Map<string, string[]>): string[] {
  return [
    'function __sallyport_at',
    "  set -l typed (string match --invert -- '-*' (commandline -opc)[2..])",
    '  test "$typed" = "$argv"',
    'end',
    'complete -c sallyport -f',
    ...[...words].map(([path, own]) => `complete -c sallyport -n '__sallyport_at${path}' -a '${own.join(' ')}'`),
  ];
}

function scriptFor(shell: Shell, program: Command): string[] {
  const words = wordsByPath(program);
  if (shell === 'fish') return fish(words);
  // zsh runs completions of bash.
  return shell === 'zsh' ? ['autoload -U +X bashcompinit && bashcompinit', ...bash(words)] : bash(words);
}

/** `sallyport completion bash|zsh|fish`. */
export function registerCompletion(program: Command): void {
  program
    .command('completion')
    .addArgument(new Argument('<shell>', 'shell that runs the script').choices(SHELLS))
    .action((shell: Shell) => {
      process.stdout.write(`${scriptFor(shell, program).join('\n')}\n`);
    });
}
