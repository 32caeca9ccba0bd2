import type { AsyncLocalStorage } from 'node:async_hooks';
import type { BetterAuthOptions } from '@better-auth/core';
import { getIP } from '@better-auth/core/utils/ip';
import { prismaAdapter } from '@better-auth/prisma-adapter';
import { APIError, createAuthEndpoint, createAuthMiddleware, markSessionOutsideStore } from 'better-auth/api';
import { setSessionCookie } from 'better-auth/cookies';
import { betterAuth } from 'better-auth/minimal';
import { twoFactor } from 'better-auth/plugins/two-factor';
import { z } from 'zod';
import type { Clock, Ports, Transact, Tx } from '#services/core/ports.ts';
import { UNNAMED } from '../users/assurance.ts';
import type { BrowserPolicy } from './browser-policy.ts';
import { ADDRESS_HEADER, type Handover, required } from './handover.ts';
import type { AuthSession, LiveSession } from './live-session.ts';
import { ISSUER, newRecoveryCodes } from './recovery-codes.ts';
import { renewSession } from './renew-session.store.ts';
import type { SecondaryStorage } from './session.cache.ts';
import { lifeOf, type SessionLife } from './session-life.ts';

/** The database for Better Auth's adapter; see platform/postgres/prisma.ts. */
export type AuthDatabase = {
  readonly client: object;
  readonly transact: Transact;
  currentTx(): Parameters<Parameters<Transact>[0]>[0];
  unmask<T>(work: () => Promise<T>): Promise<T>;
};

export type EngineSettings = {
  readonly authSecret: string;
  /** Origin of the API, fixed at boot; no request changes it. */
  readonly baseUrl: string;
} & SessionLife;

type EngineDeps = Pick<Ports, 'random' | 'clock'> & {
  readonly authDatabase: AuthDatabase;
  readonly cache: SecondaryStorage;
  readonly browser: BrowserPolicy;
  readonly handover: AsyncLocalStorage<Handover>;
};

const NEVER_TOO_LONG = 4_096;

/** Configures Better Auth: the features that we use, and those that our code replaces. */
export function createAuthEngine(
  { random, clock, authDatabase, cache, browser, handover }: EngineDeps,
  settings: EngineSettings,
) {
  return betterAuth({
    secret: settings.authSecret,
    baseURL: settings.baseUrl,
    basePath: '/api/auth',
    trustedOrigins: [...browser.trustedOrigins],
    database: prismaAdapter(authDatabase.client, { provider: 'postgresql', transaction: true }),
    secondaryStorage: inTransactions(cache, handover),
    emailAndPassword: {
      enabled: true,
      minPasswordLength: 1,
      maxPasswordLength: NEVER_TOO_LONG,
      password: {
        // Better Auth may call this inside a transaction, and hashing may wait in a queue, so the use-case hashes
        // before.
        hash: async () => required(handover.getStore()?.digest),
        verify: async ({ hash }) => hash === required(handover.getStore()?.verifiedDigest),
      },
    },
    user: {
      additionalFields: {
        roles: { type: 'string[]', input: false, required: false },
        tokenEpoch: { type: 'number', input: false, required: false },
        disabledAt: { type: 'date', input: false, required: false },
      },
    },
    // A fixed lifetime from the sign-in; reading a session writes nothing here (`sessions/session-life.ts`).
    session: {
      expiresIn: settings.sessionSeconds,
      disableSessionRefresh: true,
      deferSessionRefresh: true,
      storeSessionInDatabase: true,
      cookieCache: { enabled: false },
      additionalFields: {
        amr: { type: 'string[]', input: false, required: false },
        acr: { type: 'string', input: false, required: false },
        authenticatedAt: { type: 'date', input: false, required: false },
      },
    },
    databaseHooks: { session: sessionFacts(handover, clock, settings) },
    plugins: [
      sessionPlugin(),
      {
        ...twoFactor({
          issuer: ISSUER,
          backupCodeOptions: { customBackupCodesGenerate: () => newRecoveryCodes(random) },
        }),
        // The plugin's hook after a sign-in deletes the session of a user whose row has the flag. The use-case has
        // already required the second factor (`admitSession`).
        hooks: {},
      },
    ],
    verification: { storeInDatabase: true },
    rateLimit: { enabled: false },
    telemetry: { enabled: false },
    logger: { disabled: true },
    hooks: {
      before: createAuthMiddleware(async (ctx) => {
        const open = handover.getStore();
        if (open?.resumes) {
          const { resumes } = open;
          return { context: { context: { internalAdapter: { createSession: async () => resumes } } } };
        }
        if (open?.renews) {
          const createSession = renewInstead({ clock, random, authDatabase }, settings, open, ctx);
          return { context: { context: { internalAdapter: { createSession } } } };
        }
        if (!open?.as) return;
        // Better Auth would look for the row of a session that exists in this call alone.
        await markSessionOutsideStore(open.as.session.token);
        return { context: { context: { session: open.as } } };
      }),
      after: createAuthMiddleware(async (ctx) => {
        const open = handover.getStore();
        if (open && ctx.context.newSession) open.opened = ctx.context.newSession as unknown as LiveSession;
      }),
    },
    advanced: {
      database: { generateId: () => random.uuid() },
      // Only `engineHeaders` writes this header, so no header of the request becomes the client's address.
      ipAddress: { ipAddressHeaders: [ADDRESS_HEADER] },
      useSecureCookies: false,
      defaultCookieAttributes: { secure: browser.secureCookies, httpOnly: true, sameSite: 'lax', path: '/' },
      cookies: { session_token: { name: browser.sessionCookie } },
    },
  });
}

