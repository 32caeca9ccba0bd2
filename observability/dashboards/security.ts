import type { DashboardDefinition } from './define.ts';
import { folded, percentile, perSecond, within } from './queries.ts';

const SIGN_IN_TRACES = '{ span.http.route =~ "/api/auth/sign.*" }';
const REFRESH_TRACES = '{ span.http.route =~ "/v1/tokens/refresh|/oauth2/token" }';

export const security: DashboardDefinition = {
  uid: 'sallyport-security',
  title: 'Sallyport · security',
  description:
    'Which sign-ins and tokens are accepted or rejected, and why. The panels show counts only; the audit log shows the users.',
  rows: [
    {
      title: 'Sign-in',
      panels: [
        {
          title: 'Sign-in success rate, 15 min',
          description:
            'Share of successful sign-in attempts. A drop with more attempts suggests a guessing attack; a drop without more attempts suggests a broken client.',
          unit: 'percentunit',
          kind: 'stat',
          queries: [
            {
              expr: 'sum(increase(sallyport_logins_total{outcome="ok"}[15m])) / sum(increase(sallyport_logins_total[15m]))',
              legend: 'success rate',
            },
          ],
        },
        {
          title: 'Refresh token replays, 24 h',
          description:
            'Refresh tokens presented again after their successor was used. Each ended a token family. The audit log shows whose: `token.refresh_reused`.',
          kind: 'alarm',
          queries: [within('24h', 'sallyport_token_refreshes_total{outcome="replay"}', '', 'replays')],
          traces: REFRESH_TRACES,
        },
        {
          title: 'Locked or rate limited sign-ins, 1 h',
          description: 'Sign-ins refused without checking the password, because there were too many attempts.',
          unit: 'none',
          kind: 'stat',
          warnFrom: 1,
          queries: [
            {
              expr: 'sum(increase(sallyport_logins_total{outcome=~"locked|limited"}[1h])) or vector(0)',
              legend: 'attempts',
            },
          ],
          traces: SIGN_IN_TRACES,
        },
        {
          title: 'Database rewound',
          description:
            '1 when a copy finds the database behind the high-water marks kept outside it. That copy issues and validates nothing.',
          kind: 'alarm',
          queries: [folded('max', 'sallyport_state_rewound', '', 'rewound')],
        },
        {
          title: 'Sign-ins by outcome and factor',
          description:
            'Attempts per second. More refusals than on a usual day are the first sign of credential stuffing.',
          unit: 'ops',
          queries: [perSecond('sallyport_logins_total', 'outcome, factor')],
          traces: SIGN_IN_TRACES,
        },
        {
          title: 'Refused sign-ins against the same hour yesterday',
          description:
            'How many times more sign-ins are refused than a day ago. Above 3 the alert SignInRefusalsUnusual fires.',
          unit: 'none',
          badFrom: 3,
          queries: [
            {
              expr: 'sum(rate(sallyport_logins_total{outcome="refused"}[30m])) / sum(rate(sallyport_logins_total{outcome="refused"}[1h] offset 1d))',
              legend: 'times',
            },
          ],
          traces: SIGN_IN_TRACES,
        },
        {
          title: 'Client assertions by outcome',
          description:
            'Assertions with which clients authenticated, per second. no_keys: the jwks_uri of a client has no usable keys; replayed: an assertion was sent twice.',
          unit: 'ops',
          queries: [perSecond('sallyport_client_assertions_total', 'outcome')],
        },
        {
          title: 'Client certificates by outcome',
          description:
            'Certificates with which clients authenticated, per second. none: the connection has no certificate from a trusted proxy; another: not a certificate of the client, or its authority is not configured.',
          unit: 'ops',
          queries: [perSecond('sallyport_client_certificates_total', 'outcome')],
        },
        {
          title: 'Sign-ups and ended sessions',
          description: 'Accounts created and sessions ended per second, by outcome.',
          unit: 'ops',
          queries: [
            perSecond('sallyport_signups_total', 'outcome', 'sign-up'),
            perSecond('sallyport_sessions_ended_total', 'outcome', 'ended'),
          ],
        },
      ],
    },
    {
      title: 'Sign-off',
      panels: [
        {
          title: 'Sign-offs by what happened, per hour',
          description:
            'Sign-offs requested, approvals, and acts started and ended. refused: an act was to start with other arguments than the approved ones, or a second time; the audit log shows whose: `signoff.refused`.',
          queries: [within('1h', 'sallyport_signoffs_total', 'event')],
        },
      ],
    },
    {
      title: 'Incidents',
      panels: [
        {
          title: 'Incidents raised, 24 h',
          description:
            'Incidents raised, by detection. Further sightings of an open incident are not counted. `sallyport incidents list` shows the users concerned.',
          unit: 'none',
          kind: 'stat',
          warnFrom: 1,
          queries: [
            {
              expr: 'sum by (detection) (increase(sallyport_incidents_total[24h])) > 0 or vector(0)',
              legend: '{{detection}}',
            },
          ],
        },
        {
          title: 'Incidents by severity',
          description:
            'Incidents raised within an hour. Incidents of high or critical severity page; twenty accounts locked within 15 minutes page too (AccountsLocked).',
          unit: 'none',
          width: 18,
          queries: [within('1h', 'sallyport_incidents_total', 'severity')],
        },
        {
          title: 'Failed event evaluations, 1 h',
          description:
            'Failed attempts to evaluate an event. Retries happen automatically; events that were set aside wait for an operator: `sallyport incidents unjudged`.',
          unit: 'none',
          width: 24,
          queries: [within('1h', 'sallyport_detection_failures_total', 'outcome')],
        },
      ],
    },
    {
      title: 'Rejected tokens',
      panels: [
        {
          title: 'Inactive tokens by reason',
          description:
            'Tokens found inactive per second. Bad signatures and wrong issuers are forgeries, or tokens of another environment. Expired tokens are normal.',
          unit: 'ops',
          queries: [perSecond('sallyport_token_validations_total{result="inactive"}', 'reason')],
          traces: '{ span.http.route = "/v1/tokens/validate" }',
        },
        {
          title: 'Refused refreshes by outcome',
          description:
            'Refresh tokens refused per second. Replay: a used token, by theft or from a broken client. Ahead: a token newer than its row, so the database lost commits.',
          unit: 'ops',
          queries: [
            perSecond(
              'sallyport_token_refreshes_total{outcome!~"rotated|kept|grace|lost_answer|stale_copy"}',
              'outcome',
            ),
          ],
          traces: REFRESH_TRACES,
        },
        {
          title: 'Revocation requests',
          description:
            'Revocations per second, by kind of target. A burst of user or client revocations usually follows an incident.',
          unit: 'ops',
          queries: [perSecond('sallyport_token_revocations_total', 'kind, outcome')],
          traces: '{ span.http.route =~ ".*/revoke" }',
        },
      ],
    },
    {
      title: 'Rejected requests',
      panels: [
        {
          title: '401, 403 and 429 by route',
          description: 'Requests rejected per second. Many 403 mean that a caller is probing for access.',
          unit: 'reqps',
          width: 12,
          queries: [perSecond('http_server_request_duration_seconds_count{status=~"401|403|429"}', 'status, route')],
        },
        {
          title: 'Refused by rate limits',
          description:
            'Requests per second answered 429, by the level that refused and the route class. A refusal at level global affects all callers. Refusals of class credential at level address suggest guessing.',
          unit: 'reqps',
          width: 12,
          queries: [
            perSecond('sallyport_rate_limit_refusals_total', 'level, class'),
            perSecond('sallyport_rate_limit_bypasses_total', 'level', 'bypassed'),
            perSecond('sallyport_rate_limit_counts_alone_total', '', 'counted without Redis'),
          ],
        },
        {
          title: 'Rate-limit check duration',
          description:
            'p99 of the time a request waits for its rate-limit check, by stage: before it is read, and after its caller is known. The objective is 10 ms.',
          unit: 's',
          width: 12,
          badFrom: 0.01,
          queries: [percentile(0.99, 'sallyport_rate_limit_check_seconds', 'stage')],
        },
        {
          title: 'Paths that do not exist, malformed and oversized requests',
          description:
            'Requests per second that legitimate clients rarely send: 404 without a route, 400, 413, 415 and 431.',
          unit: 'reqps',
          width: 12,
          queries: [
            perSecond('http_server_request_duration_seconds_count{route="other",status="404"}', '', 'unknown path'),
            perSecond('http_server_request_duration_seconds_count{status=~"400|413|415|431"}', 'status'),
          ],
        },
      ],
    },
  ],
};
