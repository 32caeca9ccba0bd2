export type ConfigProblem = { readonly env: string; readonly problem: string; readonly fix: string };

type Refuse = (env: string, problem: string, fix: string) => void;

export function problemsOf(check: (refuse: Refuse) => void): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  check((env, problem, fix) => problems.push({ env, problem, fix }));
  return problems;
}

/** Unsafe or unreadable settings; the message names every variable. */
export class ConfigError extends Error {
  readonly problems: readonly ConfigProblem[];
  constructor(problems: readonly ConfigProblem[]) {
    super(problems.map(({ env, problem, fix }) => `${env}: ${problem} (${fix})`).join('; '));
    this.name = 'ConfigError';
    this.problems = problems;
  }
}
