import { AsyncLocalStorage } from 'node:async_hooks';
import { runWithTransaction } from '@better-auth/core/context';
import { prismaAdapter } from '@better-auth/prisma-adapter';
import { betterAuth } from 'better-auth';
import { createAuthMiddleware, isAPIError } from 'better-auth/api';
import { internalError } from '../../platform/errors.ts';
import type { Ports, RequestContext, Transact } from '../ports.ts';
import { assertNotRewound, type HasRevocations } from '../tokens/revocation-set.ts';
import { emailTaken, loginRefused } from './errors.ts';
import { createSessionCache, type SecondaryStorage } from './session.cache.ts';

export type AuthSettings = {
  readonly authSecret: string;
  /** Origin of the API, fixed at boot: no request sets it. */
  readonly baseUrl: string;
  readonly sessionSeconds: number;
  /** CORS_ORIGINS: whose pages may write with the session cookie, beside our own. */
  readonly corsOrigins: readonly string[];
  /** `__Host-` and `Secure`; off only under the development profile. */
  readonly secureCookies: boolean;
};

/** The database as Better Auth's adapter needs it; see platform/postgres/prisma.ts. */
export type AuthDatabase = {
  readonly client: object;
  readonly transact: Transact;
  currentTx(): Parameters<Parameters<Transact>[0]>[0];
  unmask<T>(work: () => Promise<T>): Promise<T>;
};

export type AuthUser = {
  readonly id: string;
  readonly email: string;
  readonly emailVerified: boolean;
  readonly name: string | null;
  readonly image: string | null;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly roles: readonly string[];
  readonly tokenEpoch: number;
  readonly disabledAt: Date | null;
};

export type AuthSession = {
  readonly id: string;
  readonly token: string;
  readonly userId: string;
  readonly expiresAt: Date;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly ipAddress: string | null;
  readonly userAgent: string | null;
};

export type LiveSession = { readonly user: AuthUser; readonly session: AuthSession };
export type OpenedSession = LiveSession & { readonly setCookie: readonly string[] };

/** What pages may do with the session cookie. */
type BrowserPolicy = {
  readonly sessionCookie: string;
  /** Own origin and the listed ones, compared byte for byte. */
  readonly trustedOrigins: ReadonlySet<string>;
  readonly secureCookies: boolean;
};

/** What our use-cases use of Better Auth; its own errors and names stay behind this. */
export type Auth = {
  readonly browser: BrowserPolicy;
  /** Better Auth's writes and ours in one transaction; what it caches is written after the commit. */
  readonly transact: Transact;
  /** User, account and session. The digest is made before; call inside `transact`. */
  signUp(input: { email: string; name: string; digest: string }, request: RequestContext): Promise<OpenedSession>;
  /** A session for the account whose digest the password has just been proved against; call inside `transact`. */
  signIn(input: { email: string; provenDigest: string }, request: RequestContext): Promise<OpenedSession>;
  /** The live session of a signed cookie: Redis first, then Postgres. Null when there is none. */
  findSession(cookie: string): Promise<LiveSession | null>;
  /** Drops the cached copy; speed alone. */
  forget(sessionToken: string): Promise<void>;
  /** Waits for Better Auth to be ready. */
  ready(): Promise<void>;
};

export type HasAuth = { readonly auth: Auth };

/** What one call hands through Better Auth, which has no parameter for it. */
type Handover = {
  readonly digest?: string;
  readonly provenDigest?: string;
  readonly afterCommit: (() => Promise<void>)[] | null;
  opened?: LiveSession;
  isCached?: boolean;
};

const ADDRESS_HEADER = 'x-sallyport-address';
const NEVER_TOO_LONG = 4_096;

