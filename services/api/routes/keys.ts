import { compromiseKey } from '#services/domain/keys/compromise-key.ts';
import {
  compromiseKeyEndpoint,
  listKeysEndpoint,
  readJwksAliasEndpoint,
  readJwksEndpoint,
  rotateKeysEndpoint,
} from '#services/domain/keys/contract.ts';
import type { HasKeyRing } from '#services/domain/keys/key-ring.ts';
import { readJwks } from '#services/domain/keys/read-jwks.ts';
import { type HasKeysChanged, rotateSigningKeys } from '#services/domain/keys/rotate-signing-keys.ts';
import type { Ports } from '#services/domain/ports.ts';
import { answer } from '../answer.ts';
import { bind, type RouteContext } from '../bind.ts';

export type KeysRoutesDeps = Pick<Ports, 'transact' | 'sql' | 'vault' | 'random'> & HasKeyRing & HasKeysChanged;

/** The public key set, and the key ring for operators. */
export function keysRoutes(routes: RouteContext, deps: KeysRoutesDeps): void {
  for (const endpoint of [readJwksEndpoint, readJwksAliasEndpoint])
    bind(routes, endpoint, (_input, _caller, request) => {
      const { status, body, headers } = readJwks(deps, { ifNoneMatch: request.headers['if-none-match'] });
      return answer(status, body, headers);
    });
  bind(routes, listKeysEndpoint, () => ({ keys: deps.keyRing.list() }));
  bind(routes, rotateKeysEndpoint, async ({ body }, caller) => {
    const { outcome, key } = await rotateSigningKeys(deps, { algorithm: body?.algorithm }, caller);
    return { ...key, already_pending: outcome === 'pending' };
  });
  bind(routes, compromiseKeyEndpoint, async ({ params, body }, caller) => {
    const { key, signer, notice } = await compromiseKey(deps, { kid: params.kid, reason: body.reason }, caller);
    return { ...key, signer, notice };
  });
}
