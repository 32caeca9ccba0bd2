import { hash } from 'node:crypto';
import type { HasAccess } from '#services/core/access/access-directory.ts';
import type { Ports, Sql } from '#services/core/ports.ts';
import type { HasTokenSettings } from '#services/core/tokens/token-settings.ts';
import { readParameters } from './authorization-parameters.ts';
import { type AuthorizationRequest, type Parsed, parseAuthorizationRequest } from './authorization-request.ts';
import { deletePushedRequest, readPushedRequest } from './pushed-requests.store.ts';

/** RFC 9126 §2.2. */
const PREFIX = 'urn:ietf:params:oauth:request_uri:';
const URI = /^urn:ietf:params:oauth:request_uri:[\w-]{43}$/;

/** A request_uri of 256 random bits; only its hash is stored. */
export const newRequestUri = ({ random }: Pick<Ports, 'random'>): string =>
  PREFIX + random.bytes(32).toString('base64url');

export const requestUriHash = (requestUri: string): Buffer => hash('sha256', requestUri, 'buffer');

/** The page adds what to do. */
export const REQUEST_EXPIRED = 'This request has expired or was already used.';

/** Returns client and request_uri hash of a query that refers to a pushed request; null for any other query. */
function pushedReference(query: string): { readonly clientId: string; readonly uriHash: Buffer } | null {
  const values = readParameters(query)?.values;
  const [clientId, requestUri] = [values?.get('client_id'), values?.get('request_uri')];
  if (clientId === undefined || requestUri === undefined || !URI.test(requestUri)) return null;
  return { clientId, uriHash: requestUriHash(requestUri) };
}

/**
 * Reads the authorization request of a query. If the query refers to a pushed request, only the pushed parameters apply
 * (RFC 9126 §4); it must be of the same client, and is validated again, because the client may have changed since.
 * Throws `store_unavailable` (503).
 */
export async function readAuthorizationRequest(
  ports: HasAccess & HasTokenSettings & Pick<Ports, 'sql'>,
  query: string,
): Promise<Parsed> {
  const reference = pushedReference(query);
  if (reference === null) return parseAuthorizationRequest(ports, query);
  const { clientId, uriHash } = reference;
  const pushed = await readPushedRequest(ports.sql, uriHash, clientId);
  if (pushed === undefined) return { kind: 'page', why: REQUEST_EXPIRED };
  return parseAuthorizationRequest(ports, pushed, { pushedHash: uriHash });
}

/**
 * Consumes the request_uri of a pushed request, so that the request gets one response, however often its page is
 * loaded. Returns false if it was already answered; true for a request that was not pushed.
 */
export const useRequest = async (tx: Sql, { pushedHash }: AuthorizationRequest): Promise<boolean> =>
  pushedHash === undefined || (await deletePushedRequest(tx, pushedHash));
