export type ConfigProblem = { readonly env: string; readonly problem: string; readonly fix: string };

/** Unsafe or unreadable settings; the message names every variable. */
export class ConfigError extends Error {
  readonly problems: readonly ConfigProblem[];
  constructor(problems: readonly ConfigProblem[]) {
    super(problems.map(({ env, problem, fix }) => `${env}: ${problem} (${fix})`).join('; '));
    this.name = 'ConfigError';
    this.problems = problems;
  }
}
