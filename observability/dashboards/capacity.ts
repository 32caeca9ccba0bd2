import type { DashboardDefinition } from './define.ts';
import { folded, percentile, perSecond, quotient } from './queries.ts';

export const capacity: DashboardDefinition = {
  uid: 'sallyport-capacity',
  title: 'Sallyport · capacity by cost driver',
  description:
    'What each kind of work costs and how near it is to its limit: processor, hashing, database, signing, memory.',
  rows: [
    {
      title: 'Processor: validation and everything else',
      panels: [
        {
          title: 'Event loop busy',
          description:
            'Share of time that the event loop of a process was busy. Above 0.8 latency grows fast: add an API process.',
          unit: 'share',
          warnFrom: 0.7,
          badFrom: 0.85,
          queries: [{ expr: 'nodejs_eventloop_utilization_ratio', legend: '{{instance}} {{process}}' }],
        },
        {
          title: 'Event loop delay',
          description: 'Event loop delay in the last 10 s. A p99 above 50 ms delays every request of that copy.',
          unit: 's',
          warnFrom: 0.05,
          badFrom: 0.1,
          queries: [
            { expr: 'nodejs_eventloop_delay_seconds{quantile="p99"}', legend: 'p99 {{instance}} {{process}}' },
            { expr: 'nodejs_eventloop_delay_seconds{quantile="max"}', legend: 'max {{instance}} {{process}}' },
          ],
        },
        {
          title: 'Processor time',
          description: 'Cores used by each process. Hashing runs in separate processes and is not counted here.',
          unit: 'cores',
          queries: [perSecond('process_cpu_time_seconds_total', 'instance, process')],
        },
        {
          title: 'Processor time per request',
          description:
            'Seconds of one core for each request of the API. If the value jumps without a release, the mix of requests has changed.',
          unit: 's',
          queries: [
            quotient(
              'process_cpu_time_seconds_total{process=~"api.*"}',
              'http_server_request_duration_seconds_count',
              '{{instance}}',
              'instance',
            ),
          ],
        },
        {
          title: 'Validation time without HTTP',
          description:
            'Time to validate one token. A cached signature takes microseconds; cache misses raise the time.',
          unit: 's',
          queries: [
            percentile(0.99, 'sallyport_token_validation_duration_seconds'),
            percentile(0.5, 'sallyport_token_validation_duration_seconds'),
          ],
          traces: '{ span.http.route = "/v1/tokens/validate" }',
        },
        {
          title: 'Signature cache hit rate',
          description:
            'Share of validations whose signature was already verified. The share is low when clients send short-lived or single-use tokens.',
          unit: 'share',
          queries: [
            quotient(
              'sallyport_token_verdict_cache_total{outcome="hit"}',
              'sallyport_token_verdict_cache_total',
              'hits',
            ),
          ],
        },
        {
          title: 'Session cache hit rate',
          description:
            'Share of session look-ups that Redis answered. The others read Postgres; a session is read again every five minutes.',
          unit: 'share',
          queries: [quotient('sallyport_session_cache_total{outcome="hit"}', 'sallyport_session_cache_total', 'hits')],
        },
      ],
    },
    {
      title: 'Hashing: sign-in and sign-up',
      panels: [
        {
          title: 'Passwords waiting',
          description:
            'Passwords waiting to be hashed. If the queue does not empty, there are more sign-ins than the cores can hash: add cores. More API processes on the same cores do not help.',
          queries: [folded('sum', 'sallyport_hash_queue_depth', 'instance, process')],
        },
        {
          title: 'Hashing wait and duration, p99',
          description:
            'How long a password waited, and how long its hashing took. After 2 s of waiting the request is answered with 503.',
          unit: 's',
          badFrom: 2,
          queries: [
            percentile(0.99, 'sallyport_hash_queue_wait_seconds', '', 'wait'),
            percentile(0.99, 'sallyport_hash_duration_seconds', 'operation', ''),
          ],
          traces: '{ span.http.route =~ "/api/auth/sign.*" }',
        },
        {
          title: 'Share of a core that a hash gets',
          description:
            'Processor time of hashing, divided by the time that it took. Near 1, the children have the cores to themselves; below a quarter, other processes take them, and sign-ins are slow.',
          unit: 'percentunit',
          queries: [
            quotient(
              'sallyport_hash_processor_seconds_total',
              'sallyport_hash_duration_seconds_sum',
              '{{instance}}',
              'instance',
            ),
          ],
        },
        {
          title: 'Hashing by outcome',
          description:
            'Hashing jobs per second. Full (the queue was full) and expired (it waited too long) are requests refused with 503.',
          unit: 'ops',
          queries: [perSecond('sallyport_hash_jobs_total', 'outcome')],
        },
      ],
    },
    {
      title: 'Database: refresh, issue, revoke',
      panels: [
        {
          title: 'Connections in use',
          description:
            'Busy connections of each pool. When a pool is full and statements wait, this copy cannot do more.',
          queries: [
            { expr: 'sum by (pool) (sallyport_postgres_pool_connections{state="used"})', legend: '{{pool}} used' },
            {
              expr: 'sum by (pool) (sallyport_postgres_pool_connections{state="waiting"})',
              legend: '{{pool}} waiting',
            },
          ],
        },
        {
          title: 'Wait for a connection, p99',
          description:
            'Time a statement waited for a connection of its pool. Above 100 ms the database is slow or the pool too small.',
          unit: 's',
          warnFrom: 0.1,
          badFrom: 0.9,
          queries: [percentile(0.99, 'sallyport_postgres_pool_wait_seconds', 'pool', '')],
          traces: '{ resource.service.namespace = "sallyport" && span.db.system.name = "postgresql" }',
        },
        {
          title: 'Statements without a connection',
          description: 'Statements that got no connection in time. Their requests were answered with 503.',
          unit: 'ops',
          queries: [perSecond('sallyport_postgres_pool_timeouts_total', 'pool')],
        },
        {
          title: 'Statements refused',
          description:
            'Statements that Postgres rejected: its disk is full, it is read-only, or its connections are used up.',
          unit: 'ops',
          queries: [perSecond('sallyport_postgres_refusals_total', 'reason')],
        },
        {
          title: 'Reads of the replica',
          description:
            'Reads that the read replica may answer, by who answered and the state of the replica. None without a replica.',
          unit: 'ops',
          queries: [
            {
              expr: 'sum by (by, state) (rate(sallyport_replica_reads_total[$__rate_interval]))',
              legend: '{{by}}, {{state}}',
            },
          ],
        },
        {
          title: 'Age of the replica',
          description: 'How far the read replica was behind when it was last asked.',
          unit: 's',
          queries: [folded('max', 'sallyport_replica_age_seconds', 'process')],
        },
        {
          title: 'Refresh batch size',
          description:
            'Refresh tokens in one statement: 1 when idle, more under load. Larger batches cost the database less per token.',
          unit: 'none',
          queries: [
            quotient('sallyport_token_refresh_batch_size_sum', 'sallyport_token_refresh_batch_size_count', 'mean'),
            percentile(0.99, 'sallyport_token_refresh_batch_size'),
          ],
        },
        {
          title: 'Refresh, p99',
          description: 'Time to refresh a token, without HTTP: one shared statement and one signature.',
          unit: 's',
          queries: [percentile(0.99, 'sallyport_token_refresh_duration_seconds')],
          traces: '{ span.http.route = "/v1/tokens/refresh" }',
        },
        {
          title: 'Signing, p99 by algorithm',
          description:
            'Time to sign one token, including the wait for a free slot. RS256 costs ten times as much as EdDSA and ES256.',
          unit: 's',
          queries: [percentile(0.99, 'sallyport_token_sign_duration_seconds', 'algorithm', '')],
        },
      ],
    },
    {
      title: 'Memory',
      panels: [
        {
          title: 'Resident memory',
          description: 'Memory of each process as the operating system counts it.',
          unit: 'bytes',
          queries: [{ expr: 'process_memory_usage_bytes', legend: '{{instance}} {{process}}' }],
        },
        {
          title: 'JavaScript heap against its limit',
          description: 'Share of the heap limit in use. At 1 the process crashes; a saw-tooth below 0.7 is healthy.',
          unit: 'share',
          badFrom: 0.9,
          queries: [
            {
              expr: 'max by (instance, process) (nodejs_heap_bytes{state="used"}) / max by (instance, process) (nodejs_heap_bytes{state="limit"})',
              legend: '{{instance}} {{process}}',
            },
          ],
        },
        {
          title: 'Time in garbage collection',
          description:
            'Share of time spent in pauses, by kind. Above a few percent the heap is too small for the work.',
          unit: 'percentunit',
          queries: [perSecond('v8js_gc_duration_seconds_sum', 'gc_type, instance, process')],
        },
        {
          title: 'Revocation budget used, now and in a day',
          description:
            'Share of the memory budget for revocations in use, now and in a day if the trend of the last six hours continues.',
          unit: 'percentunit',
          min: 0,
          badFrom: 0.8,
          queries: [
            folded('max', 'sallyport_revocation_entries / sallyport_revocation_entries_max', '', 'now'),
            folded(
              'max',
              'predict_linear(sallyport_revocation_entries[6h], 86400) / sallyport_revocation_entries_max',
              '',
              'in a day',
            ),
          ],
        },
        {
          title: 'Spans exported and lost',
          description:
            'Sampled spans by outcome. Failed and dropped mean that the collector is unavailable or too slow; requests do not wait for it.',
          unit: 'ops',
          queries: [perSecond('sallyport_telemetry_spans_total', 'outcome')],
        },
        {
          title: 'Log lines dropped',
          description: 'Log lines dropped because standard error was not read fast enough.',
          unit: 'ops',
          queries: [perSecond('sallyport_telemetry_log_lines_dropped_total', 'instance, process')],
        },
      ],
    },
  ],
};
