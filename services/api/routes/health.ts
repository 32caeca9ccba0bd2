import { notReady } from '#services/core/health/errors.ts';
import { readHealthEndpoint, readReadinessEndpoint } from '#services/core/health/health-contract.ts';
import { type ReadinessSources, readReadiness } from '#services/core/health/readiness.ts';
import { answer } from '#services/core/shared/answer.ts';
import { bind, type RouteContext } from '../bind.ts';

/** Liveness and readiness, from memory. */
export function healthRoutes(routes: RouteContext, sources: ReadinessSources): void {
  bind(routes, readHealthEndpoint, () => ({ status: 'ok' }));
  bind(routes, readReadinessEndpoint, (_input, _caller, { trace }) => {
    const { status, components } = readReadiness(sources);
    const body = { status, components, ...components };
    if (status === 'ready') return answer(200, body);
    const { code, retryable } = notReady.definition;
    return answer(503, { ...body, code, retryable, trace_id: trace.traceId }, { 'retry-after': '1' });
  });
}
