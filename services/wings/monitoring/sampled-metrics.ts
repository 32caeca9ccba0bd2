/** A metric that samples have, and its labels that stay apart; series that differ in other labels are added up. */
type Sampled = { readonly metric: string; readonly by?: readonly string[] };

/** What a copy writes of its metrics, by the names that samples have. */
export const SAMPLED_HISTOGRAMS = {
  token_generation: { metric: 'sallyport_token_issue_duration_seconds' },
  token_refresh: { metric: 'sallyport_token_refresh_duration_seconds' },
  token_validation: { metric: 'sallyport_token_validation_duration_seconds' },
  token_signing: { metric: 'sallyport_token_sign_duration_seconds', by: ['algorithm'] },
  password_hash: { metric: 'sallyport_hash_duration_seconds' },
  password_wait: { metric: 'sallyport_hash_queue_wait_seconds' },
  pool_wait: { metric: 'sallyport_postgres_pool_wait_seconds', by: ['pool'] },
} as const satisfies Readonly<Record<string, Sampled>>;

export const SAMPLED_COUNTERS = {
  validations: { metric: 'sallyport_token_validations', by: ['result'] },
  issued: { metric: 'sallyport_tokens_issued', by: ['outcome'] },
  verdict_cache: { metric: 'sallyport_token_verdict_cache', by: ['outcome'] },
  session_cache: { metric: 'sallyport_session_cache', by: ['outcome'] },
  cpu_seconds: { metric: 'process_cpu_time_seconds' },
  hash_cpu_seconds: { metric: 'sallyport_hash_processor_seconds' },
  hashes: { metric: 'sallyport_hash_jobs', by: ['outcome'] },
  pool_timeouts: { metric: 'sallyport_postgres_pool_timeouts', by: ['pool'] },
} as const satisfies Readonly<Record<string, Sampled>>;

export const SAMPLED_GAUGES = {
  memory_bytes: { metric: 'process_memory_usage_bytes' },
  heap_bytes: { metric: 'nodejs_heap_bytes', by: ['state'] },
  event_loop_delay_seconds: { metric: 'nodejs_eventloop_delay_seconds', by: ['quantile'] },
  event_loop_utilization: { metric: 'nodejs_eventloop_utilization_ratio' },
  pool: { metric: 'sallyport_postgres_pool_connections', by: ['pool', 'state'] },
  hash_queue: { metric: 'sallyport_hash_queue_depth' },
  revocations: { metric: 'sallyport_revocation_entries' },
  revocations_max: { metric: 'sallyport_revocation_entries_max' },
  queue: { metric: 'sallyport_queue_jobs', by: ['queue', 'state'] },
  queue_age_seconds: { metric: 'sallyport_queue_oldest_job_age_seconds', by: ['queue'] },
  unsealed_age_seconds: { metric: 'sallyport_audit_outbox_oldest_age_seconds' },
} as const satisfies Readonly<Record<string, Sampled>>;

const all: readonly Sampled[] = [
  ...Object.values(SAMPLED_HISTOGRAMS),
  ...Object.values(SAMPLED_COUNTERS),
  ...Object.values(SAMPLED_GAUGES),
];

export const SAMPLED_METRICS: ReadonlySet<string> = new Set(all.map(({ metric }) => metric));
