// For tests only: signs a user in with session, cookie and token pair, without hashing a password.
import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { type Admission, admitSession } from '#services/core/identity/sessions/admit-session.ts';
import { completeSignIn, createSessionFamily } from '#services/core/identity/sessions/open-session.ts';
import { assuranceOfSession } from '#services/core/identity/sessions/session-assurance.ts';
import type { SignInPorts } from '#services/core/identity/sign-in/sign-in.ts';
import { PASSWORD_ALONE } from '#services/core/identity/users/assurance.ts';
import type { Ports, RequestContext, Tx } from '#services/core/ports.ts';
import { isAppError } from '#services/platform/define/error.ts';
import { eventually } from '../eventually.ts';
import { rowsOf } from '../harness/ports.ts';
import { newEmail, type TestUser } from './flows.ts';

type CopyPorts = SignInPorts & Pick<RequestContext, 'hashIdentifier'>;
type Copy = { readonly ports: CopyPorts; readonly stores: { readonly pools: { readonly main: pg.Pool } } };

/** How a user of a test signed in. */
export type TestAssurance = { readonly amr: readonly string[]; readonly acr: 'aal1' | 'aal2' };
export const TWO_FACTORS: TestAssurance = { amr: ['pwd', 'otp', 'mfa'], acr: 'aal2' };

/** The door that every session passes; a test that must not open one there gets the refusal thrown. */
export async function admitted(
  tx: Tx,
  ports: Pick<Ports, 'random'>,
  userId: string,
  assurance: TestAssurance = PASSWORD_ALONE,
): Promise<Admission> {
  const request = { ip: '', userAgent: '', traceId: '', traceparent: '' };
  const arrival = { userId, assurance: assuranceOfSession(assurance) };
  const admission = await admitSession(tx, ports, arrival, { kind: 'anonymous', request });
  if (isAppError(admission)) throw admission;
  return admission;
}

/** A copy on a busy machine may have read its state too long ago, which it says with 503. */
function unlessBusy(err: unknown): undefined {
  if (!isAppError(err) || err.definition.status !== 503) throw err;
}

/** Opens a session for an existing user. @param assurance how the user authenticated; by default with a password */
export async function openSessionFor(
  { ports }: Pick<Copy, 'ports'>,
  userId: string,
  assurance: TestAssurance = PASSWORD_ALONE,
): Promise<Pick<TestUser, 'sessionId' | 'cookie' | 'tokens'>> {
  const { hashIdentifier } = ports;
  const request = { ip: '203.0.113.9', userAgent: 'test/1', traceId: '', traceparent: '', hashIdentifier };
  const anonymous = { kind: 'anonymous', request } as const;
  const open = async (tx: Tx) => {
    const admission = await admitted(tx, ports, userId, assurance);
    const opened = await ports.auth.openSession({ admission }, request);
    return createSessionFamily(tx, ports, opened, anonymous);
  };
  const family = await eventually('an answer other than 503', () => ports.auth.transact(open).catch(unlessBusy));
  const { body, setCookie } = await completeSignIn(ports, family, anonymous);
  const cookie = setCookie.map((line) => line.split(';', 1)[0]).join('; ');
  return { sessionId: body.session.id, cookie, tokens: body.tokens };
}

/** Inserts a new user. @param digest of a password; without it, no password opens the account */
export async function insertPerson({ stores }: Pick<Copy, 'stores'>, email: string, digest?: string): Promise<string> {
  const id = randomUUID();
  await stores.pools.main.query('INSERT INTO users (id, email, name) VALUES ($1, $2, $3)', [id, email, 'Ada']);
  if (digest !== undefined)
    await rowsOf(stores.pools.main)`INSERT INTO accounts (id, "accountId", "providerId", "userId", password)
      VALUES (${id}, ${id}, 'credential', ${id}, ${digest})`;
  return id;
}

/** A new user who has signed in, for tests that are not about passwords. */
export async function newSignedIn(copy: Copy, email = newEmail()): Promise<TestUser> {
  const id = await insertPerson(copy, email);
  return { id, email, password: '', ...(await openSessionFor(copy, id)) };
}
