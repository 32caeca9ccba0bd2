import type { DashboardDefinition, PanelQuery } from './define.ts';
import { percentile, perSecond, quotient, within } from './queries.ts';

const SIGN_IN_TRACES = '{ span.http.route =~ "/api/auth/sign.*" }';

/** Average, p95 and p99 of a histogram. */
const speedOf = (metric: string): readonly PanelQuery[] => [
  quotient(`${metric}_sum`, `${metric}_count`, 'average'),
  percentile(0.95, metric),
  percentile(0.99, metric),
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
          kind: 'stat',
          queries: [
            within('15m', 'sallyport_logins_total{outcome="ok"}', '', 'succeeded'),
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
          unit: 'share',
          width: 9,
          queries: [
            quotient(
              'sallyport_logins_total{outcome="ok"}',
              'sallyport_logins_total{outcome=~"ok|refused|locked|limited"}',
              'succeeded',
            ),
          ],
          traces: SIGN_IN_TRACES,
        },
        {
          title: 'New accounts, sessions ended',
          description: 'Per second. Many sessions that end at once follow an incident or an administrator.',
          unit: 'ops',
          width: 9,
          queries: [
            perSecond('sallyport_signups_total{outcome="ok"}', '', 'accounts'),
            perSecond('sallyport_sessions_ended_total{outcome!="unavailable"}', '', 'sessions ended'),
          ],
        },
        {
          title: 'New passwords against the list of breached ones',
          description:
            'Checks per second. unavailable: the list did not answer, and the password was accepted unchecked.',
          unit: 'ops',
          width: 12,
          queries: [perSecond('sallyport_breach_lookups_total', 'outcome')],
        },
        {
          title: 'Password hashes upgraded, 1 h',
          description:
            'Hashes replaced by stronger ones after a sign-in, as after an import. failed: the next sign-in tries again.',
          width: 12,
          queries: [within('1h', 'sallyport_password_upgrades_total', 'outcome')],
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
          queries: [perSecond('sallyport_tokens_issued_total', 'grant, outcome')],
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
          width: 24,
          queries: [within('1h', 'sallyport_signals_received_total', 'outcome')],
          traces: '{ span.http.route = "/ssf/events" }',
        },
      ],
    },
  ],
};
