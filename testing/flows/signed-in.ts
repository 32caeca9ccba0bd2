// For tests only: signs a user in with session, cookie and token pair, without hashing a password.
import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import {
  completeSignIn,
  createSessionFamily,
  type SignInAnswer,
} from '#services/domain/identity/sessions/open-session.ts';
import type { SignInPorts } from '#services/domain/identity/sign-in/sign-in.ts';
import { type Assurance, PASSWORD_ALONE } from '#services/domain/identity/users/assurance.ts';
import type { RequestContext } from '#services/domain/ports.ts';
import { newEmail, type TestUser } from './flows.ts';

type CopyPorts = SignInPorts & Pick<RequestContext, 'hashIdentifier'>;
type Copy = {
  readonly ports: CopyPorts;
  readonly stores: { readonly pools: { readonly main: pg.Pool } };
};

/** Opens a session for an existing user. @param assurance how the user authenticated; by default with a password */
export async function openSessionFor(
  { ports }: Pick<Copy, 'ports'>,
  userId: string,
  assurance: Assurance = PASSWORD_ALONE,
): Promise<Pick<TestUser, 'sessionId' | 'cookie' | 'tokens'>> {
  const { hashIdentifier } = ports;
  const request = { ip: '203.0.113.9', userAgent: 'test/1', traceId: '', traceparent: '', hashIdentifier };
  const anonymous = { kind: 'anonymous', request } as const;
  const family = await ports.auth.transact(async (tx) => {
    const opened = await ports.auth.openSession({ userId, assurance }, request);
    return createSessionFamily(tx, ports, opened, anonymous);
  });
  const { body, setCookie }: SignInAnswer = await completeSignIn(ports, family, anonymous);
  const cookie = setCookie.map((line) => line.split(';', 1)[0]).join('; ');
  return { sessionId: body.session.id, cookie, tokens: body.tokens };
}

/** Inserts a new user. @param digest of a password; without it, no password opens the account */
export async function insertPerson({ stores }: Pick<Copy, 'stores'>, email: string, digest?: string): Promise<string> {
  const id = randomUUID();
  const rows = stores.pools.main;
  await rows.query('INSERT INTO users (id, email, name) VALUES ($1, $2, $3)', [id, email, 'Ada']);
  if (digest !== undefined)
    await rows.query(
      `INSERT INTO accounts (id, "accountId", "providerId", "userId", password) VALUES ($1, $1, 'credential', $1, $2)`,
      [id, digest],
    );
  return id;
}

/** A new user who has signed in, for tests that are not about passwords. */
export async function newSignedIn(copy: Copy, email = newEmail()): Promise<TestUser> {
  const id = await insertPerson(copy, email);
  return { id, email, password: '', ...(await openSessionFor(copy, id)) };
}
