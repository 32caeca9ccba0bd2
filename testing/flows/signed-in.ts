// For tests only: somebody signed in as by a password, with session, cookie and pair, and no password hashed.
import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { type Assurance, PASSWORD_ALONE } from '#services/domain/identity/assurance.ts';
import { beginLogin, finishLogin, type LoginAnswer } from '#services/domain/identity/sessions/open-session.ts';
import type { LoginPorts } from '#services/domain/identity/sign-in/sign-in.ts';
import { newEmail, type TestUser } from './flows.ts';

const request = { ip: '203.0.113.9', userAgent: 'test/1', traceId: '', traceparent: '' };
const anonymous = { kind: 'anonymous', request } as const;

type Copy = { readonly ports: LoginPorts; readonly stores: { readonly pools: { readonly main: pg.Pool } } };

/** A login of somebody who is there. @param assurance what it proved; a password unless given */
export async function logIn(
  { ports }: Pick<Copy, 'ports'>,
  userId: string,
  assurance: Assurance = PASSWORD_ALONE,
): Promise<Pick<TestUser, 'sessionId' | 'cookie' | 'tokens'>> {
  const login = await ports.auth.transact(async (tx) => {
    const opened = await ports.auth.openSession({ userId, assurance }, request);
    return beginLogin(tx, ports, opened, anonymous);
  });
  const { body, setCookie }: LoginAnswer = await finishLogin(ports, login, anonymous);
  const cookie = setCookie.map((line) => line.split(';', 1)[0]).join('; ');
  return { sessionId: body.session.id, cookie, tokens: body.tokens };
}

/** Somebody new. @param digest of a password; without it none opens the account */
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

/** Somebody new who has signed in; where what a password costs is not the point. */
export async function newSignedIn(copy: Copy, email = newEmail()): Promise<TestUser> {
  const id = await insertPerson(copy, email);
  return { id, email, password: '', ...(await logIn(copy, id)) };
}
