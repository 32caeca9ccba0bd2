import { createHash } from 'node:crypto';
import { sessionCacheLookups } from '#observability/metrics/identity.ts';
import type { Clock, Redis, Vault } from '#services/core/ports.ts';
import type { HasRevocations } from '#services/core/revocations/revocation-set.ts';

/** Better Auth's secondary storage. It chooses the keys, session tokens among them. */
export type SecondaryStorage = {
  get(key: string): Promise<string | null>;
  set(key: string, value: string, ttlSeconds?: number): Promise<void>;
  delete(key: string): Promise<void>;
  getAndDelete(key: string): Promise<string | null>;
  increment(key: string, ttlSeconds: number): Promise<number>;
};

export type SessionCache = SecondaryStorage & {
  /** Caches a session that was read from Postgres. */
  keepSession(live: {
    readonly session: { readonly token: string; readonly expiresAt: Date };
    readonly user: object;
  }): Promise<void>;
};

type CachedSession = {
  readonly session: { readonly id: string; readonly token: string };
  readonly user: { readonly id: string; readonly tokenEpoch: number };
};

/** Better Auth's list of sessions per user; we list sessions from Postgres. */
const LIST_PREFIX = 'active-sessions-';
const SESSION_PREFIX = '{"session":';
const DEFAULT_TTL_SECONDS = 604_800;
/**
 * Seconds, by our clock, for which a cached session is used before Postgres is read again. Revocations are kept for
 * longer (five minutes beyond the longest access token), so a stale copy expires before its revocation.
 */
const SESSION_SECONDS = 300;

// Session tokens are keys, so Redis gets only their hash, in a hash tag so that Cluster keeps one key in one slot.
const redisKey = (key: string): string => `auth:{${createHash('sha256').update(key).digest('base64url')}}`;

const isSession = (value: unknown): value is CachedSession => {
  const { session, user } = (value ?? {}) as Partial<CachedSession>;
  return (
    typeof session?.id === 'string' &&
    typeof session.token === 'string' &&
    typeof user?.id === 'string' &&
    Number.isInteger(user.tokenEpoch)
  );
};

/**
 * Redis as Better Auth's secondary storage. Values are sealed to their key: an attacker who reads Redis learns nothing,
 * and an attacker who writes to it cannot replace one user's session with another's. Never throws: without Redis every
 * read is a miss and Postgres answers. Two more cases are a miss: a session that `isTrusted` rejects, so that a stale
 * copy restores no access, and a value of another database incarnation, which a restored database may not know.
 */
export function createSessionCache(
  {
    redis,
    vault,
    clock,
    revocations,
  }: { readonly redis: Redis; readonly vault: Vault; readonly clock: Clock } & HasRevocations,
  isTrusted: (cached: CachedSession) => boolean,
): SessionCache {
  const quietly = <T>(work: Promise<T>, otherwise: T): Promise<T> => work.catch(() => otherwise);

  const contextOf = (key: string): string => `${revocations.state().incarnation} ${key}`;

  const opened = (key: string, sealed: string | null): string | null => {
    if (sealed === null) return null;
    try {
      const text = vault.open(sealed, contextOf(key)).toString('utf8');
      const end = text.indexOf('\n');
      if (clock.now() >= Number(text.slice(0, end))) return null;
      const value = text.slice(end + 1);
      if (!value.startsWith(SESSION_PREFIX)) return value;
      const cached: unknown = JSON.parse(value);
      return isSession(cached) && isTrusted(cached) ? value : null;
    } catch {
      return null;
    }
  };

  const storage: SecondaryStorage = {
    get: async (name) => {
      if (name.startsWith(LIST_PREFIX)) return null;
      const key = redisKey(name);
      const value = opened(key, await quietly(redis.get(key), null));
      sessionCacheLookups.add(1, { outcome: value === null ? 'miss' : 'hit' });
      return value;
    },
    set: async (name, value, ttlSeconds = DEFAULT_TTL_SECONDS) => {
      if (name.startsWith(LIST_PREFIX) || ttlSeconds <= 0) return;
      const key = redisKey(name);
      const seconds = Math.ceil(value.startsWith(SESSION_PREFIX) ? Math.min(ttlSeconds, SESSION_SECONDS) : ttlSeconds);
      // The expiry is sealed in: restoring Redis from a backup does not extend a value.
      const sealed = vault.seal(Buffer.from(`${clock.now() + seconds * 1_000}\n${value}`), contextOf(key));
      await quietly(redis.set(key, sealed, seconds), undefined);
    },
    delete: (name) => quietly(redis.delete(redisKey(name)), undefined),
    getAndDelete: async (name) => {
      const key = redisKey(name);
      return opened(key, await quietly(redis.getAndDelete(key), null));
    },
    // An unreadable counter exceeds every limit.
    increment: (name, ttlSeconds) => quietly(redis.increment(redisKey(name), ttlSeconds), Number.MAX_SAFE_INTEGER),
  };

  return {
    ...storage,
    keepSession: ({ session, user }) =>
      storage.set(
        session.token,
        JSON.stringify({ session, user }),
        (session.expiresAt.getTime() - clock.now()) / 1_000,
      ),
  };
}
