// For tests only: the use cases of users on real stores, called directly; no HTTP comes in.
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type pg from 'pg';
import type { MailRequest } from '#services/core/identity/mail/mails.ts';
import type { CodePurpose } from '#services/core/identity/mail/one-time-codes.store.ts';
import { issueCode } from '#services/core/identity/mail/one-time-codes.ts';
import { sessionCaller } from '#services/core/identity/sessions/read-session.ts';
import { mailContext } from '#services/core/keys/secrets/sealed-contexts.ts';
import type { Caller } from '#services/core/ports.ts';
import type { ClientSettings } from '#services/platform/config/clients.ts';
import { isVerificationRequired } from '#services/platform/config/identity.ts';
import { createFileMarks } from '#services/platform/marks/file-marks.ts';
import { newEmail, newPassword } from '../flows/flows.ts';
import { insertPerson, openSessionFor, type TestAssurance } from '../flows/signed-in.ts';
import type { Json } from '../http-client.ts';
import { type Copy, type CopyOptions, openCopy } from './copy.ts';
import type { RawSql } from './ports.ts';
import { rowsOf, testCaller } from './ports.ts';
import { createTestDatabase, testRedisUrl } from './stores.ts';

export type PeopleOptions = Partial<Omit<CopyOptions, 'marks' | 'databaseUrl' | 'redisUrl' | 'change'>> & {
  readonly secureCookies?: boolean;
  readonly trustedOrigins?: readonly string[];
  /** The rights of clients that registered themselves. */
  readonly clients?: ClientSettings;
};
export type PeopleHarnessOptions = PeopleOptions & Pick<CopyOptions, 'databaseUrl' | 'redisUrl'>;

type Ports = Copy['ports'];

/** What an API copy gives the use cases of users. */
export type PeopleHarness = Pick<Copy, 'poll' | 'hasher'> &
  Pick<Ports, 'keyRing' | 'access' | 'revocations' | 'databaseGuard'> & {
    readonly databaseUrl: string;
    readonly redisUrl: string;
    readonly pool: pg.Pool;
    readonly redis: Ports['redis'];
    readonly deps: Ports;
    readonly rows: RawSql<Json>;
    close(): Promise<void>;
  };

/** Stores of its own, which `close` drops. */
export async function openPeopleHarness(options: PeopleOptions = {}): Promise<PeopleHarness> {
  const database = await createTestDatabase();
  const harness = await startPeopleHarness({ ...options, databaseUrl: database.url, redisUrl: testRedisUrl() });
  return {
    ...harness,
    close: async () => {
      await harness.close();
      await database.drop();
    },
  };
}

/** Opens the harness on given stores, which other harnesses may share. Deadlines and the age of the revocation feed refuse nothing. */
export async function startPeopleHarness(options: PeopleHarnessOptions): Promise<PeopleHarness> {
  const { secureCookies = false, trustedOrigins = [], clients, ...given } = options;
  const marksDir = await mkdtemp(join(tmpdir(), 'sallyport-marks-'));
  const copy = await openCopy({
    authSecret: randomBytes(32).toString('base64url'),
    ...given,
    marks: createFileMarks(marksDir),
    change: (config) => ({
      ...config,
      clients: clients ?? config.clients,
      identity: { ...config.identity, requireEmailVerification: isVerificationRequired(config) },
      server: {
        ...config.server,
        corsOrigins: [...trustedOrigins],
        profile: secureCookies ? 'production' : config.server.profile,
      },
    }),
  });
  await copy.ready();
  const { ports, stores, poll, hasher } = copy;
  const pool = stores.pools.main;
  return {
    databaseUrl: options.databaseUrl,
    redisUrl: options.redisUrl,
    pool,
    redis: stores.redis,
    keyRing: ports.keyRing,
    access: ports.access,
    revocations: ports.revocations,
    databaseGuard: stores.databaseGuard,
    poll,
    hasher,
    deps: ports,
    rows: rowsOf(pool),
    close: async () => {
      await copy.close();
      await rm(marksDir, { recursive: true, force: true });
    },
  };
}

type UserCaller = Caller & { readonly kind: 'user' };

/** A caller who has not signed in, at the address of `openSessionFor`. */
export const anonymous: Caller = {
  kind: 'anonymous',
  request: { ip: '203.0.113.9', userAgent: 'test/1', traceId: '', traceparent: '' },
};

