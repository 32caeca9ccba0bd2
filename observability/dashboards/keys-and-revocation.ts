import type { DashboardDefinition } from './define.ts';
import { folded, percentile, perSecond, within } from './queries.ts';

const KEY_LOGS = '{service_namespace="sallyport"} |= "key"';

export const keysAndRevocation: DashboardDefinition = {
  uid: 'sallyport-keys-and-revocation',
  title: 'Sallyport · keys and revocation',
  description:
    'Whether the right key signs, verifiers have the key before it signs, and a revocation reaches every API process in time.',
  rows: [
    {
      title: 'Signing keys',
      panels: [
        {
          title: 'Age of the signing key',
          description:
            'Age of the oldest signing key as a share of its planned lifetime. Above 1 its rotation is overdue.',
          unit: 'percentunit',
          kind: 'stat',
          badFrom: 1,
          queries: [
            folded(
              'max',
              'sallyport_signing_key_age_seconds / sallyport_signing_key_age_max_seconds',
              '',
              'share of lifetime',
            ),
          ],
          logs: KEY_LOGS,
        },
        {
          title: 'Next key published',
          description:
            '1 when verifiers can already fetch the next signing key. It must be 1 one hold period before the current key reaches its planned age.',
          unit: 'none',
          kind: 'stat',
          queries: [folded('min', 'sallyport_signing_key_next_published', '', 'published')],
          logs: KEY_LOGS,
        },
        {
          title: 'Largest clock offset',
          description: "Difference between a copy's clock and the database's. Beyond 5 s a copy stops signing.",
          unit: 's',
          kind: 'stat',
          warnFrom: 1,
          badFrom: 5,
          queries: [folded('max', 'abs(sallyport_clock_offset_seconds)', '', 'offset')],
        },
        {
          title: 'Oldest key ring',
          description:
            'Longest time since a copy (an API process) confirmed its signing keys in Postgres. Past the bound (30 s) that copy stops signing.',
          unit: 's',
          kind: 'stat',
          badFrom: 30,
          queries: [folded('max', 'sallyport_key_ring_age_seconds', '', 'age')],
        },
        {
          title: 'Keys by state and algorithm',
          description:
            'Keys that each copy has loaded. There is one active key for each algorithm. Tokens of retiring keys are still accepted; tokens of compromised keys never are.',
          width: 12,
          queries: [
            { expr: 'max by (state, algorithm) (sallyport_signing_keys) > 0', legend: '{{algorithm}} {{state}}' },
          ],
          logs: KEY_LOGS,
        },
        {
          title: 'Rotations by outcome',
          description: 'Rotations of a signing key in a day. If one failed, the log of the worker says why.',
          width: 12,
          queries: [within('1d', 'sallyport_key_rotations_total', 'outcome')],
          logs: KEY_LOGS,
        },
        {
          title: 'Tokens of unknown or compromised keys',
          description:
            'Tokens rejected per second because of their key. Unknown keys right after a rotation mean that a copy has not loaded the new key yet.',
          unit: 'ops',
          width: 12,
          queries: [perSecond('sallyport_token_validations_total{reason=~"unknown_key|key_compromised"}', 'reason')],
          traces: '{ span.http.route = "/v1/tokens/validate" }',
        },
        {
          title: 'JWKS requests',
          description:
            'Requests per second for the JWKS. A burst from many verifiers at once means that their caches expire together.',
          unit: 'reqps',
          width: 12,
          queries: [perSecond('http_server_request_duration_seconds_count{route="/.well-known/jwks.json"}', 'status')],
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
            'Time since the copy that is furthest behind confirmed its revocations. Past the bound (2 s) that copy answers validations with 503.',
          unit: 's',
          badFrom: 2,
          queries: [folded('max', 'sallyport_revocation_staleness_seconds', 'instance, process')],
        },
        {
          title: 'Worst directory staleness',
          description:
            'Time since the copy that is furthest behind confirmed its clients, roles and permissions. Past the bound (2 s) that copy authenticates no client and decides no permission; it still validates tokens.',
          unit: 's',
          badFrom: 2,
          queries: [folded('max', 'sallyport_directory_staleness_seconds', 'instance, process')],
        },
        {
          title: 'Revocation latency, p99',
          description:
            'Time from the commit of a revocation until a copy enforces it, by the path it arrived on. The objective is one second.',
          unit: 's',
          badFrom: 1,
          queries: [percentile(0.99, 'sallyport_revocation_visibility_seconds', 'source', '')],
          traces: '{ span.http.route =~ ".*/revoke" }',
        },
        {
          title: 'Revocation budget used',
          description:
            'Entries in memory as a share of REVOCATION_BUDGET. At 0.8 an alert fires. At 1 single revocations are collapsed into epochs, which reject more tokens than were revoked.',
          unit: 'percentunit',
          min: 0,
          badFrom: 0.8,
          queries: [
            folded('max', 'sallyport_revocation_entries / sallyport_revocation_entries_max', 'instance, process'),
          ],
        },
        {
          title: 'Revocations pushed or polled',
          description:
            'Revocations that reached a copy, per second, by path. If all are polled, Redis is unavailable: revocations arrive later and none is lost.',
          unit: 'ops',
          queries: [perSecond('sallyport_revocation_visibility_seconds_count', 'source')],
        },
        {
          title: 'Collapses into epochs',
          description:
            'How often single revocations were collapsed into an epoch. An epoch rejects all earlier tokens of a user, a client or the installation.',
          queries: [within('1h', 'sallyport_revocation_collapses_total', 'into')],
        },
        {
          title: 'Healthy components',
          description:
            'Number of copies for which each component is healthy. Without Redis, copies are slower but still serve.',
          queries: [folded('sum', 'sallyport_component_ready', 'component')],
        },
      ],
    },
  ],
};
