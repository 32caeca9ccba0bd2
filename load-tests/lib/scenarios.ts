import given from './scenarios.json' with { type: 'json' };

type Settings = Readonly<Record<string, string>>;

/** What the runner must prepare for a scenario. */
export type Scenario = {
  readonly about: string;
  /** How many test users it signs in or refreshes, unless `--users` names another number. */
  readonly users?: number;
  /** Each of its users needs a live pair of tokens. */
  readonly needsPairs?: true;
  /** Settings of the API that it needs. */
  readonly settings?: Settings;
  /** It needs a second copy of the API on the same stores, with these settings. */
  readonly secondCopy?: Settings;
};

/**
 * Addresses of the scenario `rate-limits` come from X-Forwarded-For; its limit is times 1,000 under
 * RATE_LIMIT_PROFILE=load.
 */
export const scenarios = given as Readonly<Record<string, Scenario>>;

/** A suite runs its scenarios one after another, on one start of the product. */
export const suites: Readonly<Record<string, readonly string[]>> = {
  testTokenPerformance: ['issue', 'validate', 'validate-fresh', 'introspect', 'batch', 'refresh', 'revoke'],
  testConcurrentUsers: ['sessions', 'login', 'refresh-race', 'oauth-code', 'api-keys'],
  testLoadHandling: ['mixed', 'sustained', 'login-storm', 'rotation', 'audit-backlog', 'rate-limits'],
};

/** The scenarios that a word of the command line names. */
export function scenariosOf(word: string): readonly string[] | undefined {
  if (word === 'all') return Object.keys(scenarios);
  if (Object.hasOwn(suites, word)) return suites[word];
  return Object.hasOwn(scenarios, word) ? [word] : undefined;
}
