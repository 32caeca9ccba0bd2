import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose';
import { beforeEach, describe, expect, test } from 'vitest';
import { deleteUser, disableUser } from '#services/core/identity/admin/disable-user.ts';
import { endUserSessions } from '#services/core/identity/admin/end-user-sessions.ts';
import { endOwnSession } from '#services/core/identity/sessions/manage-sessions.ts';
import { sessionCallerOf } from '#services/core/identity/sessions/open-session.ts';
import { findByCookie } from '#services/core/identity/sessions/read-session.ts';
import { signOut } from '#services/core/identity/sign-in/sign-out.ts';
import type { Caller } from '#services/core/ports.ts';
import { familyPurge } from '#services/core/tokens/metadata/token-statistics.store.ts';
import { revokeToken } from '#services/core/tokens/revoke/revoke-token.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import { takeFence } from '#services/platform/queue/fences.ts';
import type { TestUser } from '#tools/testing/flows/flows.ts';
import { testCaller, userCaller } from '#tools/testing/harness/ports.ts';
import { validateToken } from '#tools/testing/harness/token.ts';
import { opened } from '#tools/testing/opened.ts';
import { readIdTokenHint } from '../claims/id-token-hint.ts';
import { selfRegisterClient } from '../clients/self-register-client.ts';
import {
  anonymousCaller,
  challengeOf,
  type GrantClient,
  newVerifier,
  openGrantHarness,
  REDIRECT,
} from '../grant-harness.ts';
import { redeemAuthorizationCode } from '../redeem-code.ts';
import { logoutTokenPurge } from './logout-tokens.store.ts';
import { type LogoutTransport, type SendLogoutPorts, sendLogoutTokens } from './send-logout-tokens.ts';

const URI = 'https://app.example.test/logout';
const harness = opened(() => openGrantHarness({ env: { JWT_ADDITIONAL_ALGORITHMS: 'ES256' } }));
const site = opened(() => harness.newClient({ backchannel_logout_uri: URI }));
beforeEach(() => harness.rows`DELETE FROM logout_tokens`);

/** Signs the user in to a client, in the user's session. */
async function signInTo(client: GrantClient, user: TestUser, scope = 'openid email'): Promise<void> {
  const codeVerifier = newVerifier();
  const code = await harness.codeFor(user, client, { scope, code_challenge: challengeOf(codeVerifier) });
  const at = { clientId: client.clientId, isAuthenticated: client.caller.kind === 'client' };
  const input = { code, codeVerifier, client: at, redirectUri: REDIRECT, resource: undefined, keys: {} };
  await redeemAuthorizationCode(harness.ports, input, client.caller);
}
async function signedInTo(...clients: readonly GrantClient[]): Promise<TestUser> {
  const user = await harness.newUser();
  for (const client of clients) await signInTo(client, user);
  return user;
}
async function leave({ cookie }: TestUser, from: Caller = testCaller): Promise<void> {
  const live = await findByCookie(harness.ports, cookie);
  if (live === null) throw new Error('no session');
  await signOut(harness.ports, {}, sessionCallerOf(live, harness.ports, from));
}

type Sent = { readonly uri: string; readonly isVetted: boolean; readonly token: string };
/** Sends what is due, as a worker does, to clients that answer so. */
async function run(
  answer: (sent: Sent) => number | Promise<number> = () => 200,
  sent: Sent[] = [],
  signal: AbortSignal = new AbortController().signal,
  changes: Partial<SendLogoutPorts> = {},
): Promise<Sent[]> {
  const logoutTransport: LogoutTransport = {
    send: async ({ uri, is_vetted: isVetted }, token) => {
      const one = { uri, isVetted, token };
      sent.push(one);
      return answer(one);
    },
  };
  const { keyRing, ...others } = harness.ports;
  const ports: SendLogoutPorts = { ...others, keyRing, logoutTransport, ...changes };
  const fence = await takeFence(harness.ports.sql, 'send-logout-tokens');
  await sendLogoutTokens(ports, { fence, signal }, testCaller);
  return sent;
}
const unreachable = (): number => {
  throw Object.assign(new Error('connect ECONNREFUSED 10.0.0.7'), { code: 'ECONNREFUSED' });
};
const rows = () =>
  harness.rows`SELECT client_id, session_id, attempts, failure,
    extract(epoch FROM next_attempt_at - clock_timestamp())::float8 AS due
    FROM logout_tokens ORDER BY client_id`;
