import type { AsyncLocalStorage } from 'node:async_hooks';
import { prismaAdapter } from '@better-auth/prisma-adapter';
import { createAuthMiddleware, markSessionOutsideStore } from 'better-auth/api';
import { betterAuth } from 'better-auth/minimal';
import { twoFactor } from 'better-auth/plugins/two-factor';
import type { Ports, Transact } from '#services/core/ports.ts';
import type { BrowserPolicy } from './browser-policy.ts';
import { ADDRESS_HEADER, type Handover, required } from './handover.ts';
import type { LiveSession } from './live-session.ts';
import { ISSUER, newRecoveryCodes } from './recovery-codes.ts';
import type { SecondaryStorage } from './session.cache.ts';
import type { SessionLife } from './session-life.ts';
import { renewInstead, sessionFacts, sessionPlugin } from './session-plugin.ts';

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
