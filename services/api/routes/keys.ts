import { readJwksAliasEndpoint, readJwksEndpoint } from '#services/core/keys/contract.ts';
import type { HasKeyRing } from '#services/core/keys/key-ring.ts';
import { readJwks } from '#services/core/keys/read-jwks.ts';
import { answer } from '#services/core/shared/answer.ts';
import { bind, type RouteContext } from '../bind.ts';

export function keysRoutes(routes: RouteContext, deps: HasKeyRing): void {
  for (const endpoint of [readJwksEndpoint, readJwksAliasEndpoint])
    bind(routes, endpoint, (_input, _caller, request) => {
      const { status, body, headers } = readJwks(deps, { ifNoneMatch: request.headers['if-none-match'] });
      return answer(status, body, headers);
    });
}
