import type { HasAccess } from '#services/domain/access/access-directory.ts';
import {
  createApiKeyEndpoint,
  listAllApiKeysEndpoint,
  listApiKeysEndpoint,
  revokeAnyApiKeyEndpoint,
  revokeApiKeyEndpoint,
  rotateApiKeyEndpoint,
} from '#services/domain/api-keys/contract.ts';
import { createApiKey } from '#services/domain/api-keys/create-api-key.ts';
import type { HasApiKeysChanged } from '#services/domain/api-keys/key-owner.ts';
import { listAllApiKeys, listApiKeys } from '#services/domain/api-keys/list-api-keys.ts';
import { revokeAnyApiKey, revokeApiKey } from '#services/domain/api-keys/revoke-api-key.ts';
import { rotateApiKey } from '#services/domain/api-keys/rotate-api-key.ts';
import type { Ports } from '#services/domain/ports.ts';
import { bind, bindOnce, type RouteContext } from '../bind.ts';

export type ApiKeysRoutesDeps = Pick<Ports, 'transact' | 'sql' | 'random'> & HasAccess & HasApiKeysChanged;

/** A caller's own API keys, and all keys for administrators. */
export function apiKeysRoutes(routes: RouteContext, deps: ApiKeysRoutesDeps): void {
  bindOnce(routes, createApiKeyEndpoint, ({ body }, caller, once) => createApiKey({ ...deps, ...once }, body, caller));
  bind(routes, listApiKeysEndpoint, async ({ query }, caller) => {
    const { items, next } = await listApiKeys(deps, query, caller);
    return { api_keys: items, next };
  });
  bind(routes, rotateApiKeyEndpoint, ({ params, body }, caller) =>
    rotateApiKey(deps, { apiKeyId: params.api_key_id, overlapSeconds: body?.overlap_seconds }, caller),
  );
  bind(routes, revokeApiKeyEndpoint, ({ params }, caller) =>
    revokeApiKey(deps, { apiKeyId: params.api_key_id }, caller),
  );
  bind(routes, listAllApiKeysEndpoint, async ({ query }) => {
    const { items, next } = await listAllApiKeys(deps, query);
    return { api_keys: items, next };
  });
  bind(routes, revokeAnyApiKeyEndpoint, async ({ params, body }, caller) => ({
    api_key: await revokeAnyApiKey(deps, { apiKeyId: params.api_key_id, reason: body.reason }, caller),
  }));
}
