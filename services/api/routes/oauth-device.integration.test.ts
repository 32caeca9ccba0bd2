import { decodeJwt } from 'jose';
import * as oauth from 'oauth4webapi';
import { describe, expect, test } from 'vitest';
import { newProofMaker } from '#tools/testing/fakes/dpop.ts';
import { atOnce, signUp, verdictOn } from '#tools/testing/flows/flows.ts';
import { API_URL, openApiHarness } from '#tools/testing/harness/api.ts';
import { askToken, browserOf, codeForm, codeOf, newOAuthClient, newVerifier } from '#tools/testing/harness/oauth.ts';
import { send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';

const DEVICE = 'urn:ietf:params:oauth:grant-type:device_code';
const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';

const harness = opened(() => openApiHarness());
const api = opened(() => harness.startCopy());
const user = opened(() => signUp({ api: api.url }));
const tv = opened(() => newOAuthClient([api], 'none', [DEVICE, 'refresh_token']));
const app = opened(() => newOAuthClient([api], 'none', ['authorization_code']));
const service = opened(() => newOAuthClient([api], 'client_secret_basic', [EXCHANGE, 'client_credentials']));
const operator = opened(() => harness.newClient(['tokens:revoke', 'tokens:read']));

const begin = async (form: Record<string, string> = {}, client = tv) =>
  send(api.url, 'POST', '/oauth2/device_authorization', { form: { client_id: client.client_id, ...form } });
const poll = (device_code: string, client = tv) => askToken(api, client, { grant_type: DEVICE, device_code });

async function decide(userCode: string, decision: 'allow' | 'deny', by = user) {
  const browser = browserOf(api, by);
  const confirm = await browser.open(`/device?user_code=${userCode}`);
  return browser.submit(confirm, { decision });
}

describe('device grant (RFC 8628)', () => {
  test('an outside client (oauth4webapi): the user signs in, enters the code and allows; the token family outlives that session', async () => {
    const via = {
      [oauth.customFetch]: (url: string, init: RequestInit) => fetch(url.replace(API_URL, api.url), init),
      [oauth.allowInsecureRequests]: true,
    } as const;
    const issuer = new URL(API_URL);
    const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, via));
    const client: oauth.Client = { client_id: tv.client_id };
    const own = await signUp({ api: api.url });
    const asked = await oauth.deviceAuthorizationRequest(as, client, oauth.None(), { scope: 'openid email' }, via);
    const grant = await oauth.processDeviceAuthorizationResponse(as, client, asked);
    expect(grant).toMatchObject({
      user_code: expect.stringMatching(/^[B-Z]{4}-[B-Z]{4}$/),
      expires_in: 600,
      interval: 5,
    });
    const ask = async () =>
      oauth.processDeviceCodeResponse(
        as,
        client,
        await oauth.deviceCodeGrantRequest(as, client, oauth.None(), grant.device_code, via),
      );
    await expect(ask()).rejects.toMatchObject({ error: 'authorization_pending' });
    await expect(ask()).rejects.toMatchObject({ error: 'slow_down' });
    const browser = browserOf(api);
    const login = await browser.open(
      new URL(grant.verification_uri_complete as string).pathname +
        new URL(grant.verification_uri_complete as string).search,
    );
    const confirm = await browser.submit(login, { email: own.email, password: own.password });
    expect(confirm.text).toContain(grant.user_code);
    expect(confirm.text).toContain('Tasks &lt;b&gt;');
    expect((await browser.submit(confirm, { decision: 'allow' })).text).toContain('Device connected');
    const tokens = await ask();
    expect(oauth.getValidatedIdTokenClaims(tokens)).toMatchObject({ sub: own.id });
    const info = await oauth.userInfoRequest(as, client, tokens.access_token, via);
    expect(await oauth.processUserInfoResponse(as, client, own.id, info)).toMatchObject({ email: own.email });
    expect(decodeJwt(tokens.access_token)).not.toHaveProperty('sid');
    const cookie = [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    await send(api.url, 'POST', '/api/auth/signout', { cookie, headers: { origin: API_URL } });
    expect(await verdictOn({ api: api.url }, tokens.access_token)).toBe('active');
    const renewed = await oauth.refreshTokenGrantRequest(as, client, oauth.None(), tokens.refresh_token as string, via);
    expect(renewed.status).toBe(200);
  });

  test('parallel polls for an allowed device create one token family', async () => {
    const { body } = await begin();
    await decide(body.user_code, 'allow');
    const answers = await atOnce(20, () => poll(body.device_code));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    for (const answer of answers) if (answer.status !== 200) expect(answer.body.error).toBe('invalid_grant');
  });

  test('denied, expired, unknown and another client’s codes each have their own error', async () => {
    const denied = (await begin()).body;
    expect((await decide(denied.user_code, 'deny')).text).toContain('Device refused');
    expect((await poll(denied.device_code)).body.error).toBe('access_denied');
    const other = await newOAuthClient([api], 'none', [DEVICE]);
    const { body } = await begin();
    expect((await poll(body.device_code, other)).body.error).toBe('invalid_grant');
    expect((await poll('x')).body.error).toBe('invalid_grant');
    expect((await poll('')).body.error).toBe('invalid_request');
    await harness.rows`UPDATE oauth_device_grants SET expires_at = clock_timestamp()`;
    expect((await poll(body.device_code)).body.error).toBe('expired_token');
    const late = await browserOf(api, user).open(`/device?user_code=${body.user_code}`);
    expect([late.status, late.text.includes('unknown or has expired')]).toEqual([400, true]);
  });

  test('the first decision is final, and a form of another browser is refused', async () => {
    const { body } = await begin();
    const browser = browserOf(api, user);
    const confirm = await browser.open(`/device?user_code=${body.user_code.toLowerCase().replace('-', ' ')}`);
    expect((await browserOf(api, user).submit(confirm, { decision: 'allow' })).status).toBe(403);
    await browser.submit(confirm, { decision: 'deny' });
    expect((await browser.submit(confirm, { decision: 'allow' })).status).toBe(400);
    const rows = await harness.rows`SELECT outcome FROM audit_outbox
      WHERE type = 'oauth.device_decided' AND target_id = ${tv.client_id} ORDER BY id DESC LIMIT 1`;
    expect(rows).toEqual([{ outcome: 'denied' }]);
    expect((await browser.open('/device')).text).toContain('name="user_code"');
  });

  test('a scope or resource that the client did not register is refused', async () => {
    expect((await begin({}, app)).body.error).toBe('unauthorized_client');
    expect((await begin({ scope: 'openid users:manage' })).body.error).toBe('invalid_scope');
    expect((await begin({ resource: 'relative' })).body.error).toBe('invalid_target');
    expect((await begin({ client_id: 'unknown' })).body.error).toBe('invalid_client');
  });
});