/** Better Auth on Postgres and Redis: one call at boot. */
export function createAuth(
  ports: Pick<Ports, 'redis' | 'random' | 'vault' | 'clock'> & HasRevocations & { readonly authDatabase: AuthDatabase },
  settings: AuthSettings,
): Auth {
  const { revocations, authDatabase } = ports;
  const handover = new AsyncLocalStorage<Handover>();
  const cache = createSessionCache(ports, ({ session, user }) => {
    // A copy that may not know the latest revocations believes no cache.
    if (revocations.refusal() !== null || revocations.isSessionEnded(session.id)) return false;
    return (revocations.userEpoch(user.id) ?? 0) <= user.tokenEpoch;
  });
  const browser: BrowserPolicy = {
    sessionCookie: `${settings.secureCookies ? '__Host-' : ''}better-auth.session_token`,
    trustedOrigins: new Set([new URL(settings.baseUrl).origin, ...settings.corsOrigins]),
    secureCookies: settings.secureCookies,
  };

  const engine = betterAuth({
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
        // Hashing waits in a queue: it stays outside of Better Auth, whose calls may run inside a transaction.
        // At a sign-in it hashes only to hide an unknown account, which the use-case has seen to.
        hash: async () => {
          const given = handover.getStore();
          return required(given?.digest ?? given?.provenDigest);
        },
        verify: async ({ hash }) => hash === required(handover.getStore()?.provenDigest),
      },
    },
    user: {
      additionalFields: {
        roles: { type: 'string[]', input: false, required: false },
        tokenEpoch: { type: 'number', input: false, required: false },
        disabledAt: { type: 'date', input: false, required: false },
      },
    },
    // A fixed life from login on, and reading a session writes nothing.
    session: {
      expiresIn: settings.sessionSeconds,
      disableSessionRefresh: true,
      deferSessionRefresh: true,
      storeSessionInDatabase: true,
      cookieCache: { enabled: false },
    },
    verification: { storeInDatabase: true },
    rateLimit: { enabled: false },
    telemetry: { enabled: false },
    logger: { disabled: true },
    hooks: {
      after: createAuthMiddleware(async (ctx) => {
        const open = handover.getStore();
        if (open && ctx.context.newSession) open.opened = ctx.context.newSession as unknown as LiveSession;
      }),
    },
    advanced: {
      database: { generateId: () => ports.random.uuid() },
      // Written by `headersOf` alone; a header of the request never becomes an address.
      ipAddress: { ipAddressHeaders: [ADDRESS_HEADER] },
      useSecureCookies: false,
      defaultCookieAttributes: { secure: settings.secureCookies, httpOnly: true, sameSite: 'lax', path: '/' },
      cookies: { session_token: { name: browser.sessionCookie } },
    },
  });

  const transact: Transact = async (work) => {
    const afterCommit: (() => Promise<void>)[] = [];
    const { adapter } = await engine.$context;
    const result = await handover.run({ afterCommit }, () =>
      runWithTransaction(adapter, () => work(authDatabase.currentTx())),
    );
    await Promise.all(afterCommit.map((write) => write()));
    return result;
  };

  async function open(
    given: Pick<Handover, 'digest' | 'provenDigest'>,
    call: () => Promise<{ headers: Headers | null | undefined }>,
  ): Promise<OpenedSession> {
    const store: Handover = { ...given, afterCommit: required(handover.getStore()?.afterCommit) };
    const { headers } = await handover.run(store, call).catch((err: unknown) => {
      throw ownError(err);
    });
    return { ...required(store.opened), setCookie: headers?.getSetCookie() ?? [] };
  }

  return {
    browser,
    transact,
    signUp: ({ email, name, digest }, request) =>
      open({ digest }, () =>
        engine.api.signUpEmail({
          body: { email, name, password: HANDED_OVER },
          headers: headersOf(request),
          returnHeaders: true,
        }),
      ),
    signIn: ({ email, provenDigest }, request) =>
      open({ provenDigest }, () =>
        engine.api.signInEmail({
          body: { email, password: HANDED_OVER },
          headers: headersOf(request),
          returnHeaders: true,
        }),
      ),
    async findSession(cookie) {
      assertNotRewound(revocations);
      const read: Handover = { afterCommit: null };
      const found = (await handover.run(read, () =>
        authDatabase.unmask(() => engine.api.getSession({ headers: new Headers({ cookie }) })),
      )) as unknown as LiveSession | null;
      if (!found || found.user.disabledAt !== null || revocations.isSessionEnded(found.session.id)) return null;
      if (!read.isCached) void cache.keepSession(found);
      return found;
    },
    forget: (sessionToken) => cache.delete(sessionToken),
    ready: async () => {
      await engine.$context;
    },
  };
}

/** Better Auth's errors carry a status: they would pass for the client's fault where they are a defect of ours. */
function ownError(err: unknown): unknown {
  if (!isAPIError(err)) return err;
  if (err.body?.code === 'USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL') return emailTaken();
  if (err.body?.code === 'INVALID_EMAIL_OR_PASSWORD') return loginRefused();
  return internalError({ cause: err });
}

/** Stands where Better Auth expects the password, which it never needs. */
const HANDED_OVER = 'handed over';

function required<T>(value: T | undefined | null): T {
  if (value === undefined || value === null) throw new Error('called outside of its use-case');
  return value;
}

function headersOf(request: RequestContext): Headers {
  const userAgent = request.userAgent.replaceAll(/[^\x20-\x7e]/g, '');
  return new Headers({ 'user-agent': userAgent, ...(request.ip === '' ? {} : { [ADDRESS_HEADER]: request.ip }) });
}

/** Inside a transaction nothing is read from Redis, and writes wait for its commit. */
function inTransactions(cache: SecondaryStorage, handover: AsyncLocalStorage<Handover>): SecondaryStorage {
  const later = async (write: () => Promise<void>): Promise<void> => {
    const waiting = handover.getStore()?.afterCommit;
    if (waiting) waiting.push(write);
    else await write();
  };
  const isInTransaction = (): boolean => handover.getStore()?.afterCommit != null;
  return {
    get: async (key) => {
      if (isInTransaction()) return null;
      const value = await cache.get(key);
      const read = handover.getStore();
      if (read && value !== null) read.isCached = true;
      return value;
    },
    set: (key, value, ttlSeconds) => later(() => cache.set(key, value, ttlSeconds)),
    delete: (key) => later(() => cache.delete(key)),
    getAndDelete: (key) => cache.getAndDelete(key),
    increment: (key, ttlSeconds) => cache.increment(key, ttlSeconds),
  };
}
