import { z } from 'zod';

const facts = z.record(z.string(), z.unknown()).nullable();

export const authenticationProgressView = z.object({
  events: z.array(
    z.object({
      event: z.string(),
      /** `measured` from the audit log, or `reported` by an embedding application. */
      source: z.string(),
      current_hour: z.int(),
      last_day: z.int(),
    }),
  ),
});
export type AuthenticationProgress = z.output<typeof authenticationProgressView>;

export const securityMetricsView = z.object({
  measured: facts,
  measured_at: z.string().nullable(),
  reported: facts,
  reported_at: z.string().nullable(),
});
export type SecurityMetrics = z.output<typeof securityMetricsView>;

export const componentProgressView = z.object({
  components: z.array(
    z.object({
      component: z.string(),
      status: z.string(),
      percent: z.number(),
      coverage: z.number().nullable(),
      security_score: z.number().nullable(),
      updated_at: z.string(),
      /** Members that this installation measured: they replace what was reported. */
      measured: z.array(z.string()),
    }),
  ),
});
export type ComponentProgress = z.output<typeof componentProgressView>;
