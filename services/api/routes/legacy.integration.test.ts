import { createHash, createHmac, randomBytes, randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import { createClient } from '#services/core/access/create-client.ts';
import { startBetterAuth } from '#services/core/identity/better-auth-client/better-auth-server-harness.ts';
import { startOidcProvider } from '#tools/testing/fakes/oidc-provider.ts';
import { insertPerson } from '#tools/testing/flows/signed-in.ts';
import { API_URL, type ApiCopy, openApiHarness } from '#tools/testing/harness/api.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { cookieOf, send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';

const RETURN = 'https://app.example.com/callback';
let copies: { readonly oidc: ApiCopy; readonly betterAuth: ApiCopy; readonly none: ApiCopy };

/** The ID token of a user who signs in at oidc-provider. */
async function idToken(sub: string): Promise<string> {
  const verifier = randomBytes(32).toString('base64url');
  const challenge = createHash('sha256').update(verifier).digest('base64url');
  const query = { client_id: oidc.clientId, redirect_uri: RETURN, response_type: 'code', scope: 'openid email' };
  const url = `${oidc.issuer}/auth?${new URLSearchParams({ ...query, code_challenge: challenge, code_challenge_method: 'S256' })}`;
  const back = await oidc.signIn(url, { sub, email: `${sub}@people.test`, email_verified: true });
  const answer = await fetch(`${oidc.issuer}/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'authorization_code',
      code: back.searchParams.get('code') ?? '',
      redirect_uri: RETURN,
      code_verifier: verifier,
      client_id: oidc.clientId,
      client_secret: oidc.clientSecret,
    }),
  });
  return ((await answer.json()) as { id_token: string }).id_token;
}

async function importUser(legacyId: string): Promise<string> {
  const id = await insertPerson(copies.none, `${randomUUID()}@people.test`);
  await harness.rows`INSERT INTO legacy_users (provider, legacy_id, user_id) VALUES ('legacy', ${legacyId}, ${id})`;
  return id;
}

const exchange = (copy: ApiCopy, token: string, headers: Record<string, string> = {}) =>
  send(copy.url, 'POST', '/v1/legacy/sessions', { json: { token }, headers });

const oidc = opened(() => startOidcProvider([RETURN]));
const old = opened(startBetterAuth);
const harness = opened(openApiHarness);
beforeAll(async () => {
  const none = await harness.startCopy({ hashes: false });
  const [ofOidc, ofBetterAuth] = await Promise.all([
    harness.startCopy({
      hashes: false,
      env: { LEGACY_ISSUER: oidc.issuer, LEGACY_JWKS_URI: `${oidc.issuer}/jwks`, LEGACY_AUDIENCE: oidc.clientId },
    }),
    harness.startCopy({
      hashes: false,
      env: { LEGACY_ISSUER: old.url, LEGACY_JWKS_URI: `${old.url}/api/auth/jwks`, LEGACY_AUDIENCE: old.url },
    }),
  ]);
  copies = { none, oidc: ofOidc, betterAuth: ofBetterAuth };
});

describe('a live session goes on here without a sign-in', () => {
  test('of an OpenID Provider', async () => {
    const sub = randomUUID();
    const userId = await importUser(sub);
    const answer = await exchange(copies.oidc, await idToken(sub));
    expect([answer.status, answer.body.user?.id]).toEqual([200, userId]);
    expect(answer.body.tokens).toMatchObject({ token_type: 'Bearer', refresh_token: expect.any(String) });
    const session = await send(copies.oidc.url, 'GET', '/api/auth/session', { cookie: cookieOf(answer) });
    expect([session.status, session.body.session.id]).toEqual([200, answer.body.session.id]);
    const validated = await send(copies.oidc.url, 'POST', '/v1/tokens/validate', {
      json: { token: answer.body.tokens.access_token },
    });
    expect(validated.body).toMatchObject({ active: true, claims: { sub: userId } });
  });

  test('of a Better Auth server, in the same session each time, until it ends here', async () => {
    const { id, token } = await old.liveSession();
    const userId = await importUser(id);
    const [first, second] = [await exchange(copies.betterAuth, token), await exchange(copies.betterAuth, token)];
    expect([first.status, first.body.user?.id]).toEqual([200, userId]);
    expect(second.body.session.id).toBe(first.body.session.id);
    const out = await send(copies.betterAuth.url, 'POST', '/api/auth/signout', {
      cookie: cookieOf(first),
      headers: { origin: API_URL },
      json: {},
    });
    expect(out.status).toBe(200);
    const ended = await exchange(copies.betterAuth, token);
    expect([ended.status, ended.body.code]).toEqual([401, 'legacy_session_ended']);
  });
});

test('a signed webhook is 202, with other bytes 401', async () => {
  const secret = `whsec_${randomBytes(32).toString('base64')}`;
  const env = {
    LEGACY_ISSUER: 'https://old.example',
    LEGACY_JWKS_URI: 'https://old.example/jwks',
    LEGACY_AUDIENCE: 'app',
    LEGACY_WEBHOOK_SECRET: secret,
  };
  const copy = await harness.startCopy({ hashes: false, env });
  const key = Buffer.from(secret.slice(6), 'base64');
  const json = { type: 'session.ended', data: { id: randomUUID() } };
  const timestamp = String(Math.floor(Date.now() / 1_000));
  const mac = createHmac('sha256', key)
    .update(`evt_1.${timestamp}.${JSON.stringify(json)}`)
    .digest('base64');
  const headers = { 'webhook-id': 'evt_1', 'webhook-timestamp': timestamp, 'webhook-signature': `v1,${mac}` };
  const hook = (body: object) => send(copy.url, 'POST', '/v1/legacy/webhook', { json: body, headers });
  const answers = [await hook(json), await hook(json), await hook({ ...json, more: 1 })];
  expect(answers.map(({ status, body }) => [status, body.code ?? body.status])).toEqual([
    [202, 'accepted'],
    [202, 'duplicate'],
    [401, 'legacy_webhook_forged'],
  ]);
});

test('an access token of the old provider is validated until the bridge ends, marked, beside our own', async () => {
  const { id, token } = await old.liveSession();
  const userId = await importUser(id);
  const env = {
    LEGACY_ISSUER: old.url,
    LEGACY_JWKS_URI: `${old.url}/api/auth/jwks`,
    LEGACY_AUDIENCE: old.url,
    LEGACY_BRIDGE_UNTIL: new Date(Date.now() + 3_600_000).toISOString(),
  };
  const bridged = await harness.startCopy({ hashes: false, env });
  const validate = (copy: ApiCopy, json: object) => send(copy.url, 'POST', '/v1/tokens/validate', { json });
  const active = { active: true, issuer_kind: 'legacy', user_id: userId, claims: { sub: id } };
  expect((await validate(bridged, { token })).body).toMatchObject(active);
  expect((await validate(bridged, { token, audience: old.url })).body).toMatchObject(active);
  expect((await validate(copies.betterAuth, { token })).body).toMatchObject({ active: false });
  const own = await exchange(bridged, token);
  const ours = await validate(bridged, { token: own.body.tokens.access_token });
  expect(ours.body).toMatchObject({ active: true, claims: { sub: userId } });
  expect(ours.body.issuer_kind).toBeUndefined();
  const batch = await send(bridged.url, 'POST', '/v1/tokens/validate-batch', {
    json: { tokens: [own.body.tokens.access_token, token] },
  });
  expect(batch.body.results).toMatchObject([{ active: true, claims: { sub: userId } }, active]);
  const client = await createClient(
    bridged.ports,
    { name: 'resource', grant_types: ['client_credentials'], credential_scopes: ['tokens:introspect'] },
    testCaller,
  );
  await bridged.ports.access.load();
  const introspect = () =>
    send(bridged.url, 'POST', '/oauth2/introspect', {
      form: { token },
      basic: { client_id: client.clientId, client_secret: client.clientSecret as string },
    });
  expect((await introspect()).body).toMatchObject({ active: true, issuer_kind: 'legacy', user_id: userId, sub: id });
  await send(bridged.url, 'POST', '/api/auth/signout', {
    cookie: cookieOf(own),
    headers: { origin: API_URL },
    json: {},
  });
  await bridged.ports.confirmNewest();
  expect((await validate(bridged, { token })).body).toEqual({ active: false, reason: 'session_ended' });
  expect((await introspect()).body).toEqual({ active: false });
});

describe('the page /bridge', () => {
  const open = (query = '') =>
    send(copies.betterAuth.url, 'GET', `/bridge${query}`, { headers: { accept: 'text/html' } });
  const submit = (form: Record<string, string>, headers: Record<string, string> = {}, cookie?: string) =>
    send(copies.betterAuth.url, 'POST', '/bridge', {
      form,
      headers: { accept: 'text/html', ...headers },
      ...(cookie === undefined ? {} : { cookie }),
    });
  const fieldOf = (text: string, name: string): string =>
    new RegExp(`name="${name}" value="([^"]*)"`).exec(text)?.[1] ?? '';

  test('takes the token from its form, signs the user in and returns to an allowed address only', async () => {
    const { id, token } = await old.liveSession();
    const userId = await importUser(id);
    const [{ email }] = await harness.rows`SELECT email FROM users WHERE id = ${userId}`;
    const page = await open('?return_to=/account/security');
    expect(page.status).toBe(200);
    expect(page.headers.get('content-security-policy')).toMatch(
      /script-src 'sha256-[^;]+; connect-src 'self'; form-action 'self'/,
    );
    expect(page.text).toContain('history.replaceState');
    const form = { form_token: fieldOf(page.text, 'form_token'), return_to: fieldOf(page.text, 'return_to'), token };
    // No session opens before the page has named the account.
    const asked = await submit(form, { origin: API_URL }, cookieOf(page));
    expect([asked.status, asked.headers.getSetCookie()]).toEqual([200, []]);
    expect(asked.text).toContain(`<strong>${email}</strong>`);
    const agreed = { ...form, form_token: fieldOf(asked.text, 'form_token') };
    const another = await old.liveSession();
    await importUser(another.id);
    const swapped = await submit({ ...agreed, token: another.token }, { origin: API_URL }, cookieOf(page));
    expect([swapped.status, swapped.headers.getSetCookie()]).toEqual([403, []]);
    const sent = await submit(agreed, { origin: API_URL }, cookieOf(page));
    expect([sent.status, sent.headers.get('location')]).toEqual([303, '/account/security']);
    const session = await send(copies.betterAuth.url, 'GET', '/api/auth/session', { cookie: cookieOf(sent) });
    expect(session.status).toBe(200);
    expect((await open('?return_to=https://evil.example/')).status).toBe(400);
    const away = await submit({ ...form, return_to: 'https://evil.example/' }, { origin: API_URL }, cookieOf(page));
    expect([away.status, away.headers.getSetCookie()]).toEqual([400, []]);
  });

  test('takes a form of a page in CORS_ORIGINS, and of no other site', async () => {
    const listed = await harness.startCopy({
      hashes: false,
      env: {
        CORS_ORIGINS: 'https://app.example.com',
        LEGACY_ISSUER: old.url,
        LEGACY_JWKS_URI: `${old.url}/api/auth/jwks`,
        LEGACY_AUDIENCE: old.url,
      },
    });
    const { id, token } = await old.liveSession();
    await importUser(id);
    const post = (origin: string) =>
      send(listed.url, 'POST', '/bridge', {
        form: { token, return_to: 'https://app.example.com/home' },
        headers: { accept: 'text/html', origin },
      });
    expect((await post('https://evil.example')).status).toBe(403);
    expect((await submit({ token })).status).toBe(403);
    const sent = await post('https://app.example.com');
    expect([sent.status, sent.headers.get('location')]).toEqual([303, 'https://app.example.com/home']);
    const page = await send(listed.url, 'GET', '/bridge?return_to=https://app.example.com/home', {
      headers: { accept: 'text/html' },
    });
    const asked = await send(listed.url, 'POST', '/bridge', {
      form: { token, form_token: fieldOf(page.text, 'form_token'), return_to: 'https://app.example.com/home' },
      headers: { accept: 'text/html', origin: API_URL },
      cookie: cookieOf(page),
    });
    expect(asked.headers.get('content-security-policy')).toContain("form-action 'self' https://app.example.com");
  });

  test('leads to the sign-in page if the session is refused', async () => {
    const page = await open();
    const form = { form_token: fieldOf(page.text, 'form_token'), token: 'x' };
    const refused = await submit(form, { origin: API_URL }, cookieOf(page));
    expect(refused.status).toBe(401);
    expect(refused.text).toContain('href="/login?next=%2Faccount"');
    const none = await send(copies.none.url, 'GET', '/bridge', { headers: { accept: 'text/html' } });
    const off = await send(copies.none.url, 'POST', '/bridge', {
      form: { form_token: fieldOf(none.text, 'form_token'), token: 'x' },
      headers: { accept: 'text/html', origin: API_URL },
      cookie: cookieOf(none),
    });
    expect(off.status).toBe(404);
  });
});

describe('refused', () => {
  test('are a user who was not imported, a token of another issuer, and text', async () => {
    const { token } = await old.liveSession();
    const unknown = await exchange(copies.betterAuth, token);
    expect([unknown.status, unknown.body.code, unknown.headers.getSetCookie()]).toEqual([
      401,
      'legacy_user_unknown',
      [],
    ]);
    // 503 until the keys have been read after the token arrived, at most every 30 seconds.
    const foreign = async () => {
      const { status, body } = await exchange(copies.oidc, token);
      return [status, body.code];
    };
    await expect.poll(foreign, { interval: 1_000, timeout: 60_000 }).toEqual([401, 'legacy_token_key_refused']);
    expect((await exchange(copies.oidc, 'x')).body.code).toBe('legacy_token_malformed');
  });

  test('is a page of another site, which could sign its visitor in as another user (login CSRF)', async () => {
    const answer = await exchange(copies.betterAuth, 'x', { origin: 'https://evil.example' });
    expect([answer.status, answer.body.code]).toEqual([403, 'origin_refused']);
  });

  test('is everything where no old provider is configured', async () => {
    const answer = await exchange(copies.none, 'x');
    expect([answer.status, answer.body.code]).toEqual([404, 'legacy_not_configured']);
  });
});