/** Inside a transaction, reads bypass Redis and writes wait for the commit. */
function inTransactions(cache: SecondaryStorage, handover: AsyncLocalStorage<Handover>): SecondaryStorage {
  const later = async (write: () => Promise<void>): Promise<void> => {
    const waiting = handover.getStore()?.afterCommit;
    if (waiting) waiting.push(write);
    else await write();
  };
  const isInTransaction = (): boolean => handover.getStore()?.afterCommit != null;
  return {
    ...cache,
    get: async (key) => {
      if (isInTransaction()) return null;
      const value = await cache.get(key);
      const read = handover.getStore();
      if (read && value !== null) read.isCached = true;
      return value;
    },
    set: (key, value, ttlSeconds) => later(() => cache.set(key, value, ttlSeconds)),
    delete: (key) => later(() => cache.delete(key)),
  };
}

/**
 * Opens a session for a user that a use-case has authenticated: each of Better Auth's own endpoints would verify a
 * credential. It has no path, so no request reaches it.
 */
const sessionPlugin = () => ({
  id: 'sallyport-session',
  endpoints: {
    openSession: createAuthEndpoint.serverOnly(
      { method: 'POST', body: z.object({ userId: z.string() }) },
      async (ctx) => {
        const { internalAdapter } = ctx.context;
        const user = required(await internalAdapter.findUserById(ctx.body.userId));
        const session = await internalAdapter.createSession(user.id);
        await setSessionCookie(ctx, { session, user });
        return ctx.json({});
      },
    ),
  },
});

type RenewPorts = Pick<Ports, 'clock' | 'random'> & { readonly authDatabase: { currentTx(): Tx } };
/** A call of Better Auth, with the headers of `engineHeaders`. */
type EngineCall = { readonly headers?: Headers | undefined; readonly context: { readonly options: BetterAuthOptions } };

/**
 * Stands in for Better Auth's `createSession` in a call that renews a session, whichever endpoint makes it. Throws
 * UNAUTHORIZED if the session is another user's.
 */
const renewInstead =
  ({ clock, random, authDatabase }: RenewPorts, life: SessionLife, open: Handover, { headers, context }: EngineCall) =>
  async (userId: string): Promise<AuthSession> => {
    const sent = required(headers);
    const nowMs = clock.now();
    const { assurance = UNNAMED, expiresAt = new Date(nowMs + life.sessionSeconds * 1_000), renews } = open;
    const renewed = await renewSession(authDatabase.currentTx(), {
      ...required(renews),
      ...assurance,
      userId,
      nextToken: random.bytes(24).toString('base64url'),
      authenticatedAt: new Date(nowMs),
      expiresAt: lifeOf(life, { acr: assurance.acr, expiresAt, nowMs }),
      ipAddress: getIP(sent, context.options),
      userAgent: sent.get('user-agent'),
    });
    if (!renewed) throw new APIError('UNAUTHORIZED', { code: 'SESSION_OF_ANOTHER_USER' });
    return renewed;
  };

/**
 * Stores in every new session how its user authenticated, and sets the lifetime for that, whichever endpoint of Better
 * Auth creates the session.
 */
const sessionFacts = (handover: AsyncLocalStorage<Handover>, clock: Clock, life: SessionLife) => ({
  create: {
    before: async (session: Record<string, unknown> & { readonly expiresAt: Date }) => {
      const { assurance = UNNAMED, expiresAt = session.expiresAt, createdAt } = required(handover.getStore());
      const { amr, acr } = assurance;
      const ends = lifeOf(life, { acr, expiresAt, nowMs: clock.now() });
      return { data: { ...session, amr: [...amr], acr, expiresAt: ends, ...(createdAt ? { createdAt } : {}) } };
    },
  },
});
