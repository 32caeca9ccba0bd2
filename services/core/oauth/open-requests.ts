import type { Client } from '../access/access-directory.ts';
import { keyedHash } from '../audit/audit-context.ts';
import type { KeyRing } from '../keys/key-ring.ts';
import type { Caller, Clock, RequestContext } from '../ports.ts';
import { clientPrefixOf } from '../shared/client-prefix.ts';
import type { OAuthClient } from '../tokens/issue/grant-token.ts';
import { openRequestsFull } from './errors.ts';

/** Maximum open requests per client. An attacker can send requests in the name of a public client. */
const MOST = { vetted: 10_000, unvetted: 1_000 };
/**
 * If the client sends no secret, one address or IPv6 /64 may use a twentieth of its limit: one attacker cannot use up
 * the limit, and all users of an office can still sign in.
 */
const SHARES = 20;
/** With this many open requests or more, they are counted once a second instead of at every request. */
const MANY = 500;
const MANY_MS = 1_000;
const RETRY_SECONDS = 60;

export const mostOpenRequests = ({ origin }: Pick<Client, 'origin'>): number =>
  origin === 'admin' ? MOST.vetted : MOST.unvetted;

/** Counts the open requests of a client, up to `limit`. */
export type OpenRequestCount = {
  ofShare(share: string, limit: number): Promise<number>;
  ofClient(limit: number): Promise<number>;
};

type OpenRequests = {
  /**
   * An approximate limit: a few concurrent requests may exceed it.
   * @param share from `shareOf`; null checks only the limit of the client
   * Throws `open_requests_full` (429).
   */
  assertRoom(
    kind: 'pushed' | 'device',
    client: Pick<Client, 'clientId' | 'origin'>,
    share: string | null,
    count: OpenRequestCount,
  ): Promise<void>;
};

export type HasOpenRequests = { readonly openRequests: OpenRequests };

/** The share that a request uses: a keyed hash of its address. Null for an authenticated client. */
export const shareOf = (
  { keyRing }: { readonly keyRing: Pick<KeyRing, 'secret'> },
  { isAuthenticated }: OAuthClient,
  { request }: Caller,
): string | null => (isAuthenticated ? null : prefixHash({ keyRing }, request));

/** Keyed hash of the request's address or IPv6 /64. */
export function prefixHash(
  { keyRing }: { readonly keyRing: Pick<KeyRing, 'secret'> },
  { ip }: Pick<RequestContext, 'ip'>,
): string {
  const { version, key } = keyRing.secret('identifier');
  return `${version}.${keyedHash(key, 'prefix', clientPrefixOf(ip))}`;
}

/** The limit on open requests, in this process. */
export function createOpenRequests({ clock }: { readonly clock: Pick<Clock, 'monotonic'> }): OpenRequests {
  const many = new Map<string, { readonly waiting: number; readonly untilMs: number }>();

  async function waitingOf(name: string, most: number, count: OpenRequestCount): Promise<number> {
    const known = many.get(name);
    if (known !== undefined && clock.monotonic() < known.untilMs) return known.waiting;
    many.delete(name);
    const waiting = await count.ofClient(most);
    if (waiting >= MANY) many.set(name, { waiting, untilMs: clock.monotonic() + MANY_MS });
    return waiting;
  }

  return {
    async assertRoom(kind, client, share, count) {
      const most = mostOpenRequests(client);
      const isFull =
        (share !== null && (await count.ofShare(share, most / SHARES)) >= most / SHARES) ||
        (await waitingOf(`${kind} ${client.clientId}`, most, count)) >= most;
      if (isFull) throw openRequestsFull({ retryAfterSeconds: RETRY_SECONDS });
    },
  };
}
