import type { Ports } from '#services/core/ports.ts';
import { signOffOperations } from '#services/wings/signoff/operations.ts';
import type { HasSignOffLimit } from '#services/wings/signoff/request-signoff.ts';
import type { StartSignOffPorts } from '#services/wings/signoff/start-signoff.ts';
import type { RouteContext } from '../bind.ts';
import { bindOperations } from '../bind-operations.ts';
import { type SignOffPagesPorts, signOffPagesRoutes } from './signoff-pages.ts';

export type SignOffRoutesPorts = StartSignOffPorts & SignOffPagesPorts & HasSignOffLimit & Pick<Ports, 'random'>;

/** Sign-offs: requested by agents and people, decided by people, run once. */
export function signOffRoutes(routes: RouteContext, ports: SignOffRoutesPorts): void {
  bindOperations(routes, signOffOperations, ports);
  signOffPagesRoutes(routes, ports);
}
