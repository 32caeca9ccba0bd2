// For tests only: creates token families and refreshes them at an API copy, by direct calls.
import type pg from 'pg';
import type { Ports } from '#services/core/ports.ts';
import { callerFrom, insertSession, insertUser, publicClient } from '#tools/testing/fixtures/families.ts';
import { type CreatedFamily, type CreateFamilyPorts, createFamily, type NewFamily } from './create-family.ts';
import { type RefreshTokenInput, type RefreshTokenPorts, refreshToken } from './refresh-token.ts';

type Copy = {
  readonly ports: Pick<Ports, 'transact'> & CreateFamilyPorts & RefreshTokenPorts;
  readonly stores: { readonly pools: { readonly main: pg.Pool } };
};
type SessionFamily = CreatedFamily & { readonly userId: string; readonly sessionId: string };

/** Creates token families of new users, and refreshes them. */
export function familyFlows({ ports, stores }: Copy) {
  const caller = callerFrom('192.0.2.1');
  const pool = stores.pools.main;
  const newFamily = async (family: Partial<NewFamily> = {}): Promise<SessionFamily> => {
    const userId = await insertUser(pool);
    const sessionId = await insertSession(pool, userId);
    const terms = {
      user_id: userId,
      session_id: sessionId,
      client_id: 'sallyport',
      is_client_bound: false,
      audience: 'https://a.test',
      auth_time: 1,
      scope: 'openid email profile',
      ...family,
    };
    return { ...(await ports.transact((tx) => createFamily(tx, ports, terms, caller))), userId, sessionId };
  };
  /** @param at the ports of another copy, or some of these replaced */
  const refresh = (token: string, input: Partial<RefreshTokenInput> = {}, at: RefreshTokenPorts = ports) =>
    refreshToken(at, { refreshToken: token, presentedBy: publicClient, ...input }, caller);
  const generationOf = async (familyId: string): Promise<number> =>
    (await pool.query('SELECT generation FROM refresh_families WHERE id = $1', [familyId])).rows[0].generation;
  return { newFamily, refresh, generationOf };
}
