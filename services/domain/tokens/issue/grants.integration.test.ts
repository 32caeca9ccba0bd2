import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ApiCopy } from '../../../platform/testing/api-copy.ts';
import { clientToken } from '../../../platform/testing/flows/flows.ts';
import type { ClientCredentials } from '../../../platform/testing/http-client.ts';
import { expectOAuthError, send } from '../../../platform/testing/http-client.ts';
import { insertUser } from '../../../platform/testing/made/families.ts';
import { testCaller } from '../../../platform/testing/ports.ts';
import { type ApiWorld, openApiWorld } from '../../../platform/testing/worlds/api-world.ts';
import type { Caller, Sql } from '../../ports.ts';
import { type AccessTokenClaims, signAccessToken } from '../access-token.ts';
import { introspectToken } from '../judge/introspect-token.ts';
import { createClientTokenLog, issueClientToken } from './issue-client-token.ts';
import { issuePair } from './issue-pair.ts';

let world: ApiWorld;
let copy: ApiCopy;
/** Its settings let clients that nobody looked at have less. */
let strict: ApiCopy;
let client: ClientCredentials;
beforeAll(async () => {
  world = await openApiWorld();
  copy = await world.startCopy({ hashes: false });
  strict = await world.startCopy({ hashes: false, env: { UNVETTED_CLIENT_SCOPES: 'openid' } });
  client = await world.newClient(['tokens:issue', 'tokens:introspect']);
});
afterAll(() => world?.close());

const ask = (form: Readonly<Record<string, string>>) =>
  send(copy.url, 'POST', '/oauth2/token', { basic: client, form });
/** The client as it was when it proved who it is. */
const callerOf = ({ client_id }: ClientCredentials): Caller => ({
  kind: 'client',
  by: 'client',
  clientId: client_id,
  permissions: new Set(['tokens:issue', 'tokens:introspect']),
  isVetted: true,
  request: testCaller.request,
});
const goneCaller = async (): Promise<Caller> => {
  const gone = await world.newClient([]);
  await world.rows('DELETE FROM oauth_clients WHERE "clientId" = $1', [gone.client_id]);
  await copy.ports.access.load();
  return callerOf(gone);
};

describe('the token endpoint', () => {
  test('RFC 6749 §3.2: a parameter without a value counts as left out', async () => {
    const empty = { scope: '', resource: '', audience: '', client_id: '' };
    const { status, body, text } = await ask({ grant_type: 'client_credentials', ...empty });
    expect([status, body?.scope], text).toEqual([200, 'tokens:issue tokens:introspect']);
    expect(decodeJwt(body.access_token).aud).toBe(copy.ports.tokenSettings.audience);
  });

  test.each([[{}], [{ refresh_token: '' }]])('a refresh with %o is told what is missing', async (form) => {
    const answer = await ask({ grant_type: 'refresh_token', ...form });
    expectOAuthError(answer, 400, 'invalid_request', 'request_invalid');
    expect(answer.body.problems).toEqual([{ at: 'body/refresh_token', why: 'is required' }]);
  });

  test('with GROUP_COMMIT off every token has a statement of its own, and the same row', async () => {
    let statements = 0;
    const hotSql: Sql = {
      query: (statement, values) => {
        statements += 1;
        return copy.ports.hotSql.query(statement, values);
      },
    };
    const clientTokenLog = createClientTokenLog({ ...copy.ports, hotSql }, false);
    const ports = { ...copy.ports, clientTokenLog };
    const answers = await Promise.all(
      Array.from({ length: 5 }, () => issueClientToken(ports, { scope: 'tokens:issue' }, callerOf(client))),
    );
    await clientTokenLog.close();
    expect(statements).toBe(5);
    const ids = answers.map(({ access_token }) => decodeJwt(access_token).jti);
    const rows = await world.rows('SELECT target_id FROM audit_outbox WHERE target_id = ANY ($1)', [ids]);
    expect(rows).toHaveLength(5);
  });
});

test('a client that was deleted since it proved who it is gets no pair', async () => {
  const userId = await insertUser(copy.stores.pools.main);
  const gone = await goneCaller();
  await expect(issuePair(copy.ports, { userId }, gone)).rejects.toMatchObject({ code: 'client_unauthenticated' });
  expect(await world.rows('SELECT 1 FROM refresh_families WHERE user_id = $1', [userId])).toEqual([]);
});

describe('introspection', () => {
  const introspect = (token: string, { ports } = copy, caller = callerOf(client)) =>
    introspectToken(ports, token, caller);

  test('is for clients that are still there', async () => {
    const token = await clientToken({ api: copy.url, credentials: { client } });
    expect(await introspect(token)).toMatchObject({ active: true });
    const gone = await goneCaller();
    const disabled = await world.newClient([]);
    await world.rows('UPDATE oauth_clients SET disabled = true WHERE "clientId" = $1', [disabled.client_id]);
    await copy.ports.access.load();
    for (const caller of [testCaller, gone, callerOf(disabled)])
      await expect(introspect(token, copy, caller)).rejects.toMatchObject({ code: 'client_unauthenticated' });
  });

  test('RFC 9068 §2.2.3: a token without a scope has an empty one', async () => {
    const { scope: _, ...claims } = decodeJwt(await clientToken({ api: copy.url, credentials: { client } }));
    const { token } = await signAccessToken(copy.ports, claims as AccessTokenClaims);
    expect(await introspect(token)).toMatchObject({ active: true, scope: '' });
  });

  test('a refresh token of which the settings leave nothing is inactive: it will not refresh', async () => {
    const userId = await insertUser(copy.stores.pools.main);
    const unvetted = await world.newClient([]);
    await world.rows(`UPDATE oauth_clients SET origin = 'registration' WHERE "clientId" = $1`, [unvetted.client_id]);
    await Promise.all([copy, strict].map(({ ports }) => ports.access.load()));
    const issued = (scope: string) => issuePair(copy.ports, { userId, scope }, callerOf(unvetted));
    const [email, both] = [await issued('email'), await issued('openid email')];
    const own = callerOf(unvetted);
    expect(await introspect(email.refresh_token, copy, own)).toMatchObject({ active: true, scope: 'email' });
    expect(await introspect(both.refresh_token, strict, own)).toMatchObject({ active: true, scope: 'openid' });
    expect(await introspect(email.refresh_token, strict, own)).toEqual({ active: false });
  });
});
