import {
  createApiKeyEndpoint,
  listAllApiKeysEndpoint,
  listApiKeysEndpoint,
  revokeAnyApiKeyEndpoint,
  revokeApiKeyEndpoint,
  rotateApiKeyEndpoint,
  verifyApiKeyEndpoint,
} from '#services/domain/api-keys/contract.ts';
import { createApiKey } from '#services/domain/api-keys/create-api-key.ts';
import type { HasApiKeysChanged } from '#services/domain/api-keys/key-owner.ts';
import { listAllApiKeys, listApiKeys } from '#services/domain/api-keys/list-api-keys.ts';
import { revokeAnyApiKey, revokeApiKey } from '#services/domain/api-keys/revoke-api-key.ts';
import { rotateApiKey } from '#services/domain/api-keys/rotate-api-key.ts';
import { type VerifyApiKeyPorts, verifyApiKey } from '#services/domain/api-keys/verify-api-key.ts';
import type { Ports } from '#services/domain/ports.ts';
import { bind, bindOnce, bindText, type RouteContext } from '../bind.ts';
import { extractTokenFromRequest } from '../requests/credentials.ts';

export type ApiKeysRoutesDeps = Pick<Ports, 'transact' | 'sql' | 'random'> & VerifyApiKeyPorts & HasApiKeysChanged;

/** A body that needs no JSON parser: a key has no characters that JSON escapes. */
const PLAIN_KEY = /^\{"key":"(sp_ak_\w{1,128})"\}$/;

/** A caller's own API keys, and all keys for administrators. */
export function apiKeysRoutes(routes: RouteContext, deps: ApiKeysRoutesDeps): void {
  bindOnce(routes, createApiKeyEndpoint, ({ body }, caller, once) => createApiKey({ ...deps, ...once }, body, caller));
  bind(routes, listApiKeysEndpoint, async ({ query }, caller) => {
    const { items, next } = await listApiKeys(deps, query, caller);
    return { api_keys: items, next };
  });
  bindText(routes, verifyApiKeyEndpoint, (text, parsed, request) => {
    const key = PLAIN_KEY.exec(text)?.[1];
    if (key !== undefined) return verifyApiKey(deps, { key });
    return verifyApiKey(deps, parsed() ?? { key: extractTokenFromRequest(request) ?? '' });
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
