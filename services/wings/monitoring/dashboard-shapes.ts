import { z } from 'zod';
import { SEVERITIES } from '#services/core/security/incident-shapes.ts';
import { component, componentNames } from '#services/platform/define/component-names.ts';

const COPY_KINDS = ['api', 'worker'] as const;
export type CopyKind = (typeof COPY_KINDS)[number];

/** How often a copy writes what it measured in its hour. */
export const SAMPLE_SECONDS = 45;
/** Figures that are older are stale: a write of a copy is missing. */
export const STALE_SECONDS = 50;
/** Hours before the current one that the figures of performance have too. */
export const HOURS_BEFORE = 1;
/** How long a copy that stopped is listed. */
export const LISTED_SECONDS = 900;
/** Hours of the series of the dashboard: the current one and those before. */
export const DASHBOARD_HOURS = 24;

const instant = z.iso.datetime();
const amount = z.int().min(0);

/** `stale`: the figures are those of `as_of`, and newer ones are overdue. `missing`: there are none, and every figure is 0, null or empty. */
export const PART_STATES = ['fresh', 'stale', 'missing'] as const;
const part = {
  state: z.enum(PART_STATES),
  /** When the figures were complete. */
  as_of: instant.nullable(),
};

const rateView = component('SuccessRate', {
  succeeded: amount,
  failed: amount,
  /** Of those that ended, in percent with two decimals; null without any. */
  success_percent: z.number().nullable(),
});

const durationView = component('DurationMetric', {
  count: amount,
  /** Milliseconds. Null without any. */
  average_ms: z.number().nullable(),
  /** Estimated between the bounds of a histogram; at least its last bound if it is above it. */
  p95_ms: z.number().nullable(),
  p99_ms: z.number().nullable(),
});

const bySeverity = z.object(
  Object.fromEntries(SEVERITIES.map((severity) => [severity, amount])) as Record<
    (typeof SEVERITIES)[number],
    typeof amount
  >,
);

export const securityFigures = {
  sign_ins_succeeded: amount,
  /** Refused, or refused because of a lock. */
  sign_ins_failed: amount,
  sign_ups: amount,
  sessions_ended: amount,
  /** Accepted requests to revoke tokens, sessions, families, clients, API keys and keys. */
  revocations: amount,
  incidents_raised: amount,
  /** Requests of an authenticated caller that were denied; at most one in a minute for each caller and permission. */
  denials: amount,
};

const securityHourView = z
  .object({ /** Its beginning. */ hour: instant, ...securityFigures })
  .register(componentNames, { id: 'SecurityHour' });

const securityPartView = component('SecurityPart', {
  ...part,
  /** Age of the oldest event that no figure contains because it is not sealed yet; null if no worker said so lately. */
  delay_seconds: z.number().nullable(),
  /** The 24 hours below. */
  sign_ins: rateView,
  /** Open or acknowledged, by severity; read now. */
  open_incidents: bySeverity,
  /** Accounts whose password is refused on unknown devices. */
  locked_accounts: amount.nullable(),
  /** The current hour and the 23 before, oldest first; each has all its members, also without an event. */
  hours: z.array(securityHourView),
});

const performancePartView = component('PerformancePart', {
  ...part,
  /** At most: the current clock hour and the one before. */
  window_seconds: z.int(),
  /** Tokens that were issued, with the time for database and signature. */
  token_generation: durationView,
  token_refresh: durationView,
  token_validation: durationView,
  /** Hashing or verifying one password, without the wait. */
  password_hash: durationView,
  /** By the result of the validation. */
  validations: z.object({ active: amount, inactive: amount, unavailable: amount }),
  /** Sign-ins of the current hour and the hour before, from the sealed log. */
  sign_ins: rateView,
});

const tokensPartView = component('TokensPart', {
  ...part,
  /** As GET /v1/tokens/stats defines them. */
  issued: amount,
  active: amount,
  refreshed: amount,
  revoked: amount,
  expired: amount,
  replays: amount,
});

const poolView = component('PoolUse', {
  pool: z.string(),
  used: amount,
  idle: amount,
  waiting: amount,
  /** In the copy's hour: how long a statement waited for a connection. */
  wait: durationView,
  timeouts: amount,
});

const copyView = component('CopyUse', {
  /** Of the run of a process; another after a restart. */
  copy_id: z.string(),
  kind: z.enum(COPY_KINDS),
  state: z.enum(PART_STATES),
  as_of: instant,
  /** Cores that were busy on average in the copy's hour, without those of password hashing. */
  cpu_cores: z.number(),
  hash_cpu_cores: z.number(),
  memory_bytes: amount,
  heap_used_bytes: amount,
  /** The process ends when its heap reaches it. */
  heap_limit_bytes: amount,
  event_loop_p99_ms: z.number().nullable(),
  /** 1: the event loop was never idle. */
  event_loop_utilization: z.number().nullable(),
  hash_queue: amount.nullable(),
  pools: z.array(poolView),
});

const queueView = component('QueueUse', {
  queue: z.string(),
  waiting: amount,
  active: amount,
  delayed: amount,
  dead: amount,
  oldest_seconds: z.number(),
});

const resourcesPartView = component('ResourcesPart', {
  ...part,
  /** Copies that wrote in the last 15 minutes; one that stopped is stale until then. */
  copies: z.array(copyView),
  /** As the worker saw them that wrote last. */
  queues: z.array(queueView),
});

export const dashboardView = component('Dashboard', {
  /** When it was read. */
  as_of: instant,
  security: securityPartView,
  performance: performancePartView,
  tokens: tokensPartView,
  resources: resourcesPartView,
});

export type SecurityFigures = { readonly [K in keyof typeof securityFigures]: number };
export type Rate = z.output<typeof rateView>;
export type Duration = z.output<typeof durationView>;
export type SecurityHour = z.output<typeof securityHourView>;
export type SecurityPart = z.output<typeof securityPartView>;
export type PerformancePart = z.output<typeof performancePartView>;
export type TokensPart = z.output<typeof tokensPartView>;
export type CopyUse = z.output<typeof copyView>;
export type QueueUse = z.output<typeof queueView>;
export type ResourcesPart = z.output<typeof resourcesPartView>;
export type Dashboard = z.output<typeof dashboardView>;
