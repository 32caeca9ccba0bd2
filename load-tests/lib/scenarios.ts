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

export const scenarios: Readonly<Record<string, Scenario>> = {
  smoke: { about: 'sign in, issue, validate, refresh and revoke side by side' },
  issue: { about: 'token pairs for users, and client-credentials tokens' },
  validate: { about: 'the same live tokens again and again' },
  'validate-fresh': { about: 'each token once, so that every signature is verified' },
  introspect: { about: 'live and unknown tokens (RFC 7662)' },
  batch: { about: '100 tokens in one request' },
  refresh: { about: 'token families, each refreshed by one client' },
  'refresh-race': { about: 'eight requests at once with one refresh token' },
  revoke: { about: 'time from a revocation at one copy to the refusal at another', secondCopy: {} },
  rotation: {
    about: 'a key rotation while tokens are validated and issued',
    settings: { KEY_PREPUBLISH_SECONDS: '1', JWKS_MAX_AGE_SECONDS: '1' },
  },
  login: { about: 'sign-ins with a password', users: 200 },
  'login-storm': { about: 'more sign-ins than can be hashed, beside validation', users: 200 },
  'api-keys': { about: 'reads with an API key, and revoked keys' },
  'oauth-code': { about: 'authorization code flow with PKCE' },
  mixed: { about: '90 % validate, 5 % refresh, 4 % issue, 1 % revoke' },
  rolling: { about: '500 requests a second: validate, introspect, refresh, issue; for `npm run load:rolling`' },
  'rate-limits': {
    about: 'one address exceeds its limit, other addresses are served',
    // Times 1,000 under RATE_LIMIT_PROFILE=load. Addresses come from X-Forwarded-For.
    secondCopy: { RATE_LIMIT_ADDRESS_PER_MINUTE: '1', TRUSTED_PROXIES: '127.0.0.1' },
  },
  'audit-backlog': { about: '500 audited requests a second; time until the sealed log has them' },
  sessions: { about: '10,000 users signed in at once', users: 10_000, needsPairs: true },
  sustained: { about: '1,000 validations a second for 15 minutes' },
};

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
