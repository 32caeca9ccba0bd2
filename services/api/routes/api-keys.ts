import { verifyApiKeyEndpoint } from '#services/core/api-keys/contract.ts';
import type { HasApiKeysChanged } from '#services/core/api-keys/key-owner.ts';
import { type VerifyApiKeyPorts, verifyApiKey } from '#services/core/api-keys/verify-api-key.ts';
import type { Ports } from '#services/core/ports.ts';
import { bindText, type RouteContext } from '../bind.ts';
import { extractTokenFromRequest } from '../requests/credentials.ts';

export type ApiKeysRoutesDeps = Pick<Ports, 'transact' | 'sql' | 'random'> & VerifyApiKeyPorts & HasApiKeysChanged;

/** A body that needs no JSON parser: a key has no characters that JSON escapes. */
const PLAIN_KEY = /^\{"key":"(sp_ak_\w{1,128})"\}$/;

export function apiKeysRoutes(routes: RouteContext, deps: ApiKeysRoutesDeps): void {
  bindText(routes, verifyApiKeyEndpoint, (text, parsed, request) => {
    const key = PLAIN_KEY.exec(text)?.[1];
    if (key !== undefined) return verifyApiKey(deps, { key });
    return verifyApiKey(deps, parsed() ?? { key: extractTokenFromRequest(request) ?? '' });
  });
}
