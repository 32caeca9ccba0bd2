// For tests only: users with roles, signed in without the cost of password hashing.
import type pg from 'pg';
import { type IssuePorts, issuePair } from '#services/core/tokens/issue/issue-pair.ts';
import { insertSession, insertUser } from '../fixtures/families.ts';

export type Person = {
  readonly id: string;
  readonly email: string;
  readonly sessionId: string;
  /** Access token of the session. */
  readonly bearer: string;
  readonly refreshToken: string;
};

type Copy = { readonly ports: IssuePorts; readonly stores: { readonly pools: { readonly main: pg.Pool } } };

/** Another pair for a session, as its cookie would get it. @param authTime Unix seconds of the login */
export async function pairOf(
  { ports }: Pick<Copy, 'ports'>,
  person: { readonly id: string; readonly sessionId: string },
  authTime = Math.floor(Date.now() / 1_000),
): Promise<{ bearer: string; refreshToken: string }> {
  await ports.access.load();
  const pair = await issuePair(
    ports,
    {},
    {
      kind: 'user',
      userId: person.id,
      sessionId: person.sessionId,
      clientId: 'sallyport',
      permissions: new Set(),
      by: 'session',
      tokenId: null,
      familyId: null,
      authTime,
      request: { ip: '', userAgent: '', traceId: '', traceparent: '' },
    },
  );
  return { bearer: pair.access_token, refreshToken: pair.refresh_token };
}

/** A user with these roles and `user`, just signed in. */
export async function newPerson(copy: Copy, roles: readonly string[] = []): Promise<Person> {
  const pool = copy.stores.pools.main;
  const id = await insertUser(pool);
  for (const role of roles) await pool.query('INSERT INTO user_roles (user_id, role) VALUES ($1, $2)', [id, role]);
  const sessionId = await insertSession(pool, id);
  return { id, email: `${id}@example.test`, sessionId, ...(await pairOf(copy, { id, sessionId })) };
}