const due = () => harness.rows`UPDATE logout_tokens SET next_attempt_at = now() WHERE next_attempt_at IS NOT NULL`;
const eventsOf = (sessionId: string | undefined) =>
  harness.rows`SELECT outcome, client_id, detail FROM audit_outbox
    WHERE type = 'oauth.logout_token_sent' AND target_id = ${sessionId}`;

describe('the end of a session', () => {
  const act = (user: TestUser) => ({ user_id: user.id, reason: 'test' });
  const revoke = (kind: 'session_id' | 'user_id', value: string) =>
    revokeToken(harness.ports, { kind, value, reason: 'test' }, testCaller);
  test.each<[string, (user: TestUser) => Promise<unknown>]>([
    ['a sign-out', leave],
    [
      'its user, elsewhere',
      (user) => endOwnSession(harness.ports, { session_id: user.sessionId as string }, userCaller(user.id)),
    ],
    ['an administrator who ends sessions', (user) => endUserSessions(harness.ports, act(user), testCaller)],
    ['a revocation of the session', (user) => revoke('session_id', user.sessionId as string)],
    ['a revocation of all tokens of the user', (user) => revoke('user_id', user.id)],
    ['a disabled account', (user) => disableUser(harness.ports, act(user), testCaller)],
    ['a deleted account', (user) => deleteUser(harness.ports, act(user), testCaller)],
    [
      'a new password',
      async ({ id }) => {
        await harness.rows`INSERT INTO accounts (id, "accountId", "providerId", "userId", password)
          VALUES (${id}, ${id}, 'credential', ${id}, 'x')
          ON CONFLICT DO NOTHING`;
        await harness.rows`UPDATE accounts SET password = 'y' WHERE "userId" = ${id}`;
      },
    ],
    [
      'the response to an incident, which ends every session in the database',
      (user) => harness.rows`SELECT user_every_login_end(${user.id})`,
    ],
  ])('by %s queues one logout token for each client of the session', async (_what, end) => {
    const other = await harness.newClient({ backchannel_logout_uri: `${URI}/other` });
    const [user, bystander] = [await signedInTo(site, other), await signedInTo(site)];
    await signInTo(site, user);
    await end(user);
    expect(await rows()).toEqual(
      [site.clientId, other.clientId]
        .sort()
        .map((client_id) => expect.objectContaining({ client_id, session_id: user.sessionId, attempts: 0 })),
    );
    const sent = await run();
    expect(sent.map(({ uri }) => uri).sort()).toEqual([URI, `${URI}/other`]);
    expect(sent.map(({ token }) => decodeJwt(token).sub)).not.toContain(bystander.id);
    expect(await rows()).toEqual([]);
    expect(await eventsOf(user.sessionId)).toEqual(
      expect.arrayContaining([{ outcome: 'ok', client_id: site.clientId, detail: { attempts: 1 } }]),
    );
  });

  test('queues one even for a client whose token family ended before', async () => {
    const user = await signedInTo(site);
    await harness.rows`UPDATE refresh_families SET revoked_at = now() WHERE sid = ${user.sessionId} AND client_bound`;
    await leave(user);
    expect(await rows()).toHaveLength(1);
  });

  test('queues one even if the token family expired and was purged, as long as the session lasts', async () => {
    const user = await signedInTo(site);
    await harness.rows`UPDATE refresh_families SET expires_at = now() - interval '2 days', revoked_at = now()
      WHERE sid = ${user.sessionId}`;
    await harness.ports.transact((tx) => familyPurge.removeBatch(tx, 1_000, '-infinity'));
    await leave(user);
    expect(await rows()).toHaveLength(1);
  });

  test('queues none for a client without an address, or that got no ID token', async () => {
    const user = await signedInTo(await harness.newClient());
    await signInTo(await harness.newClient({ backchannel_logout_uri: URI }), user, 'email');
    await leave(user);
    expect(await rows()).toEqual([]);
  });

  test('queues none if its transaction is rolled back', async () => {
    const user = await signedInTo(site);
    const failed = harness.ports.transact(async (tx) => {
      await tx.query(defineStatement('')`DELETE FROM sessions WHERE id = $1`, [user.sessionId]);
      throw new Error('rolled back');
    });
    await expect(failed).rejects.toThrow('rolled back');
    expect(await rows()).toEqual([]);
  });
});

