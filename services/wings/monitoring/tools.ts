import { z } from 'zod';
import { listAuditEventsEndpoint } from '#services/core/audit/contract.ts';
import { listIncidentsEndpoint } from '#services/core/security/contract.ts';
import { needOf, tool } from '#services/core/shared/tool.ts';
import { authenticationProgressView, componentProgressView, securityMetricsView } from './progress/progress-shapes.ts';
import { readAuthenticationProgress, readComponentProgress, readSecurityMetrics } from './progress/read-progress.ts';

const NONE = z.strictObject({});

export const monitoringTools = [
  tool({
    name: 'read_authentication_progress',
    title: 'Authentication progress',
    description:
      'Count sign-ins, sign-outs, refreshes, validations and failures of this clock hour and of the last 24, measured from the audit log or reported by an application.',
    need: needOf(listAuditEventsEndpoint),
    input: NONE,
    output: authenticationProgressView,
    resource: 'sallyport://progress/authentication',
    run: readAuthenticationProgress,
  }),
  tool({
    name: 'read_security_metrics',
    title: 'Security metrics',
    description:
      'Read the newest measured security metrics (tokens, open incidents, security score), and those that an application reported.',
    need: needOf(listIncidentsEndpoint),
    input: NONE,
    output: securityMetricsView,
    resource: 'sallyport://progress/security',
    run: readSecurityMetrics,
  }),
  tool({
    name: 'read_component_progress',
    title: 'Component progress',
    description: 'Read status, percentage, test coverage and security score of each component.',
    need: null,
    input: NONE,
    output: componentProgressView,
    resource: 'sallyport://progress/components',
    run: readComponentProgress,
  }),
] as const;
