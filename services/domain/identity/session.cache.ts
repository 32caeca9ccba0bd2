import { createHash } from 'node:crypto';
import type { Redis } from '../ports.ts';

/** What Better Auth calls secondary storage: it asks by its own keys, session tokens among them. */
export type SecondaryStorage = {
  get(key: string): Promise<string | null>;
  set(key: string, value: string, ttlSeconds?: number): Promise<void>;
  delete(key: string): Promise<void>;
  getAndDelete(key: string): Promise<string | null>;
  increment(key: string, ttlSeconds: number): Promise<number>;
};

export type SessionCache = SecondaryStorage & {
  /** Puts back a session that Postgres had to answer for. */
  keepSession(live: {
    readonly session: { readonly token: string; readonly expiresAt: Date };
    readonly user: object;
  }): Promise<void>;
};

/** Judges a cached session: false makes it a miss, and Postgres is asked. */
export type SessionTrust = (
  session: { readonly id: string },
  user: { readonly id: string; readonly tokenEpoch: number },
) => boolean;

type CachedSession = { session: { id: string; token?: string }; user: { id: string; tokenEpoch: number } };

/** What Better Auth keeps per user to list sessions; we list from Postgres. */
const LIST_PREFIX = 'active-sessions-';
const DEFAULT_TTL_SECONDS = 604_800;

// Session tokens are keys: only their hash goes to Redis, in a hash tag so that Cluster keeps one key in one slot.
const redisKey = (key: string): string => `auth:{${createHash('sha256').update(key).digest('base64url')}}`;

function parseSession(value: string): CachedSession | null {
  try {
    const parsed = JSON.parse(value) as Partial<CachedSession> | null;
    if (typeof parsed?.session?.id !== 'string' || typeof parsed.user?.id !== 'string') return null;
    return parsed as CachedSession;
  } catch {
    return null;
  }
}

/**
 * Redis as Better Auth's secondary storage. Never throws: without Redis every read is a miss and Postgres answers.
 * A cached session that `isTrusted` refuses is a miss too, so a stale copy revives nothing.
 */
export function createSessionCache(redis: Redis, isTrusted: SessionTrust): SessionCache {
  const quietly = async <T>(work: Promise<T>, otherwise: T): Promise<T> => work.catch(() => otherwise);

  const storage: SecondaryStorage = {
    get: async (key) => {
      if (key.startsWith(LIST_PREFIX)) return null;
      const value = await quietly(redis.get(redisKey(key)), null);
      if (value === null || !value.startsWith('{"session":')) return value;
      const cached = parseSession(value);
      if (!cached || !isTrusted(cached.session, cached.user)) return null;
      cached.session.token = key;
      return JSON.stringify(cached);
    },
    set: async (key, value, ttlSeconds = DEFAULT_TTL_SECONDS) => {
      if (key.startsWith(LIST_PREFIX) || ttlSeconds <= 0) return;
      const cached = value.startsWith('{"session":') ? parseSession(value) : null;
      // The value of a session names everything but its token: a reader of Redis learns none.
      if (cached) delete cached.session.token;
      await quietly(
        redis.set(redisKey(key), cached ? JSON.stringify(cached) : value, Math.ceil(ttlSeconds)),
        undefined,
      );
    },
    delete: (key) => quietly(redis.delete(redisKey(key)), undefined),
    getAndDelete: (key) => quietly(redis.getAndDelete(redisKey(key)), null),
    // A counter that cannot be read is over every limit.
    increment: (key, ttlSeconds) => quietly(redis.increment(redisKey(key), ttlSeconds), Number.MAX_SAFE_INTEGER),
  };
  return {
    ...storage,
    keepSession: ({ session, user }) =>
      storage.set(session.token, JSON.stringify({ session, user }), (session.expiresAt.getTime() - Date.now()) / 1_000),
  };
}