export type NewUserOptions = {
  /** Opens the account with `password` of the harness; all of them share one digest. */
  readonly hasPassword?: boolean;
  readonly isVerified?: boolean;
  readonly roles?: readonly string[];
};

/**
 * The same, with what its users have: sessions, codes, mails and the recorded events of them. Hashes one password.
 */
export async function openPeopledHarness() {
  const harness = await openPeopleHarness();
  const { pool, deps, rows } = harness;
  const password = newPassword();
  const digest = await deps.hasher.hash(password, { clientPrefix: 'test', knownDevice: true });

  /** A user without a session. */
  async function newUser({ hasPassword = false, isVerified = true, roles = [] }: NewUserOptions = {}) {
    const email = newEmail();
    const id = await insertPerson({ stores: { pools: { main: pool } } }, email, hasPassword ? digest : undefined);
    if (isVerified) await rows`UPDATE users SET "emailVerified" = now() WHERE id = ${id}`;
    for (const role of roles) await rows`INSERT INTO user_roles (user_id, role) VALUES (${id}, ${role})`;
    return { id, email };
  }

  async function callerOf({ cookie }: { readonly cookie: string }): Promise<UserCaller> {
    const caller = await sessionCaller(deps, cookie, anonymous.request);
    if (caller?.kind !== 'user') throw new Error('no session');
    return caller;
  }

  /** A user with a session, and the caller that it authenticates. */
  async function signedIn(who: NewUserOptions = {}, assurance?: TestAssurance) {
    const person = await newUser(who);
    const login = await openSessionFor({ ports: deps }, person.id, assurance);
    return { ...person, ...login, caller: await callerOf(login) };
  }

  /** A code as a mail carries it; without a user, of a sign-up. */
  async function codeFor(
    purpose: CodePurpose,
    { id, email }: { readonly id: string | null; readonly email: string },
    lifeSeconds = 600,
  ): Promise<string> {
    const [user] = await rows`SELECT "tokenEpoch" FROM users WHERE id = ${id}`;
    const [asking] = await rows`SELECT id FROM sessions WHERE "userId" = ${id} ORDER BY "createdAt" DESC LIMIT 1`;
    const code = await issueCode(deps.sql, deps, {
      id: deps.random.uuid(),
      purpose,
      userId: id,
      userEpoch: user === undefined ? null : (user.tokenEpoch as number),
      email,
      lifeSeconds,
      ...(id === null ? { carries: { name: 'Ada' } } : {}),
      ...(purpose === 'change_email' && asking ? { carries: { sessionId: asking.id } } : {}),
    });
    if (code === null) throw new Error('no code');
    return code.code;
  }

  return {
    ...harness,
    password,
    digest,
    newUser,
    signedIn,
    callerOf,
    codeFor,
    /** Mails queued for an address, the oldest first. */
    mailsTo: async (email: string): Promise<MailRequest[]> => {
      const mails = (await rows`SELECT id, sealed FROM mail_outbox ORDER BY id`) as { id: string; sealed: string }[];
      const asked = mails.map(
        ({ id, sealed }): MailRequest => JSON.parse(deps.vault.open(sealed, mailContext(id)).toString('utf8')),
      );
      return asked.filter(({ to }) => to === email);
    },
    /** Events recorded of a user: type, outcome and detail, the oldest first. */
    eventsOf: (id: string) =>
      rows`SELECT type, outcome, actor_kind, actor_id, detail FROM audit_outbox WHERE target_id = ${id} ORDER BY id`,
    /** How often an event was recorded, of any user. */
    countOf: async (type: string, outcome: string): Promise<number> =>
      (await rows`SELECT 1 FROM audit_outbox WHERE type = ${type} AND outcome = ${outcome}`).length,
    accountOf: async (id: string) => (await rows`SELECT * FROM users WHERE id = ${id}`)[0],
    sessionsOf: async (id: string): Promise<number> =>
      (await rows`SELECT 1 FROM sessions WHERE "userId" = ${id}`).length,
    isPasswordOf: async (id: string, text: string): Promise<boolean> => {
      const [account] = await rows`SELECT password FROM accounts WHERE "userId" = ${id} AND password IS NOT NULL`;
      if (account === undefined) return false;
      return deps.hasher.verify(text, account.password as string, { clientPrefix: 'test', knownDevice: true });
    },
    system: testCaller,
  };
}

export type PeopledHarness = Awaited<ReturnType<typeof openPeopledHarness>>;
