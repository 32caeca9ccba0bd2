import type { DashboardDefinition } from './define.ts';

const signInTraces = '{ span.http.route =~ "/api/auth/sign.*" }';
const refreshTraces = '{ span.http.route =~ "/v1/tokens/refresh|/oauth2/token" }';

export const security: DashboardDefinition = {
  uid: 'sallyport-security',
  title: 'Sallyport · security',
  description: 'Who is let in, who is turned away and why. Counts only: who it was is in the audit log.',
  rows: [
    {
      title: 'Sign-in',
      panels: [
        {
          title: 'Sign-in success rate, 15 min',
          description:
            'Share of sign-in attempts that were let in. A fall with more attempts is a guessing attack; without, a broken client.',
          unit: 'percentunit',
          kind: 'stat',
          width: 6,
          queries: [
            {
              expr: 'sum(increase(sallyport_logins_total{outcome="ok"}[15m])) / sum(increase(sallyport_logins_total[15m]))',
              legend: 'let in',
            },
          ],
        },
        {
          title: 'Refresh token replays, 24 h',
          description:
            'Refresh tokens that came back after their successor was used: each ended a login. Look each up in the audit log.',
          unit: 'none',
          kind: 'stat',
          width: 6,
          badFrom: 1,
          queries: [
            { expr: 'sum(increase(sallyport_token_refreshes_total{outcome="replay"}[24h]))', legend: 'replays' },
          ],
          traces: refreshTraces,
        },
        {
          title: 'Locked or rate limited sign-ins, 1 h',
          description: 'Sign-ins refused without looking at the password, because there were too many.',
          unit: 'none',
          kind: 'stat',
          width: 6,
          warnFrom: 1,
          queries: [
            {
              expr: 'sum(increase(sallyport_logins_total{outcome=~"locked|limited"}[1h])) or vector(0)',
              legend: 'attempts',
            },
          ],
          traces: signInTraces,
        },
        {
          title: 'Database rewound',
          description:
            '1 when a copy finds the database behind the marks kept outside it. That copy issues and validates nothing.',
          unit: 'none',
          kind: 'stat',
          width: 6,
          badFrom: 1,
          queries: [{ expr: 'max(sallyport_state_rewound)', legend: 'rewound' }],
        },
        {
          title: 'Sign-ins by outcome and factor',
          description: 'Attempts a second. Refused against a usual day is the first sign of credential stuffing.',
          unit: 'ops',
          queries: [
            {
              expr: 'sum by (outcome, factor) (rate(sallyport_logins_total[$__rate_interval]))',
              legend: '{{outcome}} {{factor}}',
            },
          ],
          traces: signInTraces,
        },
        {
          title: 'Refused sign-ins against the same hour yesterday',
          description:
            'How many times more refused sign-ins there are than a day ago. Above 3 the alert on guessing looks at it.',
          unit: 'none',
          badFrom: 3,
          queries: [
            {
              expr: 'sum(rate(sallyport_logins_total{outcome="refused"}[30m])) / sum(rate(sallyport_logins_total{outcome="refused"}[1h] offset 1d))',
              legend: 'times',
            },
          ],
          traces: signInTraces,
        },
        {
          title: 'Sign-ups and ended sessions',
          description: 'Accounts made and sessions ended a second, by outcome.',
          unit: 'ops',
          queries: [
            {
              expr: 'sum by (outcome) (rate(sallyport_signups_total[$__rate_interval]))',
              legend: 'sign-up {{outcome}}',
            },
            {
              expr: 'sum by (outcome) (rate(sallyport_sessions_ended_total[$__rate_interval]))',
              legend: 'ended {{outcome}}',
            },
          ],
        },
      ],
    },
    {
      title: 'Incidents',
      panels: [
        {
          title: 'Incidents raised, 24 h',
          description:
            'What detections have raised, by name; further sightings of an open incident are not counted. `sallyport incidents list` says about whom.',
          unit: 'none',
          kind: 'stat',
          width: 6,
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
          description: 'Incidents raised within an hour. High and critical page; medium by the dozen does too.',
          unit: 'none',
          width: 18,
          queries: [{ expr: 'sum by (severity) (increase(sallyport_incidents_total[1h]))', legend: '{{severity}}' }],
        },
        {
          title: 'Failed event evaluations, 1 h',
          description:
            'Tries to judge an event that failed. Retried ones mend themselves; what is set aside waits: `sallyport incidents unjudged`.',
          unit: 'none',
          width: 24,
          queries: [
            { expr: 'sum by (outcome) (increase(sallyport_detection_failures_total[1h]))', legend: '{{outcome}}' },
          ],
        },
      ],
    },
    {
      title: 'Rejected tokens',
      panels: [
        {
          title: 'Inactive tokens by reason',
          description:
            'Tokens judged inactive a second. Bad signatures and wrong issuers are forgeries or another environment; expired is everyday.',
          unit: 'ops',
          queries: [
            {
              expr: 'sum by (reason) (rate(sallyport_token_validations_total{result="inactive"}[$__rate_interval]))',
              legend: '{{reason}}',
            },
          ],
          traces: '{ span.http.route = "/v1/tokens/validate" }',
        },
        {
          title: 'Refused refreshes by outcome',
          description:
            'Refresh tokens refused a second. Replay is theft or a broken client; ahead means that the database lost commits.',
          unit: 'ops',
          queries: [
            {
              expr: 'sum by (outcome) (rate(sallyport_token_refreshes_total{outcome!~"rotated|grace|lost_answer"}[$__rate_interval]))',
              legend: '{{outcome}}',
            },
          ],
          traces: refreshTraces,
        },
        {
          title: 'Revocation requests',
          description:
            'Revocations a second by what they name. A burst of user or client revocations is somebody cleaning up after an incident.',
          unit: 'ops',
          queries: [
            {
              expr: 'sum by (kind, outcome) (rate(sallyport_token_revocations_total[$__rate_interval]))',
              legend: '{{kind}} {{outcome}}',
            },
          ],
          traces: '{ span.http.route =~ ".*/revoke" }',
        },
      ],
    },
    {
      title: 'Rejected requests',
      panels: [
        {
          title: '401, 403 and 429 by route',
          description: 'Requests turned away a second. 403 by the dozen is a caller trying doors.',
          unit: 'reqps',
          width: 12,
          queries: [
            {
              expr: 'sum by (route, status) (rate(http_server_request_duration_seconds_count{status=~"401|403|429"}[$__rate_interval]))',
              legend: '{{status}} {{route}}',
            },
          ],
        },
        {
          title: 'Refused by rate limits',
          description:
            'Requests a second answered 429, by the level that refused and the class of the route. Global means everybody; credential at one address is guessing.',
          unit: 'reqps',
          width: 12,
          queries: [
            {
              expr: 'sum by (level, class) (rate(sallyport_rate_limit_refusals_total[$__rate_interval]))',
              legend: '{{level}} {{class}}',
            },
            {
              expr: 'sum by (level) (rate(sallyport_rate_limit_bypasses_total[$__rate_interval]))',
              legend: 'let past {{level}}',
            },
            {
              expr: 'sum(rate(sallyport_rate_limit_counts_alone_total[$__rate_interval]))',
              legend: 'counted without Redis',
            },
          ],
        },
        {
          title: 'Rate-limit check duration',
          description:
            'How long the slowest hundredth of requests waited for its limits, by stage. Promised: below 10 ms.',
          unit: 's',
          width: 12,
          badFrom: 0.01,
          queries: [
            {
              expr: 'histogram_quantile(0.99, sum by (le, stage) (rate(sallyport_rate_limit_check_seconds_bucket[$__rate_interval])))',
              legend: 'p99 {{stage}}',
            },
          ],
        },
        {
          title: 'Paths that do not exist, malformed and oversized requests',
          description:
            'Requests a second that no honest client makes often: 404 without a route, 400, 413, 415 and 431.',
          unit: 'reqps',
          width: 12,
          queries: [
            {
              expr: 'sum(rate(http_server_request_duration_seconds_count{route="other",status="404"}[$__rate_interval]))',
              legend: 'no such path',
            },
            {
              expr: 'sum by (status) (rate(http_server_request_duration_seconds_count{status=~"400|413|415|431"}[$__rate_interval]))',
              legend: '{{status}}',
            },
          ],
        },
      ],
    },
  ],
};
