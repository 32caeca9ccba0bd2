import { visibleText } from '../data/visible-text.ts';
import { browserNameOf } from '../texts/generated/browser-name.ts';
import { type Resource, resource } from './resource.ts';

/** `Chrome on Linux`; what a client calls itself otherwise. */
function browserOf(agent: string | null, word: (value: string) => string): string {
  if (agent === null) return word('unknown');
  const { browser, system } = browserNameOf(agent);
  if (browser !== null && system !== null) return `${browser} ${word('on')} ${system}`;
  return browser ?? system ?? visibleText(agent);
}
const isFixed = ({ built_in: is }: { readonly built_in: boolean }): boolean => is;

/** A row of refusals of a client or agent. */
const REFUSED = ['cause', 'fix', 'code', 'request.endpoint', 'requests', 'last_seen_at', 'refused_from'] as const;

/** What is special about resources, in the order of the navigation. One that is missing here has its page all the same. */
export const resources: readonly Resource[] = [
  resource('GET /v1/admin/job-queues', {
    of: 'queues',
    path: 'queues',
    at: { group: 'live', icon: 'queues', key: 'q' },
    row: ['name', 'waiting', 'active', 'delayed', 'oldest_age_seconds'],
    badges: ['dead'],
    leads: ({ name, dead }) => (dead === 0 ? undefined : `/console/dead-letters?queue=${name}`),
    every: 5_000,
    above: async () => ({ Above: (await import('../pages/notes-above.tsx')).StaleJobs }),
  }),
  resource('GET /v1/admin/job-queues', {
    of: 'schedules',
    path: 'schedules',
    beside: 'job-queues',
    row: ['job', 'meaning', 'every_seconds', 'last_succeeded_at', 'next_run_at'],
    badges: ['stale', 'late', 'last_outcome'],
    every: 5_000,
    above: async () => ({ Above: (await import('../pages/notes-above.tsx')).StaleJobs }),
  }),
  resource('GET /v1/admin/dead-letters', {
    beside: 'job-queues',
    row: ['job', 'queue', 'job_id', 'failed_at', 'attempts'],
    badges: ['code'],
    blast: ['queue', 'code'],
    every: 15_000,
  }),
  resource('GET /v1/keys', {
    at: { group: 'live', icon: 'keys', key: 'y' },
    page: true,
    row: ['kid', 'purpose', 'alg', 'activates_at', 'signs_until', 'leaves_at', 'compromised_at'],
    badges: ['state'],
    when: { 'POST /v1/keys/{kid}/compromise': ({ state }) => !['retired', 'compromised'].includes(state) },
    blast: ['state', 'purpose', 'leaves_at'],
    events: 'target',
    above: () => import('../pages/key-timeline.tsx'),
  }),
  resource('GET /v1/admin/sessions', {
    at: { group: 'live', icon: 'sessions', key: 's' },
    title: ({ user_agent: agent }, word) => browserOf(agent, word),
    row: ['user_agent', 'user_id', 'ip_address', 'created_at', 'expires_at', 'id'],
    reach: 'session_id',
    ended: ['session.ended', 'token.family_ended'],
    inRow: () => import('../pages/session-parts.tsx'),
  }),
  resource('GET /v1/admin/users', {
    path: 'people',
    at: { group: 'access', icon: 'people', key: 'p' },
    row: ['email', 'name', 'roles', 'created_at', 'email_verified_at'],
    badges: ['disabled_at'],
    when: {
      'POST /v1/admin/users/{user_id}/disable': ({ disabled_at: at }) => at === null,
      'POST /v1/admin/users/{user_id}/enable': ({ disabled_at: at }) => at !== null,
      'POST /v1/admin/users/{user_id}/invite': ({ email_verified_at: at }) => at === null,
      // A new password by mail ends an invitation, and its roles are not granted.
      'POST /v1/admin/users/{user_id}/password-mail': ({ disabled_at: at, invited_roles: roles }) =>
        at === null && !(roles as readonly string[] | undefined)?.length,
      'POST /v1/admin/users/{user_id}/email/verify': ({ email_verified_at: at }) => at === null,
      'POST /v1/admin/users/{user_id}/unlock': ({ locked_until: at, password_closed: is }) =>
        at !== null || is === true,
    },
    reach: 'user_id',
    lists: { sessions: 'user_id' },
    events: 'target',
    parts: () => import('../pages/person-parts.ts'),
  }),
  resource('GET /v1/admin/users/{user_id}/consents', {
    row: ['client_name', 'client_id', 'scopes', 'granted_at', 'logins'],
    badges: ['client_origin'],
  }),
  resource('GET /v1/admin/incidents', {
    at: { group: 'live', icon: 'incidents', key: 'i' },
    row: ['detection', 'subject', 'count', 'last_seen_at'],
    badges: ['severity', 'state'],
    elsewhere: ['actions'],
    every: 15_000,
    when: {
      'POST /v1/admin/incidents/{incident_id}/acknowledge': ({ state }) => state === 'open',
      'POST /v1/admin/incidents/{incident_id}/close': ({ state }) => state !== 'closed',
    },
    events: 'target',
    parts: () => import('../pages/incident-parts.ts'),
  }),
  resource('GET /v1/admin/alerts', {
    at: { group: 'live', icon: 'alerts', key: 'n' },
    // What is ours has a word for its name; the sentence of another system is its own.
    title: ({ source, name, summary }, word) => (source === 'alertmanager' ? `${name}: ${summary}` : word(name)),
    row: ['summary', 'source', 'count', 'raised_at', 'acknowledged_by', 'resolved_at'],
    badges: ['severity', 'state'],
    when: {
      'POST /v1/admin/alerts/{alert_id}/acknowledge': ({ state }) => state === 'firing',
      'POST /v1/admin/alerts/{alert_id}/resolve': ({ state }) => state !== 'resolved',
    },
    blast: ['labels'],
    also: { 'POST /v1/admin/silences': ({ source, name }) => ({ matchers: [`source=${source}`, `name=${name}`] }) },
    every: 15_000,
  }),
  resource('GET /v1/admin/alert-targets', {
    beside: 'alerts',
    row: ['name', 'kind', 'destination', 'min_severity', 'sources'],
    badges: ['waiting', 'is_down'],
    blast: ['destination', 'waiting'],
    every: 5_000,
  }),
  resource('GET /v1/admin/alert-targets/{target_id}/deliveries', {
    row: ['group', 'kind', 'firing', 'resolved', 'attempts', 'explanation', 'created_at', 'sent_at'],
    badges: ['status'],
    every: 5_000,
  }),
  resource('GET /v1/admin/silences', {
    beside: 'alerts',
    row: ['matchers', 'until', 'created_by', 'reason'],
    badges: ['is_active'],
    when: { 'POST /v1/admin/silences/{silence_id}/end': ({ is_active: is }) => is },
    blast: ['matchers'],
  }),
  resource('GET /v1/admin/imports', {
    at: { group: 'live', icon: 'imports', key: 'm' },
    row: ['kind', 'created_at', 'reason'],
    badges: ['status'],
    first: ['kind', 'data'],
    every: 5_000,
    parts: () => import('../pages/import-parts.ts'),
  }),
  resource('GET /v1/admin/roles', {
    at: { group: 'access', icon: 'roles', key: 'r' },
    row: ['name', 'description', 'permissions'],
    badges: ['built_in'],
    when: {
      'PUT /v1/admin/roles/{role}/permissions': (role) => !isFixed(role),
      'DELETE /v1/admin/roles/{role}': (role) => !isFixed(role),
    },
    lists: { users: 'role' },
  }),
  resource('GET /v1/admin/clients', {
    at: { group: 'access', icon: 'clients', key: 'l' },
    row: ['name', 'client_id', 'grant_types', 'updated_at'],
    badges: ['built_in', 'origin', 'disabled'],
    when: {
      'PATCH /v1/admin/clients/{client_id}': (client) => !isFixed(client),
      'POST /v1/admin/clients/{client_id}/rotate-secret': (client) =>
        !isFixed(client) && client.auth_method.startsWith('client_secret'),
      'POST /v1/admin/clients/{client_id}/disable': (client) => !isFixed(client) && !client.disabled,
      'POST /v1/admin/clients/{client_id}/enable': ({ disabled }) => disabled,
      'DELETE /v1/admin/clients/{client_id}': (client) => !isFixed(client),
    },
    reach: 'client_id',
    lists: { sessions: 'client_id' },
    first: ['name', 'grant_types', 'redirect_uris', 'scopes', 'credential_scopes', 'auth_method'],
    events: 'target',
  }),
  resource('GET /v1/admin/clients/{client_id}/why', { row: ['title', ...REFUSED] }),
  resource('GET /v1/admin/clients/refusals', {
    beside: 'clients',
    row: ['title', 'client_id', ...REFUSED],
    leads: ({ client_id: id }) => (id === null ? undefined : `/console/clients/${encodeURIComponent(id)}`),
    above: async () => ({ Above: (await import('../pages/notes-above.tsx')).StillSent }),
  }),
  resource('GET /v1/admin/api-keys', {
    at: { group: 'access', icon: 'apiKeys', key: 'b' },
    row: ['name', 'owner', 'permissions', 'expires_at', 'last_used_at', 'uses'],
    badges: ['state'],
    when: { 'POST /v1/admin/api-keys/{api_key_id}/revoke': ({ state }) => state === 'live' },
    blast: ['uses'],
    firstCommand: 'sallyport api-keys create --name reports --client CLIENT_ID --reason reads',
  }),
  resource('GET /v1/admin/signal-streams', {
    at: { group: 'access', icon: 'signals', key: 'h' },
    row: ['description', 'owner', 'endpoint_url', 'events', 'excluded_users', 'status_reason', 'created_at'],
    badges: ['waiting', 'given_up', 'status'],
    when: { 'POST /v1/admin/signal-streams/{stream_id}/verify': ({ status }) => status === 'enabled' },
    blast: ['waiting'],
    every: 15_000,
    firstCommand: `sallyport clients create 'Device management' --credential-scopes ssf.manage,ssf.read --reason 'shared signals'`,
  }),
  resource('GET /v1/admin/signal-transmitters', {
    beside: 'signal-streams',
    row: ['issuer', 'jwks_uri', 'provider', 'received', 'last_received_at'],
    badges: ['match_email', 'own_ids'],
    blast: ['received'],
  }),
  resource('GET /v1/admin/signals', {
    beside: 'signal-streams',
    row: ['event', 'transmitter_id', 'received_at'],
    badges: ['outcome'],
  }),
  resource('GET /v1/siem/targets', {
    path: 'siem',
    beside: 'signal-streams',
    row: ['siem_target', 'reached_seq', 'accepted_at', 'failing_since'],
    badges: ['failure', 'behind'],
    when: { 'POST /v1/siem/targets/{siem_target}/replay': ({ reached_seq: reached }) => reached >= 0 },
    blast: ['reached_seq'],
    every: 15_000,
  }),
  resource('GET /v1/admin/applications', {
    at: { group: 'access', icon: 'applications', key: 'd' },
    row: ['application', 'audience', 'permissions'],
  }),
  resource('GET /v1/admin/agents', {
    at: { group: 'access', icon: 'agents', key: 'w' },
    row: ['name', 'owner_id', 'scopes', 'credential_scopes', 'last_seen_at', 'expires_at'],
    badges: ['status'],
    when: { 'POST /v1/admin/agents/{agent_id}/kill': ({ killed_at: at }) => at === null },
    reach: 'client_id',
    first: ['name', 'owner_id', 'scopes', 'credential_scopes'],
    events: 'client',
  }),
  resource('GET /v1/admin/agents/{agent_id}/limits', {
    row: ['act', 'acts_a_day', 'acts_today', 'amounts_a_day', 'amounts_today', 'resets_at'],
    badges: ['set_by'],
  }),
  resource('GET /v1/admin/agents/{agent_id}/why', { of: 'refusals', row: ['title', ...REFUSED] }),
  resource('GET /v1/audit/events', {
    path: 'audit',
    at: { group: 'evidence', icon: 'audit', key: 'a' },
    row: ['type'],
    badges: ['altered', 'outcome'],
    elsewhere: ['detail', 'leaf', 'personal', 'origin', 'index'],
    asRow: () => import('../pages/audit.tsx'),
    around: () => import('../pages/audit-event.tsx'),
    choices: () => import('../pages/audit.tsx'),
  }),
  resource('GET /v1/compliance/reports', {
    path: 'compliance/reports',
    beside: 'compliance-controls',
    title: ({ kind, period }, word) => [word(kind), period ?? ''].join(' ').trim(),
    row: ['kind', 'requested_at', 'summary.pass', 'summary.fail'],
    badges: ['status'],
    when: {
      'POST /v1/compliance/reports/{report_id}/cancel': ({ ended_at: at }) => at === null,
      'GET /v1/compliance/reports/{report_id}/bundle': ({ status }) => status === 'done',
      'GET /v1/compliance/reports/{report_id}/evidence': ({ status }) => status === 'done',
    },
    every: 5_000,
    parts: () => import('../pages/report-parts.ts'),
  }),
  resource('GET /v1/compliance/violations', {
    path: 'compliance/violations',
    beside: 'compliance-controls',
    page: true,
    row: ['control_id', 'detail', 'exception_count', 'owner', 'opened_at', 'due_at'],
    badges: ['overdue', 'state'],
    when: {
      'POST /v1/compliance/violations/{violation_id}/assign': ({ state }) => state !== 'resolved',
      'POST /v1/compliance/violations/{violation_id}/accept': ({ state }) => state !== 'resolved',
      'POST /v1/compliance/violations/{violation_id}/acknowledge': ({ events }) => events !== null,
    },
    blast: ['events'],
  }),
  resource('GET /v1/compliance/controls', {
    path: 'compliance',
    at: { group: 'evidence', icon: 'compliance', key: 'c' },
    page: true,
    row: [
      'title',
      'clause',
      'check.ended_at',
      'check.sampled',
      'check.population',
      'check.exception_count',
      'attestation.expires_at',
      'reason',
    ],
    badges: ['status'],
    when: { 'POST /v1/compliance/controls/{control_id}/attest': ({ kind }) => kind === 'attestation' },
    blast: ['statement'],
  }),
  resource('GET /v1/handoff/signoffs', {
    path: 'signoffs',
    at: { group: 'evidence', icon: 'signoffs', key: 'f' },
    title: ({ title }) => visibleText(title),
    row: ['title', 'act', 'requested_by', 'waiting_for', 'requested_at', 'expires_at'],
    badges: ['state'],
    counted: ({ decisions, quorum }) => [decisions.filter(({ decision }) => decision === 'approve').length, quorum],
    begins: { state: 'pending' },
    elsewhere: ['arguments', 'arguments_sha256', 'argument_labels'],
    events: 'target',
    parts: () => import('../pages/signoff-parts.ts'),
  }),
  resource('GET /v1/admin/reports', {
    at: { group: 'evidence', icon: 'compliance' },
    row: ['kind', 'from', 'to', 'requested_by', 'requested_at'],
    badges: ['status'],
    every: 15_000,
  }),
];
