import type { DashboardDefinition } from './define.ts';

const keyLogs = '{service_namespace="sallyport"} |= "key"';

export const keysAndRevocation: DashboardDefinition = {
  uid: 'sallyport-keys-and-revocation',
  title: 'Sallyport · keys and revocation',
  description: 'Whether the right key signs, verifiers can follow, and a revocation reaches every copy in time.',
  rows: [
    {
      title: 'Signing keys',
      panels: [
        {
          title: 'Age of the signing key',
          description: 'Share of its planned life that the signing key has used. Above 1 its rotation is overdue.',
          unit: 'percentunit',
          kind: 'stat',
          width: 6,
          badFrom: 1,
          queries: [
            {
              expr: 'max(sallyport_signing_key_age_seconds / sallyport_signing_key_age_max_seconds)',
              legend: 'of its life',
            },
          ],
          logs: keyLogs,
        },
        {
          title: 'Next key published',
          description:
            '1 when verifiers can already fetch the key that signs next. Needed one hold before the age reaches its end.',
          unit: 'none',
          kind: 'stat',
          width: 6,
          queries: [{ expr: 'min(sallyport_signing_key_next_published)', legend: 'published' }],
          logs: keyLogs,
        },
        {
          title: 'Largest clock offset',
          description: "A copy's clock against the database's. Beyond 5 s a copy stops signing.",
          unit: 's',
          kind: 'stat',
          width: 6,
          warnFrom: 1,
          badFrom: 5,
          queries: [{ expr: 'max(abs(sallyport_clock_offset_seconds))', legend: 'offset' }],
        },
        {
          title: 'Oldest key ring',
          description:
            'Time since the copy furthest behind confirmed its key ring. Past its bound (30 s) that copy stops signing.',
          unit: 's',
          kind: 'stat',
          width: 6,
          badFrom: 30,
          queries: [{ expr: 'max(sallyport_key_ring_age_seconds)', legend: 'age' }],
        },
        {
          title: 'Keys by state',
          description:
            'Keys that each copy knows. One active key per purpose; retiring ones still verify; compromised ones never do.',
          unit: 'short',
          width: 12,
          queries: [{ expr: 'max by (state) (sallyport_signing_keys)', legend: '{{state}}' }],
          logs: keyLogs,
        },
        {
          title: 'Rotations by outcome',
          description: 'Rotations of a signing key in a day. Failed needs a look at the log.',
          unit: 'short',
          width: 12,
          queries: [{ expr: 'sum by (outcome) (increase(sallyport_key_rotations_total[1d]))', legend: '{{outcome}}' }],
          logs: keyLogs,
        },
        {
          title: 'Tokens of unknown or compromised keys',
          description:
            'Tokens refused a second because of their key. Unknown keys after a rotation mean that a copy or a verifier lags.',
          unit: 'ops',
          width: 12,
          queries: [
            {
              expr: 'sum by (reason) (rate(sallyport_token_validations_total{reason=~"unknown_key|key_compromised"}[$__rate_interval]))',
              legend: '{{reason}}',
            },
          ],
          traces: '{ span.http.route = "/v1/tokens/validate" }',
        },
        {
          title: 'JWKS requests',
          description:
            'Requests for the JWKS a second. A burst from many verifiers at once means that their caches expire together.',
          unit: 'reqps',
          width: 12,
          queries: [
            {
              expr: 'sum by (status) (rate(http_server_request_duration_seconds_count{route="/.well-known/jwks.json"}[$__rate_interval]))',
              legend: '{{status}}',
            },
          ],
          traces: '{ span.http.route = "/.well-known/jwks.json" }',
        },
      ],
    },
    {
      title: 'Revocation',
      panels: [
        {
          title: 'Worst revocation staleness',
          description:
            'Age of what a copy knows about revocations. Past its bound (2 s) it refuses to validate with 503.',
          unit: 's',
          badFrom: 2,
          queries: [
            {
              expr: 'max by (instance, process) (sallyport_revocation_staleness_seconds)',
              legend: '{{instance}} {{process}}',
            },
          ],
        },
        {
          title: 'Revocation latency, p99',
          description:
            'Time until a committed revocation is refused on a copy, by the way it arrived. The promise is one second.',
          unit: 's',
          badFrom: 1,
          queries: [
            {
              expr: 'histogram_quantile(0.99, sum by (le, source) (rate(sallyport_revocation_visibility_seconds_bucket[$__rate_interval])))',
              legend: '{{source}}',
            },
          ],
          traces: '{ span.http.route =~ ".*/revoke" }',
        },
        {
          title: 'Revocation budget used',
          description:
            'Entries in memory as a share of REVOCATION_BUDGET. At 0.8 there is an alert, at 1 they collapse into epochs.',
          unit: 'percentunit',
          min: 0,
          badFrom: 0.8,
          queries: [
            {
              expr: 'max by (instance, process) (sallyport_revocation_entries / sallyport_revocation_entries_max)',
              legend: '{{instance}} {{process}}',
            },
          ],
        },
        {
          title: 'Revocations pushed or polled',
          description:
            'Revocations that reached a copy a second. Only polled means that Redis is away: slower, never lost.',
          unit: 'ops',
          queries: [
            {
              expr: 'sum by (source) (rate(sallyport_revocation_visibility_seconds_count[$__rate_interval]))',
              legend: '{{source}}',
            },
          ],
        },
        {
          title: 'Collapses into epochs',
          description: 'Times that single revocations were traded for an epoch, which refuses more than they did.',
          unit: 'short',
          queries: [{ expr: 'sum by (into) (increase(sallyport_revocation_collapses_total[1h]))', legend: '{{into}}' }],
        },
        {
          title: 'Healthy components',
          description: 'Copies for which each part is in order. Redis missing costs speed only.',
          unit: 'short',
          queries: [{ expr: 'sum by (component) (sallyport_component_ready)', legend: '{{component}}' }],
        },
      ],
    },
  ],
};
