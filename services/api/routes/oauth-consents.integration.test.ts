import { expect, test } from 'vitest';
import { type TestUser, untilVerdict, verdictOn } from '#tools/testing/flows/flows.ts';
import { newSignedIn } from '#tools/testing/flows/signed-in.ts';
import { openApiHarness } from '#tools/testing/harness/api.ts';
import { askToken, browserOf, codeForm, codeOf, newOAuthClient, newVerifier } from '#tools/testing/harness/oauth.ts';
import { expectProblem, type Json, type Received, send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';

const DEVICE = 'urn:ietf:params:oauth:grant-type:device_code';

const harness = opened(() => openApiHarness());
const one = opened(() => harness.startCopy({ hashes: false }));
const two = opened(() => harness.startCopy({ hashes: false }));
const user = opened(() => newSignedIn(one));
const app = opened(() => newOAuthClient([one, two], 'client_secret_basic', ['authorization_code', 'refresh_token']));
const tv = opened(() => newOAuthClient([one, two], 'none', [DEVICE, 'refresh_token']));

const consentsOf = (by: TestUser, query = ''): Promise<Received> =>
  send(one.url, 'GET', `/v1/consents${query}`, { bearer: by.tokens.access_token });
const withdraw = (clientId: string, by = user): Promise<Received> =>
  send(one.url, 'DELETE', `/v1/consents/${encodeURIComponent(clientId)}`, { bearer: by.tokens.access_token });

async function loginOf(by: TestUser, members: Record<string, string> = {}): Promise<Json> {
  const verifier = newVerifier();
  const code = await codeOf(one, by, app.client_id, verifier, { scope: 'openid email', ...members });
  const answered = await askToken(one, app, codeForm(code, verifier));
  expect(answered.status, answered.text).toBe(200);
  return answered.body;
}
const refreshed = (token: string, copy = one) =>
  askToken(copy, app, { grant_type: 'refresh_token', refresh_token: token });

async function allowDevice(by: TestUser): Promise<string> {
  const begun = await send(one.url, 'POST', '/oauth2/device_authorization', { form: { client_id: tv.client_id } });
  const browser = browserOf(one, by);
  await browser.submit(await browser.open(`/device?user_code=${begun.body.user_code}`), { decision: 'allow' });
  return begun.body.device_code;
}
const fetchDevice = (device_code: string) => askToken(one, tv, { grant_type: DEVICE, device_code });

test('a user’s consents are listed to that user; a withdrawn one revokes the client’s tokens at both copies', async () => {
  const other = await newSignedIn(one);
  const first = await loginOf(user);
  // It replaces the previous token family, whose access token stays valid.
  const second = await loginOf(user, { scope: 'openid tasks:read' });
  const theirs = await loginOf(other);
  const device = (await fetchDevice(await allowDevice(user))).body;
  expect(await verdictOn({ api: two.url }, first.access_token)).toBe('active');

  const listed = (await consentsOf(user)).body;
  expect(listed.next).toBeNull();
  expect(listed.consents).toEqual(
    [
      {
        client_id: app.client_id,
        client_name: 'Tasks <b>',
        client_origin: 'admin',
        scopes: ['email', 'openid', 'tasks:read'],
        authorization_details: [],
        audiences: [expect.any(String)],
        granted_at: expect.stringMatching(/Z$/),
        logins: 1,
        copy_uses: 0,
      },
      expect.objectContaining({ client_id: tv.client_id, logins: 1 }),
    ].sort((a, b) => (a.client_id < b.client_id ? -1 : 1)),
  );
  const page = (await consentsOf(user, '?limit=1')).body;
  const rest = (await consentsOf(user, `?limit=1&cursor=${page.next}`)).body;
  expect([...page.consents, ...rest.consents]).toEqual(listed.consents);
  expectProblem(await consentsOf(user, '?cursor=AAAA'), 400, 'cursor_invalid');

  expect((await withdraw(app.client_id)).status).toBe(204);
  for (const { access_token } of [first, second]) {
    expect(await verdictOn({ api: one.url }, access_token)).toBe('revoked');
    await untilVerdict({ api: two.url }, access_token, 'revoked');
  }
  for (const copy of [one, two]) expect((await refreshed(second.refresh_token, copy)).status).toBe(400);
  expect((await withdraw(tv.client_id)).status).toBe(204);
  expect(await verdictOn({ api: one.url }, device.access_token)).not.toBe('active');
  expect((await consentsOf(user)).body.consents).toEqual([]);
  const why = await send(one.url, 'POST', '/v1/tokens/why', { json: { token: second.access_token } });
  expect(why.body).toMatchObject({ ended: true, reason: 'consent_withdrawn', cause: { actor: 'self' } });

  // Neither another user's, nor the session that the user signed in with.
  expect(await verdictOn({ api: one.url }, theirs.access_token)).toBe('active');
  expect((await refreshed(theirs.refresh_token)).status).toBe(200);
  expect(await verdictOn({ api: one.url }, user.tokens.access_token)).toBe('active');
  const browser = browserOf(one, user);
  const asked = await browser.open(
    `/oauth2/authorize?client_id=${app.client_id}&redirect_uri=${encodeURIComponent('http://127.0.0.1/callback')}` +
      `&response_type=code&code_challenge=${'c'.repeat(43)}&code_challenge_method=S256&scope=openid`,
  );
  expect([asked.status, asked.leftFor]).toEqual([200, null]);
  const events = await harness.rows`SELECT actor_id, client_id, detail FROM audit_outbox
    WHERE type = 'oauth.consent_withdrawn' AND target_id = ${app.client_id}`;
  expect(events).toEqual([{ actor_id: user.id, client_id: app.client_id, detail: { logins: 1 } }]);
});

test('another user’s consent, or an unknown one, is 404; another client’s token and an API key are refused', async () => {
  const [owner, stranger] = [await newSignedIn(one), await newSignedIn(one)];
  const login = await loginOf(owner);
  for (const clientId of [app.client_id, tv.client_id, 'sallyport', 'unknown', 'https://unknown.example/a?b=c'])
    expectProblem(await withdraw(clientId, stranger), 404, 'consent_unknown');
  expect(await verdictOn({ api: one.url }, login.access_token)).toBe('active');
  const { body: key } = await send(one.url, 'POST', '/v1/api-keys', {
    bearer: owner.tokens.access_token,
    json: { name: 'x' },
  });
  for (const bearer of [login.access_token, key.secret])
    for (const [method, path] of [
      ['GET', '/v1/consents'],
      ['DELETE', `/v1/consents/${app.client_id}`],
    ] as const)
      expect((await send(one.url, method, path, { bearer })).status).toBe(403);
  expect((await send(one.url, 'GET', '/v1/consents', { cookie: owner.cookie })).body.consents).toHaveLength(1);
});

test.each([
  ['less', 'openid'],
  ['as much', 'openid email tasks:read'],
])(
  'a code from before a withdrawal stays invalid even if its user agrees to %s again within its minute',
  async (_what, scope) => {
    const own = await newSignedIn(one);
    const verifier = newVerifier();
    const before = await codeOf(one, own, app.client_id, verifier, { scope: 'openid email tasks:read' });
    const elsewhere = await codeOf(one, user, app.client_id, verifier, { scope });
    expect((await withdraw(app.client_id, own)).status).toBe(204);
    const after = await codeOf(one, own, app.client_id, verifier, { scope });
    expect((await askToken(one, app, codeForm(before, verifier))).body.error).toBe('invalid_grant');
    expect((await askToken(one, app, codeForm(after, verifier))).body.scope).toBe(scope);
    expect((await askToken(one, app, codeForm(elsewhere, verifier))).status).toBe(200);
  },
);

test('an authorization code or device approval not yet redeemed gives no tokens once consent is withdrawn', async () => {
  const own = await newSignedIn(one);
  const verifier = newVerifier();
  const code = await codeOf(one, own, app.client_id, verifier);
  const deviceCode = await allowDevice(own);
  expect((await withdraw(app.client_id, own)).status).toBe(204);
  expect((await withdraw(tv.client_id, own)).status).toBe(204);
  expect((await askToken(one, app, codeForm(code, verifier))).body.error).toBe('invalid_grant');
  expect((await fetchDevice(deviceCode)).body.error).toBe('invalid_grant');
  const [row] = await harness.rows`SELECT count(*)::int FROM refresh_families
    WHERE user_id = ${own.id} AND client_id <> 'sallyport'`;
  expect(row).toEqual({ count: 0 });
});

test('a code exchanged while its consent is withdrawn leaves no valid token family, whichever comes first', async () => {
  const own = await newSignedIn(one);
  for (let round = 0; round < 6; round += 1) {
    const verifier = newVerifier();
    const code = await codeOf(one, own, app.client_id, verifier);
    const [answered, withdrawn] = await Promise.all([
      askToken(two, app, codeForm(code, verifier)),
      withdraw(app.client_id, own),
    ]);
    expect(withdrawn.status).toBe(204);
    if (answered.status === 200) await untilVerdict({ api: one.url }, answered.body.access_token, 'revoked');
    else expect(answered.body.error).toBe('invalid_grant');
  }
  expect((await consentsOf(own)).body.consents).toEqual([]);
});
