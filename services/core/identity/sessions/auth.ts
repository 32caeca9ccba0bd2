import { AsyncLocalStorage } from 'node:async_hooks';
import { runWithTransaction } from '@better-auth/core/context';
import { isAPIError } from 'better-auth/api';
import type { Ports, RequestContext, Transact } from '#services/core/ports.ts';
import { assertMayIssue } from '#services/core/revocations/revocation-set.ts';
import { assertClockRight, type VerifiablePorts } from '#services/core/tokens/verify/assert-verifiable.ts';
import { internalError } from '#services/platform/errors.ts';
import type { CountryOf } from '#services/platform/geo/country-table.ts';
import { emailTaken } from '../contracts/sign-in-errors.ts';
import { PASSWORD_ALONE } from '../users/assurance.ts';
import type { Admission } from './admit-session.ts';
import { type AuthDatabase, createAuthEngine, type EngineSettings } from './auth-engine.ts';
import { type AuthFactors, createAuthFactors } from './auth-factors.ts';
import type { BrowserPolicy } from './browser-policy.ts';
import { engineHeaders, HANDED_OVER, type Handover, required } from './handover.ts';
import type { AuthSession, LiveSession, OpenedSession, RenewedSession } from './live-session.ts';
import { type ChallengeStore, createPasskeyCeremonies, type Passkeys } from './passkey-ceremonies.ts';
import { cookieHashOf } from './renew-session.store.ts';
import { createSessionCache } from './session.cache.ts';
import { usedSession } from './session-life.ts';

type AuthSettings = EngineSettings & {
  /** Those whose pages may write with the session cookie. */
  readonly origins: ReadonlySet<string>;
  /** Whether cookies are `__Host-` and `Secure`; false only under the development profile. */
  readonly secureCookies: boolean;
  readonly countryOf: CountryOf;
};

/** The parts of Better Auth that our use-cases use; its errors and names stay inside this module. */
export type Auth = {
  readonly browser: BrowserPolicy;
  /** Where the address of a session is. */
  readonly countryOf: CountryOf;
  /** Runs Better Auth's writes and ours in one transaction; its cache is written after the commit. */
  readonly transact: Transact;
  /** Creates user, account and session with a digest computed before. Call inside `transact`. */
  signUp(input: { email: string; name: string; digest: string }, request: RequestContext): Promise<OpenedSession>;
  /**
   * Opens a session for a user that a use-case has authenticated and `admitSession` has let in, or renews the one that it
   * has locked: the session goes on with a new cookie. Call inside `transact`.
   */
  openSession(
    input: {
      readonly admission: Admission;
      readonly expiresAt?: Date;
      readonly createdAt?: Date;
      readonly renews?: RenewedSession | null;
    },
    request: RequestContext,
  ): Promise<OpenedSession>;
  /** Sets the cookie of a live session that the caller has locked again. Call inside `transact`. */
  resumeSession(admission: Admission, session: AuthSession, request: RequestContext): Promise<OpenedSession>;
  /**
   * Returns the live session of a signed cookie, from Redis or else from Postgres; null if there is none. `isUse`
   * resets its idle time. Throws `clock_wrong` (503).
   */
  findSession(cookie: string, isUse: boolean): Promise<LiveSession | null>;
  readonly factors: AuthFactors;
  readonly passkeys: Passkeys;
  /** Drops the cached session; a performance measure, not needed for correctness. */
  forget(sessionToken: string): Promise<void>;
  /** Waits for Better Auth to be ready. */
  ready(): Promise<void>;
};

export type HasAuth = { readonly auth: Auth };

