import { readHealthEndpoint, readReadinessEndpoint } from '../../domain/operations/health-contract.ts';
import { type ReadinessSources, readReadiness } from '../../domain/operations/readiness.ts';
import { answer } from '../answer.ts';
import { bind, type RouteContext } from '../bind.ts';

/** Liveness and readiness, from memory. */
export function healthRoutes(routes: RouteContext, sources: ReadinessSources): void {
  bind(routes, readHealthEndpoint, () => ({ status: 'ok' }));
  bind(routes, readReadinessEndpoint, () => {
    const readiness = readReadiness(sources);
    return readiness.status === 'ready' ? answer(200, readiness) : answer(503, readiness, { 'retry-after': '1' });
  });
}
