/** Test files or folders of tests, or why there are none. */
export type Cell = readonly string[] | { readonly none: string };

export const KINDS = ['unit', 'integration', 'fault', 'load'] as const;
export type Flow = {
  readonly name: string;
  /** Paths of the API that belong to this flow and no other. */
  readonly paths: readonly string[];
} & Readonly<Record<(typeof KINDS)[number], Cell>>;

const IDENTITY = 'services/core/identity';
const ROUTES = 'services/api/routes';
const FAULTS = 'services/api/faults';
const LOAD = 'load-tests/scenarios';
const TOKENS = 'services/core/tokens';
const OAUTH = 'services/core/oauth';
const IMPORT = 'services/wings/import';
const MONITORING = 'services/wings/monitoring';
const PAGES = 'services/pages';
const MCP = 'services/mcp';

const RARE = { none: 'A user does this a few times a year; what it costs beyond a sign-in is one row.' } as const;
const BY_PEOPLE = { none: 'An operator does this by hand.' } as const;
const SAME_STORE = {
  none: 'One transaction like that of a sign-in, whose behaviour without its stores is tested there.',
} as const;

/** Every flow of authentication, and the tests of each kind that show it. A cell without tests says why. */
export const flows: readonly Flow[] = [
  {
    name: 'Sign up and verify an address',
    paths: `/api/auth/signup /api/auth/sign-up/email /api/auth/verify-email /api/auth/send-verification-email
      /api/auth/accept-invitation`.split(/\s+/),
    unit: [`${IDENTITY}/sign-in/sign-up.db.test.ts`, `${IDENTITY}/accounts/mailed-codes.db.test.ts`],
    integration: [`${ROUTES}/sign-up-once.integration.test.ts`, `${ROUTES}/invitations.integration.test.ts`],
    fault: [`${IDENTITY}/faults-half-done.integration.test.ts`, `${IDENTITY}/faults-stores.integration.test.ts`],
    load: { none: 'Its cost is the hash of a sign-in, which the scenarios of signing in measure.' },
  },
  {
    name: 'Sign in with a password',
    paths: ['/api/auth/signin', '/api/auth/sign-in/email'],
    unit: [`${IDENTITY}/sign-in/sign-in.db.test.ts`, `${IDENTITY}/sign-in/sign-in-guard.db.test.ts`],
    integration: [`${IDENTITY}/sign-in/sign-up-and-in.integration.test.ts`],
    fault: [`${IDENTITY}/faults-stores.integration.test.ts`, `${FAULTS}/answers-in-time.integration.test.ts`],
    load: [`${LOAD}/login.js`, `${LOAD}/login-storm.js`],
  },
  {
    name: 'Sign in with a provider',
    paths: `/api/auth/sign-in/social /api/auth/callback/{provider} /api/auth/social-providers /api/auth/link-social
      /api/auth/unlink-account /api/auth/list-accounts`.split(/\s+/),
    unit: [`${IDENTITY}/social/handle-oauth-callback.db.test.ts`, `${IDENTITY}/social/recognise-user.db.test.ts`],
    integration: [`${IDENTITY}/social/social-sign-in.integration.test.ts`],
    fault: [`${IDENTITY}/social/provider-answers.test.ts`],
    load: { none: 'The provider limits it; the product adds two requests and the session of a sign-in.' },
  },
  {
    name: 'Second factors and passkeys',
    paths: `/api/auth/factors /api/auth/second-factor /api/auth/second-factor/enrol /api/auth/two-factor/confirm
      /api/auth/two-factor/disable /api/auth/two-factor/enable /api/auth/two-factor/generate-backup-codes
      /api/auth/two-factor/recovery-codes /api/auth/two-factor/verify-backup-code /api/auth/two-factor/verify-totp
      /api/auth/passkey/delete-passkey /api/auth/passkey/generate-authenticate-options
      /api/auth/passkey/generate-register-options /api/auth/passkey/list-user-passkeys
      /api/auth/passkey/register/options /api/auth/passkey/register/verify /api/auth/passkey/sign-in/options
      /api/auth/passkey/sign-in/verify /api/auth/passkey/update-passkey /api/auth/passkey/verify-authentication
      /api/auth/passkey/verify-registration /api/auth/passkeys /api/auth/passkeys/{id}`.split(/\s+/),
    unit: [`${IDENTITY}/factors/enrol-totp.db.test.ts`, `${IDENTITY}/factors/passkeys.db.test.ts`],
    integration: [
      `${IDENTITY}/factors/second-factor.integration.test.ts`,
      `${IDENTITY}/factors/passkeys.integration.test.ts`,
    ],
    fault: [`${IDENTITY}/factors/passkeys.db.test.ts`],
    load: RARE,
  },
  {
    name: 'Step up',
    paths: ['/api/auth/step-up'],
    unit: [`${IDENTITY}/factors/step-up.db.test.ts`],
    integration: [`${IDENTITY}/factors/step-up.integration.test.ts`, `${ROUTES}/security-step-up.integration.test.ts`],
    fault: SAME_STORE,
    load: RARE,
  },
  {
    name: 'Sessions: read, renew, list, end',
    paths: `/api/auth/session /api/auth/get-session /api/auth/list-sessions /api/auth/revoke-session
      /api/auth/revoke-sessions /api/auth/revoke-other-sessions`.split(/\s+/),
    unit: [`${IDENTITY}/sessions/manage-sessions.db.test.ts`, `${IDENTITY}/sessions/renew-session.db.test.ts`],
    integration: [`${IDENTITY}/sessions/sessions.integration.test.ts`],
    fault: [`${IDENTITY}/faults-stores.integration.test.ts`, `${FAULTS}/answers-in-time.integration.test.ts`],
    load: [`${LOAD}/sessions.js`],
  },
  {
    name: 'Sign out',
    paths: ['/api/auth/signout', '/api/auth/sign-out', '/oauth2/end_session', '/oauth2/end_session/confirm'],
    unit: [`${IDENTITY}/sign-in/sign-out.db.test.ts`, `${OAUTH}/logout/verify-logout.db.test.ts`],
    integration: [`${ROUTES}/oauth-logout.integration.test.ts`],
    fault: [`${FAULTS}/survives-kill.integration.test.ts`, 'jobs/killed.db.test.ts'],
    load: { none: 'It writes what revoking a token writes, which the scenario of revoking measures.' },
  },
  {
    name: 'Passwords and locked accounts',
    paths: `/api/auth/change-password /api/auth/request-password-reset /api/auth/reset-password
      /api/auth/request-unlock /api/auth/unlock`.split(/\s+/),
    unit: [`${IDENTITY}/accounts/mailed-codes.db.test.ts`, `${IDENTITY}/accounts/unlock-account.db.test.ts`],
    integration: [`${ROUTES}/passwords.integration.test.ts`, `${ROUTES}/accounts.integration.test.ts`],
    fault: [`${IDENTITY}/accounts/own-account.db.test.ts`],
    load: RARE,
  },
  {
    name: 'One’s own account',
    paths: ['/api/auth/user', '/api/auth/update-user', '/api/auth/change-email', '/api/auth/delete-user'],
    unit: [`${IDENTITY}/accounts/own-account.db.test.ts`],
    integration: [`${ROUTES}/accounts.integration.test.ts`],
    fault: [`${IDENTITY}/faults-half-done.integration.test.ts`],
    load: RARE,
  },
  {
    name: 'Issue tokens',
    paths: ['/v1/tokens'],
    unit: [`${TOKENS}/issue/issue-pair.db.test.ts`],
    integration: [`${ROUTES}/tokens-issue.integration.test.ts`],
    fault: [`${ROUTES}/tokens-faults.integration.test.ts`, `${FAULTS}/survives-kill.integration.test.ts`],
    load: [`${LOAD}/issue.js`],
  },
  {
    name: 'Validate tokens',
    paths: `/v1/tokens/validate /v1/tokens/validate-batch /v1/tokens/why /v1/tokens/stats /v1/tokens/{token_id}`.split(
      /\s+/,
    ),
    unit: [`${TOKENS}/verify/validate-token.test.ts`, `${TOKENS}/explain-end.db.test.ts`],
    integration: [`${ROUTES}/tokens-validate.integration.test.ts`, `${ROUTES}/tokens-why.integration.test.ts`],
    fault: [`${ROUTES}/tokens-faults.integration.test.ts`, `${FAULTS}/survives-redis.all.test.ts`],
    load: [`${LOAD}/validate.js`, `${LOAD}/validate-fresh.js`, `${LOAD}/batch.js`],
  },
  {
    name: 'Refresh tokens',
    paths: ['/v1/tokens/refresh'],
    unit: [`${TOKENS}/refresh/refresh-token.db.test.ts`, `${TOKENS}/refresh/family-model.db.test.ts`],
    integration: [`${TOKENS}/refresh/refresh-token.integration.test.ts`],
    fault: [
      `${FAULTS}/survives-postgres.all.test.ts`,
      `${FAULTS}/pgbouncer.all.test.ts`,
      `${TOKENS}/refresh/family-contention.db.test.ts`,
    ],
    load: [`${LOAD}/refresh.js`, `${LOAD}/refresh-race.js`],
  },
  {
    name: 'Revoke tokens',
    paths: ['/v1/tokens/revoke', '/oauth2/revoke'],
    unit: [`${TOKENS}/revoke/revoke-token.db.test.ts`],
    integration: [`${ROUTES}/tokens-revoke.integration.test.ts`],
    fault: [
      `${FAULTS}/older-database.all.test.ts`,
      `${FAULTS}/answers-in-time.integration.test.ts`,
      `${FAULTS}/replica.all.test.ts`,
    ],
    load: [`${LOAD}/revoke.js`],
  },
  {
    name: 'Introspect tokens and read their user',
    paths: ['/oauth2/introspect', '/oauth2/userinfo'],
    unit: [`${TOKENS}/verify/introspect-token.db.test.ts`, `${OAUTH}/claims/read-user-info.db.test.ts`],
    integration: [`${ROUTES}/oauth-token.integration.test.ts`],
    fault: { none: 'It decides by what validating a token decides by, whose faults are tested there.' },
    load: [`${LOAD}/introspect.js`],
  },
  {
    name: 'Authorise with a code and consent',
    paths: ['/oauth2/authorize', '/oauth2/par', '/oauth2/consent', '/oauth2/token', '/oauth2/clients/{client_id}/logo'],
    unit: [
      `${OAUTH}/authorize/authorize.db.test.ts`,
      `${OAUTH}/redeem-code.db.test.ts`,
      `${OAUTH}/answer-token-request.db.test.ts`,
    ],
    integration: [`${ROUTES}/oauth-code.integration.test.ts`, `${ROUTES}/oauth-par.integration.test.ts`],
    fault: [`${OAUTH}/grants-when-rewound.test.ts`],
    load: [`${LOAD}/oauth-code.js`],
  },
  {
    name: 'Authorise a device',
    paths: ['/oauth2/device_authorization'],
    unit: [`${OAUTH}/devices/device-grants.db.test.ts`],
    integration: [`${ROUTES}/oauth-device.integration.test.ts`],
    fault: SAME_STORE,
    load: { none: 'A device asks at the interval that it is told; more is refused before anything is read.' },
  },
  {
    name: 'Have an act signed off by CIBA',
    paths: ['/oauth2/bc-authorize'],
    unit: ['services/wings/signoff/decide-signoff.db.test.ts'],
    integration: ['services/worker/ciba.integration.test.ts'],
    fault: SAME_STORE,
    load: { none: 'People decide, and a client polls at the interval that it is told.' },
  },
  {
    name: 'Register a client by itself',
    paths: ['/oauth2/register'],
    unit: [`${OAUTH}/clients/self-register-client.db.test.ts`],
    integration: [`${ROUTES}/oauth-registration.integration.test.ts`],
    fault: SAME_STORE,
    load: { none: 'A limit for each address keeps it rare.' },
  },
  {
    name: 'API keys',
    paths: ['/v1/api-keys', '/v1/api-keys/{api_key_id}', '/v1/api-keys/{api_key_id}/rotate', '/v1/api-keys/verify'],
    unit: ['services/core/api-keys/api-keys.db.test.ts', 'services/core/api-keys/verify-api-key.test.ts'],
    integration: [`${ROUTES}/api-keys.integration.test.ts`],
    fault: [`${FAULTS}/new-credentials-elsewhere.integration.test.ts`],
    load: [`${LOAD}/api-keys.js`],
  },
  {
    name: 'Agents',
    paths: ['', '/{agent_id}/kill', '/{agent_id}/limits', '/{agent_id}/why', '/heartbeat'].map((p) => `/v1/agents${p}`),
    unit: ['services/wings/agents/agents.db.test.ts', `${OAUTH}/exchange-agents.db.test.ts`],
    integration: [`${ROUTES}/agents.integration.test.ts`],
    fault: ['services/api/attacks/killed-agents.integration.test.ts', `${FAULTS}/stale-directory.integration.test.ts`],
    load: BY_PEOPLE,
  },
  {
    name: 'Call tools over MCP',
    // `/mcp` speaks a protocol of its own, and is not in the contract of the API.
    paths: [],
    unit: [`${MCP}/mount.test.ts`, `${MCP}/progress-streams.test.ts`],
    integration: [
      `${MCP}/enterprise-authorization.integration.test.ts`,
      `${MCP}/mcp.integration.test.ts`,
      `${MCP}/published-clients.integration.test.ts`,
      `${MCP}/real-clients.all.test.ts`,
    ],
    fault: [`${MCP}/mcp-process.integration.test.ts`, `${MCP}/killed-agent.integration.test.ts`],
    load: { none: 'A call is one operation of the API with its audit event, and its limits are those of the API.' },
  },
  {
    name: 'Carry a session over from another provider',
    paths: ['/v1/legacy/sessions'],
    unit: [`${IMPORT}/bridge/legacy-token.test.ts`, `${IMPORT}/bridge/exchange-legacy-session.db.test.ts`],
    integration: [`${ROUTES}/legacy.integration.test.ts`],
    fault: [`${IMPORT}/bridge/validate-legacy-session.db.test.ts`],
    load: { none: 'Once for each session of the other provider; it costs a signature and the rows of a sign-in.' },
  },
  {
    name: 'Follow the webhooks of another provider',
    paths: ['/v1/legacy/webhook'],
    unit: [`${IMPORT}/bridge/legacy-event.test.ts`],
    integration: [`${ROUTES}/legacy.integration.test.ts`],
    fault: [`${IMPORT}/bridge/apply-legacy-events.db.test.ts`],
    load: {
      none: 'The other provider sends one for each change of a user; a request is one row, which a job applies.',
    },
  },
  {
    name: 'Import users of another system',
    paths: ['', '/rehearse', '/{import_id}', '/{import_id}/rejects'].map((path) => `/v1/admin/imports${path}`),
    unit: [
      `${IMPORT}/run/run-import.db.test.ts`,
      `${IMPORT}/run/one-person.db.test.ts`,
      `${IMPORT}/run/factors-lost.db.test.ts`,
      `${IMPORT}/reading/reading.test.ts`,
    ],
    integration: [`${ROUTES}/imports.integration.test.ts`, 'cli/import/import.integration.test.ts'],
    fault: [`${IMPORT}/run/import-survives.db.test.ts`, 'cli/import/import-killed.all.test.ts'],
    load: { none: 'A worker imports at low priority, one file at a time; requests only store and read a row.' },
  },
  {
    name: 'Sign in at the admin console and act there',
    paths: `/console /console/{page} /console/assets/{file} /console/sign-in /console/callback /console/sign-out
      /console/session /console/api/{path}`.split(/\s+/),
    unit: [`${OAUTH}/console/console-session.test.ts`, `${PAGES}/console-build.test.ts`],
    integration: [
      `${ROUTES}/console.integration.test.ts`,
      `${PAGES}/console-in-browser.all.test.ts`,
      `${PAGES}/console-new-in-browser.integration.test.ts`,
      `${PAGES}/console-review-in-browser.all.test.ts`,
      `${PAGES}/console-viewers.all.test.ts`,
    ],
    fault: [`${FAULTS}/console-away.integration.test.ts`],
    load: {
      none: 'A few administrators use it. Its requests are those of the operations behind it, which are measured there.',
    },
  },
  {
    name: 'Send alerts to people and systems',
    paths: `/v1/admin/alert-targets /v1/admin/alert-targets/{target_id} /v1/admin/alert-targets/{target_id}/deliveries
      /v1/admin/alert-targets/{target_id}/remove /v1/admin/alert-targets/{target_id}/test /v1/admin/alerts
      /v1/admin/alerts/{alert_id}/acknowledge /v1/admin/alerts/{alert_id}/resolve /v1/admin/silences
      /v1/admin/silences/{silence_id}/end /v1/alerts/alertmanager`.split(/\s+/),
    unit: ['services/wings/outbound/alerts/alerts.db.test.ts'],
    integration: [`${ROUTES}/alerts.integration.test.ts`, 'cli/outbound.integration.test.ts'],
    fault: ['services/worker/alerts.integration.test.ts'],
    load: { none: 'A target gets at most ten messages a minute; the unit test has 10,000 incidents at once.' },
  },
  {
    name: 'Receive shared signals',
    paths: `/ssf/events /v1/admin/signal-transmitters /v1/admin/signal-transmitters/{transmitter_id}/remove
      /v1/admin/signals`.split(/\s+/),
    unit: ['services/wings/outbound/signals/receive-signal.db.test.ts'],
    integration: [`${ROUTES}/signals.integration.test.ts`],
    fault: ['services/wings/outbound/signals/receive-signal.db.test.ts'],
    load: {
      none: 'A signal is a signature and a revocation; the bench signals-reach measures how soon it is refused.',
    },
  },
  {
    name: 'Send shared signals',
    paths: `/.well-known/ssf-configuration /ssf/poll/{stream_id} /ssf/status /ssf/streams /ssf/subjects/add
      /ssf/subjects/remove /ssf/verify /v1/admin/signal-streams /v1/admin/signal-streams/{stream_id}/status
      /v1/admin/signal-streams/{stream_id}/verify`.split(/\s+/),
    unit: ['services/wings/outbound/signals/streams.db.test.ts'],
    integration: [`${ROUTES}/signals.integration.test.ts`],
    fault: ['services/wings/outbound/signals/streams.db.test.ts'],
    load: { none: 'Streams are queues of hand-offs, and an installation has at most a hundred.' },
  },
  {
    name: 'Follow events as they are sealed',
    paths: ['/v1/admin/events'],
    unit: ['services/core/security/event-stream.db.test.ts'],
    integration: [`${ROUTES}/security-events.integration.test.ts`],
    fault: [`${ROUTES}/security-live.integration.test.ts`],
    load: { none: 'A copy has at most 200 streams, which share one read of the log four times a second.' },
  },
  {
    name: 'Operate queues and dead letters',
    paths: `/v1/admin/dead-letters /v1/admin/dead-letters/{queue}/{job_id}
      /v1/admin/dead-letters/{queue}/{job_id}/discard /v1/admin/dead-letters/{queue}/{job_id}/retry
      /v1/admin/job-queues /v1/admin/queues /v1/admin/queues/{part} /v1/handoff/dead-letters
      /v1/handoff/dead-letters/{delivery_id}/replay`.split(/\s+/),
    unit: ['services/core/health/manage-dead-letters.test.ts', 'services/core/health/manage-queues.db.test.ts'],
    integration: [`${ROUTES}/queues.integration.test.ts`, 'cli/queue.integration.test.ts'],
    fault: ['services/core/health/manage-queues.db.test.ts', 'services/worker/handoff.integration.test.ts'],
    load: BY_PEOPLE,
  },
  {
    name: 'Watch security and capacity',
    paths: `/v1/admin/capacity /v1/admin/dashboard /v1/admin/reports /v1/admin/reports/{report_id}
      /v1/admin/reports/{report_id}/days /v1/admin/reports/{report_id}/file`.split(/\s+/),
    unit: [
      `${MONITORING}/dashboard.db.test.ts`,
      `${MONITORING}/capacity/predict-capacity.test.ts`,
      `${MONITORING}/reports/security-reports.db.test.ts`,
    ],
    integration: [`${ROUTES}/monitoring.integration.test.ts`],
    fault: [`${MONITORING}/monitoring-survives.db.test.ts`],
    load: { none: 'Administrators read what jobs have counted; no request of a user does anything for it.' },
  },
];

const ADMIN =
  'imports|alerts|alert-targets|silences|signals|signal-streams|signal-transmitters|events|job-queues|queues|dead-letters|capacity|dashboard|reports';
const V1 = `tokens|api-keys|agents|legacy|alerts|handoff/dead-letters|admin/(${ADMIN})`;
/** What belongs to a flow: a new path below these needs one. */
export const FLOW_PATHS = new RegExp(`^/(console|ssf|\\.well-known/ssf-configuration|api/auth|oauth2|v1/(${V1}))(/|$)`);
/** Published keys: no flow. */
export const NO_FLOW: readonly string[] = ['/api/auth/jwks'];
