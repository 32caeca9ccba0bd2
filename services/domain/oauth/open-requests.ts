import type { Client } from '../access/access-directory.ts';
import { keyedHash } from '../audit/audit-context.ts';
import type { KeyRing } from '../keys/key-ring.ts';
import { clientPrefixOf } from '../limits/client-prefix.ts';
import type { Caller, Clock, RequestContext } from '../ports.ts';
import type { OAuthClient } from '../tokens/issue/oauth-client.ts';
import { openRequestsFull } from './errors.ts';

/** How many requests of a client may wait for people at once: strangers can send them in the name of a public client. */
const MOST = { vetted: 10_000, unvetted: 1_000 };
/**
 * A twentieth of these from one address or IPv6 /64, where the name alone says who asks: nobody takes the room of all
 * the others, and a whole office may sign in.
 */
const SHARES = 20;
/** Fewer are counted with every request; so many are counted once a second. */
const MANY = 500;
const MANY_MS = 1_000;
const RETRY_SECONDS = 60;

export const mostOpenRequests = ({ origin }: Pick<Client, 'origin'>): number =>
  origin === 'admin' ? MOST.vetted : MOST.unvetted;

/** How requests of a client are counted that wait; no further than `limit`. */
export type OpenRequestCount = {
  ofShare(share: string, limit: number): Promise<number>;
  ofClient(limit: number): Promise<number>;
};

export type OpenRequests = {
  /**
   * A bound, no exact number: a few that come at the same time may pass it together.
   * @param share of `shareOf`; null: the whole room
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

/** Whose share a request takes: a keyed hash of where it comes from. Null for a client that has shown its secret. */
export function shareOf(
  { keyRing }: { readonly keyRing: Pick<KeyRing, 'secret'> },
  { isAuthenticated }: OAuthClient,
  { request }: Caller,
): string | null {
  return isAuthenticated ? null : prefixHash({ keyRing }, request);
}

/** Keyed hash of the address, or IPv6 /64, that a request comes from. */
export function prefixHash(
  { keyRing }: { readonly keyRing: Pick<KeyRing, 'secret'> },
  { ip }: Pick<RequestContext, 'ip'>,
): string {
  const { version, key } = keyRing.secret('identifier');
  return `${version}.${keyedHash(key, 'prefix', clientPrefixOf(ip))}`;
}

/** The room for requests that wait, as one process knows it. */
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