/** Better Auth on Postgres and Redis; called once at boot. */
export function createAuth(
  ports: Pick<Ports, 'sql' | 'redis' | 'random' | 'vault' | 'clock'> &
    VerifiablePorts & { readonly authDatabase: AuthDatabase },
  settings: AuthSettings,
): Auth {
  const { revocations, authDatabase } = ports;
  const handover = new AsyncLocalStorage<Handover>();
  const isOver = ({ id, token }: { readonly id: string; readonly token: string }): boolean =>
    revocations.isSessionEnded(id) || revocations.isTokenRevoked(cookieHashOf(token));
  const cache = createSessionCache(ports, ({ session, user }) => {
    // A copy that may have missed revocations trusts no cached session.
    if (revocations.refusal() !== null || isOver(session)) return false;
    return (revocations.userEpoch(user.id) ?? 0) <= user.tokenEpoch;
  });
  const browser: BrowserPolicy = {
    sessionCookie: `${settings.secureCookies ? '__Host-' : ''}better-auth.session_token`,
    trustedOrigins: settings.origins,
    secureCookies: settings.secureCookies,
  };
  const engine = createAuthEngine({ ...ports, cache, browser, handover }, settings);

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
    given: Pick<Handover, 'digest' | 'verifiedDigest' | 'assurance' | 'expiresAt' | 'createdAt' | 'renews' | 'resumes'>,
    call: () => Promise<{ headers: Headers | null | undefined }>,
  ): Promise<OpenedSession> {
    const store: Handover = { ...given, afterCommit: required(handover.getStore()?.afterCommit) };
    const { headers } = await handover.run(store, call).catch((err: unknown) => {
      throw ownError(err);
    });
    return { ...required(store.opened), setCookie: required(headers).getSetCookie() };
  }

  return {
    browser,
    countryOf: settings.countryOf,
    transact,
    signUp: ({ email, name, digest }, request) =>
      open({ digest, assurance: PASSWORD_ALONE }, () =>
        engine.api.signUpEmail({
          body: { email, name, password: HANDED_OVER },
          headers: engineHeaders(request),
          returnHeaders: true,
        }),
      ),
    openSession: ({ admission: { userId, assurance }, ...given }, request) =>
      open({ ...given, assurance }, () =>
        engine.api.openSession({ body: { userId }, headers: engineHeaders(request), returnHeaders: true }),
      ),
    resumeSession: ({ userId }, session, request) =>
      open({ resumes: session }, () =>
        engine.api.openSession({ body: { userId }, headers: engineHeaders(request), returnHeaders: true }),
      ),
    async findSession(cookie, isUse) {
      assertMayIssue(revocations);
      // Better Auth uses the wall clock and deletes expired sessions.
      assertClockRight(ports);
      const read: Handover = { afterCommit: null };
      const found = (await handover.run(read, () =>
        authDatabase.unmask(() => engine.api.getSession({ headers: new Headers({ cookie }) })),
      )) as unknown as LiveSession | null;
      if (!found || found.user.disabledAt !== null || isOver(found.session)) return null;
      const updatedAt = await usedSession(ports, settings, found.session, isUse);
      if (updatedAt === null) return null;
      const { authenticatedAt } = found.session;
      // A cached copy has it as text.
      const at = authenticatedAt ? { authenticatedAt: new Date(authenticatedAt) } : {};
      const used = { ...found, session: { ...found.session, ...at, updatedAt } };
      if (!read.isCached || updatedAt !== found.session.updatedAt) void cache.keepSession(used);
      return used;
    },
    factors: createAuthFactors(engine, handover),
    passkeys: createPasskeyCeremonies({
      ...ports,
      challenges: challengesOf(engine, authDatabase),
      currentTx: () => authDatabase.currentTx(),
      baseUrl: settings.baseUrl,
      origins: browser.trustedOrigins,
    }),
    forget: (sessionToken) => cache.delete(sessionToken),
    ready: async () => {
      await engine.$context;
    },
  };
}

/** Challenges of passkeys, in the table where Better Auth keeps values that are used once. */
const challengesOf = (
  engine: ReturnType<typeof createAuthEngine>,
  { unmask }: Pick<AuthDatabase, 'unmask'>,
): ChallengeStore => ({
  async keep(identifier, value, expiresAt) {
    const { internalAdapter } = await engine.$context;
    await unmask(() => internalAdapter.createVerificationValue({ identifier, value, expiresAt }));
  },
  async take(identifier) {
    const { internalAdapter } = await engine.$context;
    return (await internalAdapter.consumeVerificationValue(identifier))?.value ?? null;
  },
});

/** Better Auth's errors have a status: this makes sure that a defect of ours is not answered as the client's fault. */
function ownError(err: unknown): unknown {
  if (!isAPIError(err)) return err;
  if (err.body?.code === 'USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL') return emailTaken();
  return internalError({ cause: err });
}
