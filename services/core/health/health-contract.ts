import { z } from 'zod';
import { component, componentNames } from '#services/platform/define/component-names.ts';
import { defineEndpoint } from '#services/platform/define/endpoint.ts';
import { notReady } from './errors.ts';

export const readHealthEndpoint = defineEndpoint({
  path: '/healthz',
  operation: 'readHealth',
  summary: 'Liveness probe',
  tag: 'Operations',
  auth: 'public',
  answersWhileDraining: true,
  responses: { 200: z.object({ status: z.literal('ok') }) },
});

const components = component('ReadinessComponents', {
  api: z.enum(['ok', 'draining']),
  postgres: z.enum(['ok', 'unreachable']),
  keys: z.enum(['ok', 'stale']),
  revocations: z.enum(['ok', 'stale', 'rewound']),
  directory: z.enum(['ok', 'stale']),
  redis: z.enum(['ok', 'degraded']),
  replica: z.enum(['ok', 'stale', 'away', 'other']).optional(),
});
/** Each component both at the top level and in `components`. */
const readiness = z
  .object({ status: z.enum(['ready', 'not_ready']), components, ...components.shape })
  .register(componentNames, { id: 'Readiness' });

export const readReadinessEndpoint = defineEndpoint({
  ...readHealthEndpoint,
  path: '/readyz',
  operation: 'readReadiness',
  summary: 'Read whether this copy is ready, with the state of each component',
  responses: {
    200: readiness,
    503: readiness.extend({ code: z.literal('not_ready'), retryable: z.literal(true), trace_id: z.string() }),
  },
  errors: [notReady],
});