describe('a logout token', () => {
  test('names issuer, client, user and session, and lives two minutes at most', async () => {
    const user = await signedInTo(site);
    await leave(user);
    const [sent] = await run();
    const keys = createLocalJWKSet(JSON.parse(harness.ports.keyRing.jwks().body));
    const { payload, protectedHeader } = await jwtVerify(sent?.token as string, keys, {
      issuer: harness.ports.tokenSettings.issuer,
      audience: site.clientId,
      typ: 'logout+jwt',
    });
    expect(protectedHeader.alg).not.toBe('HS256');
    expect(payload).toEqual({
      iss: harness.ports.tokenSettings.issuer,
      aud: site.clientId,
      sub: user.id,
      sid: user.sessionId,
      jti: expect.stringMatching(/^[\da-f-]{36}$/),
      iat: expect.any(Number),
      exp: expect.any(Number),
      events: { 'http://schemas.openid.net/event/backchannel-logout': {} },
    });
    expect((payload.exp as number) - (payload.iat as number)).toBeLessThanOrEqual(120);
  });

  test('is signed with the algorithm of the ID tokens of its client', async () => {
    const other = await harness.newClient({ backchannel_logout_uri: URI, id_token_signed_response_alg: 'ES256' });
    await leave(await signedInTo(site, other));
    const algorithms = Object.fromEntries(
      (await run()).map(({ token }) => [decodeJwt(token).aud, decodeProtectedHeader(token).alg]),
    );
    expect(algorithms).toEqual({ [site.clientId]: 'RS256', [other.clientId]: 'ES256' });
  });

  test('token confusion: it is no access token, and no ID token as a hint', async () => {
    await leave(await signedInTo(site));
    const [sent] = await run();
    expect(validateToken(harness.ports, sent?.token as string)).toEqual({ active: false, reason: 'wrong_type' });
    expect(readIdTokenHint(harness.ports, sent?.token as string)).toBeNull();
  });

  test.each([
    ['an error status', () => 500, 'http_500'],
    ['a refusal', () => 400, 'http_400'],
    ['a redirect', () => 302, 'http_302'],
    ['no connection', unreachable, 'ECONNREFUSED'],
  ])('is sent again after %s, and its audit event counts the attempts', async (_what, answer, failure) => {
    const user = await signedInTo(site);
    await leave(user);
    await run(answer);
    expect(await rows()).toMatchObject([{ attempts: 1, failure }]);
    await due();
    expect(await run(() => 204)).toHaveLength(1);
    expect(await eventsOf(user.sessionId)).toEqual([
      { outcome: 'ok', client_id: site.clientId, detail: { attempts: 2 } },
    ]);
  });

  test.each(['before', 'while'])('counts an attempt only if it began: the run ends %s it is sent', async (when) => {
    await leave(await signedInTo(site));
    const ending = new AbortController();
    const transact: SendLogoutPorts['transact'] = (work) =>
      harness.ports.transact(work).finally(() => when === 'before' && ending.abort());
    const stop = (): number => {
      ending.abort();
      return unreachable();
    };
    await run(stop, [], ending.signal, { transact });
    const kept = when === 'before' ? { attempts: 0, failure: null } : { attempts: 1, failure: expect.any(String) };
    expect(await rows()).toEqual([expect.objectContaining(kept)]);
    if (when === 'while') await due();
    expect(await run()).toHaveLength(1);
  });

  test('goes to the address that the client has when it is sent', async () => {
    const client = await harness.newClient({ backchannel_logout_uri: URI });
    await leave(await signedInTo(client));
    await run(unreachable);
    await harness.rows`UPDATE oauth_clients SET backchannel_logout_uri = ${`${URI}/new`}
      WHERE "clientId" = ${client.clientId}`;
    await due();
    expect((await run()).map(({ uri }) => uri)).toEqual([`${URI}/new`]);
  });

  test('belongs to the trace of the request that ended the session, and so does its audit event', async () => {
    const user = await signedInTo(site);
    const traceId = '0af7651916cd43dd8448eb211c80319c';
    const traceparent = `00-${traceId}-b7ad6b7169203331-01`;
    await leave(user, { ...testCaller, request: { ...testCaller.request, traceId, traceparent } });
    await run();
    const [event] = await harness.rows`SELECT traceparent FROM audit_outbox
      WHERE type = 'oauth.logout_token_sent' AND target_id = ${user.sessionId}`;
    expect(event?.traceparent).toContain(traceId);
  });

  test('is given up after a day, recorded, and kept for a week', async () => {
    const user = await signedInTo(site);
    await leave(user);
    await harness.rows`UPDATE logout_tokens SET created_at = now() - interval '25 hours', attempts = 20`;
    await run(unreachable);
    expect(await rows()).toMatchObject([{ attempts: 21, failure: 'ECONNREFUSED', due: null }]);
    expect(await eventsOf(user.sessionId)).toEqual([
      { outcome: 'given_up', client_id: site.clientId, detail: { attempts: 21, code: 'ECONNREFUSED' } },
    ]);
    expect(await run()).toEqual([]);
    const purge = () => harness.ports.transact((tx) => logoutTokenPurge.removeBatch(tx, 10, '-infinity'));
    expect(await purge()).toMatchObject({ removed: 0 });
    await harness.rows`UPDATE logout_tokens SET created_at = now() - interval '8 days'`;
    expect(await purge()).toMatchObject({ removed: 1 });
  });

  test('is tried four times at an unvetted client, whose address an attacker may have chosen, and leaves no dead letter', async () => {
    const { client_id: clientId } = await selfRegisterClient(
      harness.ports,
      { redirect_uris: [REDIRECT], backchannel_logout_uri: URI, token_endpoint_auth_method: 'none' },
      anonymousCaller,
    );
    const user = await signedInTo({ clientId, caller: anonymousCaller });
    await leave(user);
    for (let attempt = 1; attempt <= 5; attempt += 1) {
      const sent = await run(unreachable);
      expect(sent.map(({ isVetted }) => isVetted)).toEqual(attempt <= 4 ? [false] : []);
      await due();
    }
    expect(await eventsOf(user.sessionId)).toMatchObject([{ outcome: 'given_up', detail: { attempts: 4 } }]);
    expect(await rows()).toEqual([]);
  });

  test.each([
    ['is disabled', 'UPDATE oauth_clients SET disabled = true WHERE "clientId" = $1'],
    ['has no address any more', 'UPDATE oauth_clients SET backchannel_logout_uri = NULL WHERE "clientId" = $1'],
    ['is gone', 'DELETE FROM oauth_clients WHERE "clientId" = $1'],
  ])('is dropped if the client %s', async (_what, change) => {
    const client = await harness.newClient({ backchannel_logout_uri: URI });
    const user = await signedInTo(client);
    await leave(user);
    await harness.rows(change, [client.clientId]);
    expect(await run()).toEqual([]);
    expect(await rows()).toEqual([]);
    expect(await eventsOf(user.sessionId)).toEqual([
      { outcome: 'dropped', client_id: client.clientId, detail: { attempts: 0 } },
    ]);
  });

  test('of a client that does not answer delays no other client', async () => {
    const slow = await harness.newClient({ backchannel_logout_uri: `${URI}/slow` });
    for (let n = 0; n < 20; n += 1) await leave(await signedInTo(slow));
    await leave(await signedInTo(site));
    const sent = await run(({ uri }) => (uri === URI ? 200 : 503));
    expect(sent.filter(({ uri }) => uri === URI)).toHaveLength(1);
    // The rows beyond the first batch wait without an attempt.
    expect(sent.length).toBeLessThan(21);
    expect((await rows()).every(({ client_id }) => client_id === slow.clientId)).toBe(true);
  });

  test('amplification: unvetted clients that do not answer delay no other client, and get one batch in a run', async () => {
    const registered = { redirect_uris: [REDIRECT], backchannel_logout_uri: `${URI}/slow` };
    const { client_id: clientId } = await selfRegisterClient(
      harness.ports,
      { ...registered, token_endpoint_auth_method: 'none' },
      anonymousCaller,
    );
    for (let n = 0; n < 17; n += 1) await leave(await signedInTo({ clientId, caller: anonymousCaller }));
    for (let n = 0; n < 17; n += 1) await leave(await signedInTo(site));
    const sent: Sent[] = [];
    const vetted = () => sent.filter(({ isVetted }) => isVetted).length;
    await run(async ({ isVetted }) => {
      // Hangs until the others have their tokens.
      if (!isVetted) await expect.poll(vetted).toBe(17);
      return 200;
    }, sent);
    expect(sent).toHaveLength(17 + 16);
    await run(() => 200, sent);
    expect(sent).toHaveLength(34);
  });

  test('is left to the next run once the time of a run is over', async () => {
    for (let n = 0; n < 17; n += 1) await leave(await signedInTo(site));
    let monotonicMs = 0;
    const clock = { ...harness.ports.clock, monotonic: () => (monotonicMs += 60_000) };
    const sent: Sent[] = [];
    await run(() => 200, sent, undefined, { clock });
    expect(sent).toHaveLength(16);
    await run(() => 200, sent);
    expect(sent).toHaveLength(17);
  });

  test('is left to the later attempt by a worker that was delayed past its lease', async () => {
    const user = await signedInTo(site);
    await leave(user);
    const delayed = (status: number) => async () => {
      await harness.rows`UPDATE logout_tokens SET attempts = attempts + 1`;
      return status;
    };
    await run(delayed(200));
    expect(await rows()).toMatchObject([{ attempts: 2, failure: null }]);
    await harness.rows`UPDATE logout_tokens SET created_at = now() - interval '25 hours'`;
    await due();
    await run(delayed(500));
    expect(await rows()).toMatchObject([{ attempts: 4, failure: null }]);
    expect(await eventsOf(user.sessionId)).toEqual([]);
  });

  test('is sent before its run ends, even if the run is superseded meanwhile', async () => {
    await leave(await signedInTo(site));
    const order: string[] = [];
    const superseded = Promise.withResolvers<void>();
    const refused = Promise.withResolvers<void>();
    let transactions = 0;
    // The second transaction would take the tokens of unvetted clients.
    const transact: SendLogoutPorts['transact'] = async (work) => {
      transactions += 1;
      if (transactions !== 2) return harness.ports.transact(work);
      await superseded.promise;
      return harness.ports.transact(work).finally(refused.resolve);
    };
    const answer = async (): Promise<number> => {
      await takeFence(harness.ports.sql, 'send-logout-tokens');
      superseded.resolve();
      await refused.promise;
      await new Promise(setImmediate);
      order.push('delivered');
      return 200;
    };
    await run(answer, [], undefined, { transact }).catch((err: { code: string }) => order.push(err.code));
    expect(order).toEqual(['delivered', 'run_superseded']);
    expect(await rows()).toEqual([]);
  });

  test('is sent once by concurrent runs', async () => {
    for (let n = 0; n < 20; n += 1) await leave(await signedInTo(site));
    const sent: Sent[] = [];
    const ok = (): number => 200;
    // The older of two concurrent runs is superseded between two batches.
    await Promise.allSettled([run(ok, sent), run(ok, sent)]);
    await run(ok, sent);
    expect(sent).toHaveLength(20);
    expect(new Set(sent.map(({ token }) => decodeJwt(token).sid)).size).toBe(20);
    expect(await rows()).toEqual([]);
  });
});
