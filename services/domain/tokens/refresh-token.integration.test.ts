import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ApiCopy } from '../../platform/testing/api-copy.ts';
import { callerFrom, insertSession, insertUser, publicClient } from '../../platform/testing/made/families.ts';
import { outcomeOf } from '../../platform/testing/outcome.ts';
import { startTcpProxy, type TcpProxy } from '../../platform/testing/processes/tcp-proxy.ts';
import { type ApiWorld, openApiWorld } from '../../platform/testing/worlds/api-world.ts';
import { createFamily, type NewFamily } from './families/create-family.ts';
import { type RefreshTokenInput, type RefreshTokenPorts, refreshToken } from './refresh-token.ts';

let world: ApiWorld;
let proxy: TcpProxy;
let api: ApiCopy;
let remote: ApiCopy;
beforeAll(async () => {
  world = await openApiWorld();
  proxy = await startTcpProxy(world.databaseUrl);
  api = await world.startCopy();
  remote = await world.startCopy({ databaseUrl: proxy.url });
});
afterAll(async () => {
  await world?.close();
  await proxy?.cut();
});

const caller = callerFrom('192.0.2.1');
const query = (text: string, values: unknown[] = []) => world.rows(text, values);
const newLogin = async (family: Partial<NewFamily> = {}) => {
  const userId = await insertUser(api.stores.pools.main);
  const sessionId = await insertSession(api.stores.pools.main, userId);
  const login = {
    userId,
    sessionId,
    clientId: 'sallyport',
    isClientBound: false,
    audience: 'https://a.test',
    authTime: 1,
  };
  const created = await api.ports.transact((tx) =>
    createFamily(tx, api.ports, { ...login, scope: 'openid email profile', ...family }, caller),
  );
  return { ...created, userId, sessionId };
};
const refresh = (token: string, input: Partial<RefreshTokenInput> = {}, ports: RefreshTokenPorts = api.ports) =>
  refreshToken(ports, { refreshToken: token, presentedBy: publicClient, ...input }, caller);
const generationOf = async (familyId: string): Promise<number> =>
  (await query('SELECT generation FROM refresh_families WHERE id = $1', [familyId]))[0].generation;

describe('Postgres out of reach', () => {
  test('cut off: 503 with a code, nothing half-rotated, and the same token works once it is back', async () => {
    const logins = await Promise.all(Array.from({ length: 10 }, () => newLogin()));
    await proxy.cut();
    const outcomes = await Promise.all(logins.map((login) => outcomeOf(refresh(login.refreshToken, {}, remote.ports))));
    expect(outcomes).toEqual(Array(10).fill('store_unavailable'));
    await proxy.restore();
    for (const login of logins) {
      await expect.poll(() => outcomeOf(refresh(login.refreshToken, {}, remote.ports)), { timeout: 20_000 }).toBe('ok');
      expect(await generationOf(login.familyId)).toBe(1);
    }
  });

  test('silent: 503 while it still is, and afterwards every client gets its one successor', async () => {
    const logins = await Promise.all(Array.from({ length: 10 }, () => newLogin()));
    await Promise.all(
      (await Promise.all([newLogin(), newLogin()])).map((login) => refresh(login.refreshToken, {}, remote.ports)),
    );
    proxy.freeze();
    const outcomes = await Promise.all(logins.map((login) => outcomeOf(refresh(login.refreshToken, {}, remote.ports))));
    expect(outcomes).toEqual(Array(10).fill('store_unavailable'));
    proxy.thaw();
    for (const login of logins) {
      await expect.poll(() => outcomeOf(refresh(login.refreshToken, {}, remote.ports)), { timeout: 20_000 }).toBe('ok');
      expect(await generationOf(login.familyId)).toBe(1);
    }
  });
});
