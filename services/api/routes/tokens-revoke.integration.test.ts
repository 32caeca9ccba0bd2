import { decodeJwt } from 'jose';
import { describe, expect, test } from 'vitest';
import type { TestUser } from '#tools/testing/flows/flows.ts';
import { newSignedIn } from '#tools/testing/flows/signed-in.ts';
import { openApiHarness } from '#tools/testing/harness/api.ts';
import { type ClientCredentials, type Received, type Sent, send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';

const harness = opened(() => openApiHarness());
const api = opened(() => harness.startCopy({ hashes: false }));
const other = opened(() => harness.startCopy({ hashes: false }));
const trusted = opened(() =>
  harness.newClient(['tokens:issue', 'tokens:read', 'tokens:revoke', 'tokens:introspect', 'demo:read']),
);

const newUser = () => newSignedIn(api);
const validate = (token: string, copy = api): Promise<Received> =>
  send(copy.url, 'POST', '/v1/tokens/validate', { json: { token } });

describe('revoke', () => {
  const revoke = (body: object, credential: Sent = { basic: trusted }): Promise<Received> =>
    send(api.url, 'POST', '/v1/tokens/revoke', { json: { reason: 'test', ...body }, ...credential });
  const inactive = async (token: string, reason: string) => {
    expect((await validate(token)).body).toEqual({ active: false, reason });
    await expect
      .poll(async () => (await validate(token, other)).body, { interval: 20 })
      .toEqual({ active: false, reason });
  };

  test('a user’s own token is refused at once here and on another copy; the reason is kept', async () => {
    const { id: userId, tokens } = await newUser();
    const token = tokens.access_token;
    expect((await validate(token, other)).body.active).toBe(true);
    const revoked = await revoke({ token, reason: 'stolen laptop' }, { bearer: token });
    expect(revoked.status).toBe(200);
    await inactive(token, 'revoked');
    const { jti } = decodeJwt(token);
    const rows = await harness.rows`SELECT * FROM revocations WHERE kind = 'jti' AND value = ${jti}`;
    expect(rows).toMatchObject([{ reason: 'stolen laptop', user_id: userId, epoch: revoked.body.epoch }]);
    const [row] =
      await harness.rows`SELECT * FROM audit_outbox WHERE type = 'token.revoked' AND target_id = ${jti} ORDER BY id`;
    expect(row).toMatchObject({ outcome: 'ok', actor_id: userId, detail: { reason: 'stolen laptop' } });
    // The token is revoked and can no longer be used to ask; tokens:revoke gets the first revocation's number again.
    expect((await revoke({ token_id: jti })).body).toEqual(revoked.body);
  });

  test('a bearer may revoke its own token id, session, family and user, but no other’s', async () => {
    const kinds = {
      token_id: (login: TestUser) => decodeJwt(login.tokens.access_token).jti as string,
      session_id: (login: TestUser) => login.sessionId,
      family_id: (login: TestUser) => decodeJwt(login.tokens.access_token).fid as string,
      user_id: (login: TestUser) => login.id,
    };
    const reasons = { token_id: 'revoked', session_id: 'session_ended', family_id: 'revoked', user_id: 'revoked' };
    for (const [kind, idOf] of Object.entries(kinds)) {
      const [me, victim] = await Promise.all([newUser(), newUser()]);
      const mine = me.tokens.access_token;
      const theirs = victim.tokens.access_token;
      const refused = await revoke({ [kind]: idOf(victim) }, { bearer: mine });
      expect([kind, refused.status, refused.body.code]).toEqual([kind, 403, 'permission_missing']);
      expect((await validate(theirs)).body.active).toBe(true);
      expect((await revoke({ [kind]: idOf(me) }, { bearer: mine })).status).toBe(200);
      await inactive(mine, reasons[kind as keyof typeof reasons]);
      const refresh = await send(api.url, 'POST', '/v1/tokens/refresh', {
        json: { refresh_token: me.tokens.refresh_token },
      });
      expect([kind, refresh.status]).toEqual([kind, kind === 'token_id' ? 200 : 401]);
      expect((await validate(theirs)).body.active).toBe(true);
    }
  });

  test('a token given to another client revokes what was issued to that client, and nothing else of its user', async () => {
    const user = await newUser();
    const own = decodeJwt(user.tokens.access_token);
    const giveTo = async (client: ClientCredentials) =>
      (await send(api.url, 'POST', '/v1/tokens', { basic: client, json: { user_id: user.id } })).body;
    const [mine, second, others] = [
      await giveTo(trusted),
      await giveTo(trusted),
      await giveTo(await harness.newClient(['tokens:issue'])),
    ];
    const bearer = mine.access_token;
    for (const named of [
      { user_id: user.id },
      { session_id: user.sessionId },
      { family_id: own.fid },
      { token: user.tokens.access_token },
      { token: user.tokens.refresh_token },
      { token_id: own.jti },
      { family_id: decodeJwt(others.access_token).fid },
      { token: others.access_token },
    ]) {
      const { status, body } = await revoke(named, { bearer });
      expect([named, status, body.code]).toEqual([named, 403, 'permission_missing']);
    }
    for (const token of [user.tokens.access_token, others.access_token])
      expect((await validate(token)).body.active).toBe(true);
    expect((await revoke({ family_id: decodeJwt(second.access_token).fid }, { bearer })).status).toBe(200);
    await inactive(second.access_token, 'revoked');
    expect((await revoke({ token_id: decodeJwt(bearer).jti }, { bearer })).status).toBe(200);
    await inactive(bearer, 'revoked');
    // Our own pages may revoke what the user granted.
    const byUser = { bearer: user.tokens.access_token };
    expect((await revoke({ token: others.access_token }, byUser)).status).toBe(200);
    await inactive(others.access_token, 'revoked');
  });

  test('ending a session invalidates its cookie too', async () => {
    const login = await newUser();
    await revoke({ session_id: login.sessionId });
    expect((await send(api.url, 'GET', '/api/auth/session', { cookie: login.cookie })).status).toBe(401);
    expect((await revoke({ session_id: login.sessionId })).status).toBe(200);
  });

  test('a client’s epoch revokes everything issued to it, and only that', async () => {
    const { id: userId, tokens } = await newUser();
    const client = await harness.newClient(['tokens:issue', 'demo:read']);
    const pair = await send(api.url, 'POST', '/v1/tokens', { basic: client, json: { user_id: userId } });
    const form = { grant_type: 'client_credentials' };
    const credentials = await send(api.url, 'POST', '/oauth2/token', { basic: client, form });
    expect((await revoke({ client_id: client.client_id })).status).toBe(200);
    await inactive(pair.body.access_token, 'revoked');
    await inactive(credentials.body.access_token, 'revoked');
    expect((await validate(tokens.access_token)).body.active).toBe(true);
  });

  test('exactly one target is named, with a reason', async () => {
    for (const body of [
      {},
      { token_id: 'a', user_id: 'b', reason: 'r' },
      { token_id: 'a' },
      { token_id: 'a', reason: '' },
    ]) {
      const { status } = await send(api.url, 'POST', '/v1/tokens/revoke', { json: body, basic: trusted });
      expect(status).toBe(400);
    }
  });
});

describe('statistics', () => {
  test('the statistics match a scripted run', async () => {
    const read = async () => (await send(api.url, 'GET', '/v1/tokens/stats', { basic: trusted })).body;
    const before = await read();
    const people = await Promise.all([newUser(), newUser(), newUser()]);
    await send(api.url, 'POST', '/oauth2/token', { basic: trusted, form: { grant_type: 'client_credentials' } });
    const [rotated, replayed, revoked] = people as [TestUser, TestUser, TestUser];
    const refresh = (token: string) => send(api.url, 'POST', '/v1/tokens/refresh', { json: { refresh_token: token } });
    await refresh(rotated.tokens.refresh_token);
    const first = replayed.tokens.refresh_token;
    const second = (await refresh(first)).body.refresh_token;
    await refresh(second);
    expect((await refresh(first)).body.code).toBe('refresh_token_reused');
    const revoke = (json: object) => send(api.url, 'POST', '/v1/tokens/revoke', { basic: trusted, json });
    await revoke({ session_id: revoked.sessionId, reason: 'test' });
    await revoke({ token_id: decodeJwt(rotated.tokens.access_token).jti, reason: 'test' });
    const after = await read();
    const difference = Object.fromEntries(
      Object.entries(after).map(([name, value]) => [name, (value as number) - before[name]]),
    );
    expect(difference).toEqual({ issued: 4, active: 1, refreshed: 3, revoked: 2, expired: 0, replays: 1 });
  });
});