describe('token exchange (RFC 8693)', () => {
  async function userToken(members: Record<string, string> = {}): Promise<string> {
    const verifier = newVerifier();
    const code = await codeOf(api, user, app.client_id, verifier, { scope: 'openid tasks:read', ...members });
    return (await askToken(api, app, codeForm(code, verifier))).body.access_token;
  }
  const exchange = (subject_token: string, form: Record<string, string> = {}, client = service) =>
    askToken(api, client, { grant_type: EXCHANGE, subject_token, subject_token_type: ACCESS_TOKEN, ...form });

  test('the next service gets a token of the same family with less scope, no longer lifetime, and `act` naming the service', async () => {
    const subject = await userToken();
    const { status, body } = await exchange(subject, { scope: 'tasks:read', resource: 'https://next.test/api' });
    expect([status, body.issued_token_type, body.token_type, body.scope]).toEqual([
      200,
      ACCESS_TOKEN,
      'Bearer',
      'tasks:read',
    ]);
    expect(body).not.toHaveProperty('refresh_token');
    const [before, after] = [decodeJwt(subject), decodeJwt(body.access_token)];
    expect(after).toMatchObject({
      sub: user.id,
      fid: before.fid,
      sid: before.sid,
      aud: 'https://next.test/api',
      client_id: service.client_id,
      scope: 'tasks:read',
      act: { sub: service.client_id },
    });
    expect(after.exp).toBeLessThanOrEqual(before.exp as number);
    expect(await verdictOn({ api: api.url }, body.access_token, { audience: 'https://next.test/api' })).toBe('active');
    const rows = await harness.rows`SELECT outcome, actor_id, detail FROM audit_outbox WHERE event_id = ${after.jti}`;
    expect(rows).toMatchObject([
      { outcome: 'ok', actor_id: service.client_id, detail: { of: before.jti, user_id: user.id } },
    ]);
  });

  test('the next service sees of the user what its scope allows: roles with profile, the address with email', async () => {
    const subject = await userToken({ scope: 'openid profile email tasks:read' });
    expect(decodeJwt(subject)).toMatchObject({ roles: ['user'], email: user.email });
    const seenWith = async (scope: string) => {
      const { roles, email, email_verified } = decodeJwt((await exchange(subject, { scope })).body.access_token);
      return [roles, email, email_verified];
    };
    expect(await seenWith('tasks:read')).toEqual([undefined, undefined, undefined]);
    expect(await seenWith('tasks:read profile')).toEqual([['user'], undefined, undefined]);
    expect(await seenWith('email')).toEqual([undefined, user.email, expect.any(Boolean)]);
  });

  test('an actor chain has at most four members and ends with the token family', async () => {
    let token = await userToken();
    for (let depth = 1; depth <= 4; depth += 1) {
      const { status, body } = await exchange(token);
      expect(status, String(depth)).toBe(200);
      token = body.access_token;
    }
    expect(decodeJwt(token)).toMatchObject({ act: { act: { act: { act: { sub: service.client_id } } } } });
    expect((await exchange(token)).body.code).toBe('subject_token_invalid');
    await send(api.url, 'POST', '/v1/tokens/revoke', {
      basic: operator,
      json: { family_id: decodeJwt(token).fid, reason: 'test' },
    });
    expect(await verdictOn({ api: api.url }, token)).toBe('revoked');
  });

  test('it ends with its subject token and with the client of that token, however many services are between', async () => {
    const revoked = (json: object) =>
      send(api.url, 'POST', '/v1/tokens/revoke', { basic: operator, json: { ...json, reason: 'test' } });
    const chain = async (subject: string): Promise<readonly [string, string]> => {
      const first: string = (await exchange(subject)).body.access_token;
      return [first, (await exchange(first)).body.access_token];
    };
    const verdicts = (tokens: readonly string[]) =>
      Promise.all(tokens.map((token) => verdictOn({ api: api.url }, token)));
    const subject = await userToken();
    const { client_id, ce, jti } = decodeJwt(subject);
    const made = await chain(subject);
    expect(made.map((token) => (decodeJwt(token).origins as unknown[]).length)).toEqual([1, 2]);
    expect(decodeJwt(made[1])).toMatchObject({
      origins: [
        { client_id: service.client_id, jti: decodeJwt(made[0]).jti },
        { client_id, ce, jti },
      ],
    });
    expect(await verdicts(made)).toEqual(['active', 'active']);
    await revoked({ token_id: decodeJwt(made[0]).jti });
    expect(await verdicts([subject, ...made])).toEqual(['active', 'revoked', 'revoked']);

    const others = await chain(subject);
    await revoked({ token: subject });
    expect(await verdicts(others)).toEqual(['revoked', 'revoked']);
    const byId = { token_ids: [decodeJwt(others[1]).jti] };
    const told = await send(api.url, 'POST', '/v1/tokens/validate-batch', { basic: operator, json: byId });
    expect(told.body.results, told.text).toMatchObject([{ active: false }]);
    const why = await send(api.url, 'POST', '/v1/tokens/why', { json: { token: others[1] } });
    expect(why.body, why.text).toMatchObject({ ended: true });

    const last = await chain(await userToken());
    await revoked({ client_id: app.client_id });
    expect(await verdicts(last)).toEqual(['revoked', 'revoked']);
    await api.ports.access.load();
  });

  test('no more scope than the user granted, only for active user tokens, and only to a client with a secret', async () => {
    const subject = await userToken();
    const own = (await askToken(api, service, { grant_type: 'client_credentials' })).body.access_token;
    for (const [answer, error] of [
      [await exchange(subject, { scope: 'email' }), 'invalid_scope'],
      [await exchange(subject, { scope: 'keys:manage' }), 'invalid_scope'],
      [await exchange(subject, { resource: 'relative' }), 'invalid_target'],
      [await exchange(subject, { resource: 'https://a.test', audience: 'https://b.test' }), 'invalid_target'],
      [await exchange(own), 'invalid_request'],
      [await exchange('x.y.z'), 'invalid_request'],
      [await exchange(''), 'invalid_request'],
      [await exchange(await userToken({ resource: 'https://other.test' })), 'invalid_request'],
      [
        await exchange(subject, { subject_token_type: 'urn:ietf:params:oauth:token-type:refresh_token' }),
        'invalid_request',
      ],
      [
        await exchange(subject, { requested_token_type: 'urn:ietf:params:oauth:token-type:id_token' }),
        'invalid_request',
      ],
      [await exchange(subject, { actor_token: own }), 'invalid_request'],
      [await exchange(subject, {}, app), 'unauthorized_client'],
      [await exchange(subject, {}, await newOAuthClient([api], 'none', [EXCHANGE])), 'invalid_client'],
    ] as const)
      expect(answer.body.error, answer.text).toBe(error);
  });

  test('a bound token must be used with its key; the new token is bound to the key of the requesting client', async () => {
    const maker = newProofMaker();
    const proof = () => ({ dpop: maker.proof('POST', `${API_URL}/oauth2/token`) });
    const verifier = newVerifier();
    const code = await codeOf(api, user, app.client_id, verifier);
    const bound = (await askToken(api, app, codeForm(code, verifier), proof())).body.access_token;
    expect((await exchange(bound)).body.code).toBe('subject_token_invalid');
    const form = { grant_type: EXCHANGE, subject_token: await userToken(), subject_token_type: ACCESS_TOKEN };
    const { body } = await askToken(api, service, form, proof());
    expect([body.token_type, decodeJwt(body.access_token).cnf]).toEqual(['DPoP', decodeJwt(bound).cnf]);
  });
});
