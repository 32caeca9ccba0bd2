import { z } from 'zod';
import { defineJob } from '#services/platform/define/job.ts';

const id = z.uuid();
const at = z.iso.datetime();
const percent = z.int().min(0).max(100);
const code = z.string().regex(/^[a-z][a-z0-9_.-]{0,63}$/);
/** Figures and facts by name: bounded, and no free text of users. */
const facts = z
  .record(code, z.union([z.number(), z.boolean(), z.string().max(128)]))
  .refine((given) => Object.keys(given).length <= 20, 'at most 20 members');

export const AUTHENTICATION_EVENTS = ['login', 'logout', 'refresh', 'verify', 'failure'] as const;
export const COMPONENTS = [
  'jwt-service',
  'better-auth',
  'middleware',
  'security',
  'phase6',
  'monitoring',
  'deployment',
] as const;
export const COMPONENT_STATES = ['not_started', 'in_progress', 'blocked', 'done'] as const;

export const recordProgressJob = defineJob({
  name: 'record-progress',
  queue: 'mcp-progress',
  payload: z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('authentication'), id, at, event: z.enum(AUTHENTICATION_EVENTS) }),
    z.strictObject({ kind: z.literal('metrics'), id, at, metrics: facts }),
    z.strictObject({
      kind: z.literal('component'),
      id,
      at,
      component: z.enum(COMPONENTS),
      status: z.enum(COMPONENT_STATES),
      percent,
      coverage: percent.optional(),
      security_score: percent.optional(),
    }),
  ]),
  attempts: 10,
  backoffSeconds: 2,
  timeoutSeconds: 10,
  meaning: 'Store one report of an embedding application on authentication, security metrics or a component',
});

/** In the queue of the detections, so that no number of progress reports delays it. */
export const recordIncidentJob = defineJob({
  name: 'record-incident',
  queue: 'incident-detection',
  payload: z.strictObject({
    id,
    at,
    type: code,
    severity: z.enum(['low', 'medium', 'high', 'critical']),
    user_id: z.string().min(1).max(64),
    detail: facts,
  }),
  attempts: 10,
  backoffSeconds: 2,
  timeoutSeconds: 10,
  meaning: 'Store the incident that an embedding application reported',
});

export const measureProgressJob = defineJob({
  name: 'measure-progress',
  queue: 'mcp-progress',
  attempts: 3,
  schedule: { everySeconds: 30, idleSeconds: 3_600 },
  staleAfterSeconds: 900,
  meaning: 'Measure the security metrics',
});

/** In the queue of the reports: both read whole tables, one after the other. */
export const rehearseRestoreJob = defineJob({
  name: 'rehearse-restore',
  queue: 'compliance-reports',
  attempts: 2,
  backoffSeconds: 3_600,
  schedule: { everySeconds: 604_800 },
  staleAfterSeconds: 1_296_000,
  timeoutSeconds: 3_600,
  meaning:
    'Restore a fresh backup into a database beside the installation, check it and drop it; does nothing without RESTORE_DRILL_URL',
});

export const advanceTasksJob = defineJob({
  name: 'advance-tasks',
  queue: 'mcp-progress',
  attempts: 3,
  backoffSeconds: 2,
  schedule: { everySeconds: 2, idleSeconds: 3_600 },
  meaning: 'Continue the tasks of MCP clients, and store what became of them',
});
