import type { DashboardDefinition, PanelDefinition } from './define.ts';

const SIGN_IN_TRACES = '{ span.http.route =~ "/api/auth/sign.*" }';

/** Average, p95 and p99 of a histogram. */
const speedOf = (metric: string): PanelDefinition['queries'] => [
  {
    expr: `sum(rate(${metric}_sum[$__rate_interval])) / sum(rate(${metric}_count[$__rate_interval]))`,
    legend: 'average',
  },
  ...[0.95, 0.99].map((quantile) => ({
    expr: `histogram_quantile(${quantile}, sum by (le) (rate(${metric}_bucket[$__rate_interval])))`,
    legend: `p${quantile * 100}`,
  })),
];

export const authentication: DashboardDefinition = {
  uid: 'sallyport-authentication',
  title: 'Sallyport · authentication',
  description:
    'Whether users get in, how fast they get tokens, and how fast tokens are validated. The dashboard of the product (`GET /v1/admin/dashboard`) shows the same without Prometheus.',
  rows: [
    {
      title: 'Users',
      panels: [
        {
          title: 'Sign-in attempts, 15 min',
          description: 'Attempts that succeeded and that failed. A first factor that asks for a second is not counted.',
          unit: 'short',
          kind: 'stat',
          width: 6,
          queries: [
            { expr: 'sum(increase(sallyport_logins_total{outcome="ok"}[15m]))', legend: 'succeeded' },
            {
              expr: 'sum(increase(sallyport_logins_total{outcome=~"refused|locked|limited"}[15m])) or vector(0)',
              legend: 'failed',
            },
          ],
          traces: SIGN_IN_TRACES,
        },
        {
          title: 'Success rate',
          description: 'Share of attempts that succeeded. A drop without more attempts suggests a broken client.',
          unit: 'percentunit',
          width: 9,
          min: 0,
          max: 1,
          queries: [
            {
              expr: 'sum(rate(sallyport_logins_total{outcome="ok"}[$__rate_interval])) / sum(rate(sallyport_logins_total{outcome=~"ok|refused|locked|limited"}[$__rate_interval]))',
              legend: 'succeeded',
            },
          ],
          traces: SIGN_IN_TRACES,
        },
        {
          title: 'New accounts, sessions ended',
          description: 'Per second. Many sessions that end at once follow an incident or an administrator.',
          unit: 'ops',
          width: 9,
          queries: [
            { expr: 'sum(rate(sallyport_signups_total{outcome="ok"}[$__rate_interval]))', legend: 'accounts' },
            {
              expr: 'sum(rate(sallyport_sessions_ended_total{outcome!="unavailable"}[$__rate_interval]))',
              legend: 'sessions ended',
            },
          ],
        },
        {
          title: 'New passwords against the list of breached ones',
          description:
            'Checks per second. unavailable: the list did not answer, and the password was accepted unchecked.',
          unit: 'ops',
          width: 12,
          queries: [
            {
              expr: 'sum by (outcome) (rate(sallyport_breach_lookups_total[$__rate_interval]))',
              legend: '{{outcome}}',
            },
          ],
        },
        {
          title: 'Password hashes upgraded, 1 h',
          description:
            'Hashes replaced by stronger ones after a sign-in, as after an import. failed: the next sign-in tries again.',
          unit: 'short',
          width: 12,
          queries: [
            { expr: 'sum by (outcome) (increase(sallyport_password_upgrades_total[1h]))', legend: '{{outcome}}' },
          ],
        },
      ],
    },
    {
      title: 'Tokens',
      panels: [
        {
          title: 'Token requests by grant',
          description: 'Per second, by grant and outcome.',
          unit: 'ops',
          queries: [
            {
              expr: 'sum by (grant, outcome) (rate(sallyport_tokens_issued_total[$__rate_interval]))',
              legend: '{{grant}} {{outcome}}',
            },
          ],
        },
        {
          title: 'Time to generate a token',
          description: 'Average, p95 and p99, with database and signature; at a sign-in, the signature alone.',
          unit: 's',
          queries: speedOf('sallyport_token_issue_duration_seconds'),
        },
        {
          title: 'Time to validate a token',
          description:
            'Average, p95 and p99, without HTTP. It rises when tokens are new to a copy, whose signatures must then be verified.',
          unit: 's',
          queries: speedOf('sallyport_token_validation_duration_seconds'),
        },
      ],
    },
    {
      title: 'Shared signals',
      panels: [
        {
          title: 'Signals received by outcome, 1 h',
          description:
            'Events that transmitters pushed here. no_user: the subject has no account here. The refusals (`invalid_…`, authentication_failed) mean that a transmitter has other keys, or another issuer or audience, than was agreed.',
          unit: 'short',
          width: 24,
          queries: [
            { expr: 'sum by (outcome) (increase(sallyport_signals_received_total[1h]))', legend: '{{outcome}}' },
          ],
          traces: '{ span.http.route = "/ssf/events" }',
        },
      ],
    },
  ],
};
