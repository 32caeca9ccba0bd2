import { readJwksAliasEndpoint, readJwksEndpoint } from '#services/core/keys/contract.ts';
import { keyOperations } from '#services/core/keys/operations.ts';
import { readJwks } from '#services/core/keys/read-jwks.ts';
import type { PortsOf } from '#services/core/shared/operation.ts';
import { answer } from '../answer.ts';
import { bind, type RouteContext } from '../bind.ts';
import { bindOperations } from '../bind-operations.ts';

/** The public key set, and the key ring for operators. */
export function keysRoutes(routes: RouteContext, deps: PortsOf<typeof keyOperations>): void {
  for (const endpoint of [readJwksEndpoint, readJwksAliasEndpoint])
    bind(routes, endpoint, (_input, _caller, request) => {
      const { status, body, headers } = readJwks(deps, { ifNoneMatch: request.headers['if-none-match'] });
      return answer(status, body, headers);
    });
  bindOperations(routes, keyOperations, deps);
}
