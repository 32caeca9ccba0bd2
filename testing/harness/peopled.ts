// For tests only: the people harness, and what its users have: sessions, codes, mails and what was recorded of them.
import type { CodePurpose } from '#services/domain/identity/accounts/one-time-codes.store.ts';
import { issueCode } from '#services/domain/identity/accounts/one-time-codes.ts';
import type { Assurance } from '#services/domain/identity/assurance.ts';
import type { MailRequest } from '#services/domain/identity/mail/mails.ts';
import { sessionCaller } from '#services/domain/identity/sessions/read-session.ts';
import { mailContext } from '#services/domain/keys/secrets/sealed-contexts.ts';
import type { Caller } from '#services/domain/ports.ts';
import { newEmail, newPassword } from '../flows/flows.ts';
import { insertPerson, logIn } from '../flows/signed-in.ts';
import { openPeopleHarness } from './people.ts';
import { testCaller } from './ports.ts';

type UserCaller = Caller & { readonly kind: 'user' };

/** Nobody yet, at the address of `logIn`. */
export const anonymous: Caller = {
  kind: 'anonymous',
  request: { ip: '203.0.113.9', userAgent: 'test/1', traceId: '', traceparent: '' },
};

export type NewUserOptions = {
  /** Opens the account with `password` of the harness; one digest serves everybody. */
  readonly hasPassword?: boolean;
  readonly isVerified?: boolean;
  readonly roles?: readonly string[];
};

// What it gives is inferred: it is long, and said by what it is made of.
export async function openPeopledHarness() {
  const harness = await openPeopleHarness();
  const { pool, deps, rows } = harness;
  const password = newPassword();
  const digest = await deps.hasher.hash(password, { clientPrefix: 'test', knownDevice: true });

  /** Somebody who is there and signed in nowhere. */
  async function newUser({ hasPassword = false, isVerified = true, roles = [] }: NewUserOptions = {}) {
    const email = newEmail();
    const id = await insertPerson({ stores: { pools: { main: pool } } }, email, hasPassword ? digest : undefined);
    if (isVerified) await rows('UPDATE users SET "emailVerified" = now() WHERE id = $1', [id]);
    for (const role of roles) await rows('INSERT INTO user_roles (user_id, role) VALUES ($1, $2)', [id, role]);
    return { id, email };
  }

  async function callerOf({ cookie }: { readonly cookie: string }): Promise<UserCaller> {
    const caller = await sessionCaller(deps, cookie, anonymous.request);
    if (caller?.kind !== 'user') throw new Error('no session');
    return caller;
  }

  /** Somebody with a session, and the caller they are by it. */
  async function signedIn(who: NewUserOptions = {}, assurance?: Assurance) {
    const person = await newUser(who);
    const login = await logIn({ ports: deps }, person.id, assurance);
    return { ...person, ...login, caller: await callerOf(login) };
  }

  /** A code as a mail carries it; without a user, of a sign-up. */
  async function codeFor(
    purpose: CodePurpose,
    { id, email }: { readonly id: string | null; readonly email: string },
    lifeSeconds = 600,
  ): Promise<string> {
    const [user] = await rows('SELECT "tokenEpoch" FROM users WHERE id = $1', [id]);
    const code = await issueCode(deps.sql, deps, {
      id: deps.random.uuid(),
      purpose,
      userId: id,
      userEpoch: user === undefined ? null : (user.tokenEpoch as number),
      email,
      lifeSeconds,
      ...(id === null ? { carries: { name: 'Ada' } } : {}),
    });
    if (code === null) throw new Error('no code');
    return code;
  }

  return {
    ...harness,
    password,
    digest,
    newUser,
    signedIn,
    callerOf,
    codeFor,
    /** Mails asked for to an address, the oldest first. */
    mailsTo: async (email: string): Promise<MailRequest[]> => {
      const mails = (await rows('SELECT id, sealed FROM mail_outbox ORDER BY id')) as { id: string; sealed: string }[];
      const asked = mails.map(
        ({ id, sealed }): MailRequest => JSON.parse(deps.vault.open(sealed, mailContext(id)).toString('utf8')),
      );
      return asked.filter(({ to }) => to === email);
    },
    /** What was recorded of a user: type, outcome and detail, the oldest first. */
    eventsOf: (id: string) =>
      rows('SELECT type, outcome, actor_kind, actor_id, detail FROM audit_outbox WHERE target_id = $1 ORDER BY id', [
        id,
      ]),
    /** How often something was recorded, of whomever. */
    countOf: async (type: string, outcome: string): Promise<number> =>
      (await rows('SELECT 1 FROM audit_outbox WHERE type = $1 AND outcome = $2', [type, outcome])).length,
    accountOf: async (id: string) => (await rows('SELECT * FROM users WHERE id = $1', [id]))[0],
    sessionsOf: async (id: string): Promise<number> =>
      (await rows('SELECT 1 FROM sessions WHERE "userId" = $1', [id])).length,
    isPasswordOf: async (id: string, text: string): Promise<boolean> => {
      const [account] = await rows('SELECT password FROM accounts WHERE "userId" = $1 AND password IS NOT NULL', [id]);
      if (account === undefined) return false;
      return deps.hasher.verify(text, account.password as string, { clientPrefix: 'test', knownDevice: true });
    },
    system: testCaller,
  };
}

export type PeopledHarness = Awaited<ReturnType<typeof openPeopledHarness>>;
