import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { decodeJwt } from 'jose';
import * as oauth from 'oauth4webapi';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { oauthPurges } from '../../domain/oauth/oauth-purges.ts';
import { purge } from '../../domain/purge.ts';
import { API_URL, type ApiCopy } from '../../platform/testing/api-copy.ts';
import { type ApiWorld, openApiWorld } from '../../platform/testing/api-world.ts';
import { signUp, type TestUser, verdictOn } from '../../platform/testing/flows.ts';
import { expectProblem, type Json, type Received, send } from '../../platform/testing/http-client.ts';
import {
  askToken,
  browserOf,
  codeForm,
  codeOf,
  LOOPBACK_REDIRECT,
  newVerifier,
} from '../../platform/testing/oauth-world.ts';
import { newPerson } from '../../platform/testing/people.ts';
import { eventually } from '../../platform/testing/product.ts';
import { newSignedIn } from '../../platform/testing/signed-in.ts';

const REDIRECT = 'https://notes.example/cb';

let world: ApiWorld;
/** Anybody registers; documents are read, from this machine too. */
let open: ApiCopy;
/** Whoever may registers; documents are read, from everywhere but the inside. */
let strict: ApiCopy;
let user: TestUser;
beforeAll(async () => {
  world = await openApiWorld();
  const audiences = { UNVETTED_CLIENT_AUDIENCES: 'https://api.example/mcp' };
  open = await world.startCopy({
    env: { CLIENT_REGISTRATION: 'open', CLIENT_DOCUMENTS: 'true', CLIENT_DOCUMENTS_PRIVATE: 'true', ...audiences },
  });
  strict = await world.startCopy({ env: { CLIENT_REGISTRATION: 'token', CLIENT_DOCUMENTS: 'true' } });
  user = await signUp({ api: open.url });
});
afterAll(() => world?.close());

const register = (json: object, bearer?: string, copy = open): Promise<Received> =>
  send(copy.url, 'POST', '/oauth2/register', { json, ...(bearer === undefined ? {} : { bearer }) });

const authorizePath = async (clientId: string, verifier: string, members: Record<string, string> = {}) =>
  `/oauth2/authorize?${new URLSearchParams({
    client_id: clientId,
    redirect_uri: REDIRECT,
    response_type: 'code',
    scope: 'openid email',
    state: 's',
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    ...members,
  })}`;

describe('clients that register themselves (RFC 7591)', () => {
  test('an outside client (oauth4webapi) finds out where, registers, and people let it act, warned; it may ask for little', async () => {
    const via = {
      [oauth.customFetch]: (url: string, init: RequestInit) => fetch(url.replace(API_URL, open.url), init),
      [oauth.allowInsecureRequests]: true,
    } as const;
    const issuer = new URL(API_URL);
    const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, via));
    const asked = { client_name: 'Notes <i>', redirect_uris: [REDIRECT], scope: 'openid email users:manage' };
    const client = await oauth.processDynamicClientRegistrationResponse(
      await oauth.dynamicClientRegistrationRequest(as, asked, via),
    );
    expect(client).toMatchObject({ token_endpoint_auth_method: 'none', scope: 'openid email' });
    expect(client).not.toHaveProperty('client_secret');
    const verifier = newVerifier();
    const browser = browserOf(open, user);
    const page = await browser.open(await authorizePath(client.client_id, verifier));
    expect(page.text).toContain('Nobody here knows this application');
    const { leftFor } = await browser.submit(page, { decision: 'allow', scope: ['openid', 'email'] });
    const parameters = oauth.validateAuthResponse(as, client, leftFor as URL, 's');
    const tokens = await oauth.processAuthorizationCodeResponse(
      as,
      client,
      await oauth.authorizationCodeGrantRequest(as, client, oauth.None(), parameters, REDIRECT, verifier, via),
    );
    expect(tokens).toMatchObject({ scope: 'openid email' });
    expect(tokens.refresh_token).toBeUndefined();
    const consents = await send(open.url, 'GET', '/v1/consents', { bearer: user.tokens.access_token });
    expect(consents.body.consents).toMatchObject([{ client_id: client.client_id, client_origin: 'registration' }]);
    const [event] = await world.rows(
      `SELECT actor_kind, detail FROM audit_outbox WHERE type = 'client.created' AND target_id = $1`,
      [client.client_id],
    );
    expect(event).toEqual({ actor_kind: 'anonymous', detail: { origin: 'registration' } });
  });

  test('a registration that comes again with its Idempotency-Key is the same client, its secret included', async () => {
    const json = { redirect_uris: [REDIRECT], token_endpoint_auth_method: 'client_secret_post', client_name: 'Once' };
    const ask = (members: object, key = 'a-key-that-nobody-guesses') =>
      send(open.url, 'POST', '/oauth2/register', {
        json: { ...json, ...members },
        headers: { 'idempotency-key': key },
      });
    const first = await ask({});
    expect(first).toMatchObject({ status: 201, body: { client_secret: expect.any(String) } });
    expect((await ask({})).body).toEqual(first.body);
    expect(await ask({ client_name: 'Twice' })).toMatchObject({ status: 422 });
    expect((await ask({}, 'another-key-that-nobody-guesses')).body.client_id).not.toBe(first.body.client_id);
    expect(await world.rows(`SELECT 1 FROM oauth_clients WHERE name = 'Once'`)).toHaveLength(2);
  });

  test('a secret asked for is shown once, stored as its SHA-256, and works at both copies; it gives no rights', async () => {
    const made = (
      await register({
        redirect_uris: [REDIRECT],
        token_endpoint_auth_method: 'client_secret_basic',
        grant_types: ['authorization_code', 'refresh_token'],
      })
    ).body;
    expect(made).toMatchObject({ client_secret_expires_at: 0, client_name: 'An application without a name' });
    const [row] = await world.rows('SELECT * FROM oauth_clients WHERE "clientId" = $1', [made.client_id]);
    expect(JSON.stringify(row)).not.toContain(made.client_secret);
    expect(row).toMatchObject({
      origin: 'registration',
      clientCredentialsScopes: [],
      audiences: ['https://api.example/mcp'],
    });
    const by = (copy: ApiCopy, form: Record<string, string>) => askToken(copy, made, form);
    const refresh = { grant_type: 'refresh_token', refresh_token: 'x' };
    await eventually('the other copy to know', async () => (await by(strict, refresh)).body.error === 'invalid_grant');
    expect((await by(open, refresh)).body.error).toBe('invalid_grant');
    expect((await by(open, { grant_type: 'client_credentials' })).body.error).toBe('unauthorized_client');
  });

  test.each([
    ['a redirect address that is none', { redirect_uris: ['http://notes.example/cb'] }, 'invalid_redirect_uri'],
    ['no redirect address', {}, 'invalid_redirect_uri'],
    [
      'a grant of its own',
      { redirect_uris: [REDIRECT], grant_types: ['client_credentials'] },
      'invalid_client_metadata',
    ],
    ['a member of a wrong type', { redirect_uris: [REDIRECT], client_name: {} }, 'invalid_client_metadata'],
  ])('%s is answered by its name in RFC 7591', async (_what, metadata, error) => {
    const answered = await register(metadata);
    expect([answered.status, answered.body.error]).toEqual([400, error]);
    expect(answered.headers.get('cache-control')).toBe('no-store');
  });

  test('where it takes a token, only a credential with the permission registers; nobody else is told more', async () => {
    const metadata = { redirect_uris: [REDIRECT] };
    const refused = await register(metadata, undefined, strict);
    expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([401, expect.stringContaining('Bearer')]);
    expect((await register(metadata, user.tokens.access_token, strict)).status).toBe(403);
    const admin = await newPerson(open, ['admin']);
    const { body: key } = await send(open.url, 'POST', '/v1/api-keys', {
      bearer: admin.bearer,
      json: { name: 'initial access token', permissions: ['clients:register'] },
    });
    await eventually('the key to be known', async () => (await register({}, key.secret, strict)).status === 400);
    const made = await register(metadata, key.secret, strict);
    expect([made.status, made.body.token_endpoint_auth_method]).toEqual([201, 'client_secret_basic']);
    const told = async (copy: ApiCopy) =>
      (await send(copy.url, 'GET', '/.well-known/oauth-authorization-server')).body.registration_endpoint;
    expect([await told(open), await told(strict)]).toEqual(Array(2).fill(`${API_URL}/oauth2/register`));
  });

  test('T14: what such clients may have is judged at every refresh: less, no permission, or nothing and then the login is over', async () => {
    const withScopes = (scopes: string) => ({ env: { CLIENT_REGISTRATION: 'open', UNVETTED_CLIENT_SCOPES: scopes } });
    const wide = await world.startCopy(withScopes('openid email tasks:read'));
    const narrow = await world.startCopy({ ...withScopes('openid'), hashes: false });
    const none = await world.startCopy({ ...withScopes('profile'), hashes: false });
    const signedIn = await newSignedIn(wide);
    const made = (
      await register(
        {
          redirect_uris: [LOOPBACK_REDIRECT],
          grant_types: ['authorization_code', 'refresh_token'],
          scope: 'openid email tasks:read',
        },
        undefined,
        wide,
      )
    ).body;
    expect(made.scope).toBe('openid email tasks:read');
    const client = { client_id: made.client_id as string, client_secret: '' };
    await Promise.all([narrow, none].map(({ ports }) => ports.access.load()));
    const verifier = newVerifier();
    const code = await codeOf(wide, signedIn, client.client_id, verifier, { scope: 'openid email tasks:read' });
    let pair = (await askToken(wide, client, codeForm(code, verifier))).body;
    expect(pair.scope).toBe('openid email tasks:read');
    const refresh = async (copy: ApiCopy, members: Record<string, string> = {}) =>
      askToken(copy, client, { grant_type: 'refresh_token', refresh_token: pair.refresh_token, ...members });
    expect((await refresh(narrow, { scope: 'openid email' })).body.error).toBe('invalid_scope');
    pair = (await refresh(narrow)).body;
    expect([pair.scope, decodeJwt(pair.access_token).scope]).toEqual(['openid', 'openid']);
    expect(decodeJwt(pair.access_token).email).toBeUndefined();
    const over = await refresh(none);
    expect([over.status, over.body.error, over.body.code]).toEqual([400, 'invalid_grant', 'session_ended']);
    // What was a word when its user agreed to it may become a right, and the user may come to have it.
    await world.rows(`INSERT INTO permissions (name, description) VALUES ('tasks:read', 'x')`);
    await world.rows(`INSERT INTO roles (name, description) VALUES ('tasker', 'x')`);
    await world.rows(`INSERT INTO role_permissions (role, permission) VALUES ('tasker', 'tasks:read')`);
    await world.rows(`UPDATE users SET roles = roles || '{tasker}' WHERE id = $1`, [signedIn.id]);
    await wide.ports.access.load();
    // Nothing that was refused has used it up.
    const renewed = await refresh(wide);
    expect(decodeJwt(renewed.body.access_token), renewed.text).toMatchObject({
      scope: 'openid email',
      permissions: [],
    });
  });

  test('those that nobody uses for a month go; used, disabled and vetted ones stay', async () => {
    const [unused, used, disabled] = await Promise.all(
      [1, 2, 3].map(async () => (await register({ redirect_uris: [REDIRECT] })).body.client_id as string),
    );
    const vetted = await world.newClient([]);
    await world.rows(`UPDATE oauth_clients SET disabled = true WHERE "clientId" = $1`, [disabled]);
    await world.rows(`INSERT INTO oauth_consents (user_id, client_id, audience, scopes) VALUES ($1, $2, 'a', '{}')`, [
      user.id,
      used,
    ]);
    const ids = [unused, used, disabled, vetted.client_id];
    const left = () => world.rows('SELECT "clientId" AS id FROM oauth_clients WHERE "clientId" = ANY ($1)', [ids]);
    const clean = () => purge(open.ports, oauthPurges, { pace: { factor: 0, leastMs: 0 } });
    await clean();
    expect(await left()).toHaveLength(4);
    await world.rows(`UPDATE oauth_clients SET "updatedAt" = now() - interval '31 days' WHERE "clientId" = ANY ($1)`, [
      ids,
    ]);
    expect((await clean()).failures).toEqual([]);
    expect((await left()).map(({ id }) => id).sort()).toEqual([used, disabled, vetted.client_id].sort());
  });
});

describe('clients that are documents (draft-ietf-oauth-client-id-metadata-document)', () => {
  let document: Json;
  let fetched = 0;
  let answer: RequestListener;
  const server = createServer((request, response) => {
    fetched += 1;
    answer(request, response);
  });
  let url: string;
  const serve: RequestListener = (_request, response) =>
    response
      .writeHead(200, { 'content-type': 'application/json', 'cache-control': 'max-age=600' })
      .end(JSON.stringify(document));
  beforeAll(async () => {
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/client.json`;
    document = {
      client_id: url,
      client_name: 'Journal',
      redirect_uris: [REDIRECT],
      grant_types: ['authorization_code', 'refresh_token'],
    };
    answer = serve;
  });
  afterAll(() => server.close());

  const expire = async (): Promise<void> => {
    await world.rows(`UPDATE oauth_clients SET "documentUntil" = now() WHERE "clientId" = $1`, [url]);
    await Promise.all([open, strict].map(({ ports }) => ports.access.load()));
  };
  const askAt = async (copy: ApiCopy, clientId = url, by: TestUser | undefined = user) =>
    browserOf(copy, by).open(await authorizePath(clientId, newVerifier()));

  test('nobody who is not signed in has anything fetched; then it is a client whose address the consent page shows', async () => {
    const told = (await send(open.url, 'GET', '/.well-known/openid-configuration')).body;
    expect(told.client_id_metadata_document_supported).toBe(true);
    const stranger = await browserOf(open).open(await authorizePath(url, newVerifier(), { prompt: 'none' }));
    expect([stranger.status, stranger.leftFor]).toEqual([400, null]);
    const verifier = newVerifier();
    const browser = browserOf(open);
    const login = await browser.open(await authorizePath(url, verifier, { resource: 'https://api.example/mcp' }));
    expect([login.text.includes('name="password"'), fetched]).toEqual([true, 0]);
    const page = await browser.submit(login, { email: user.email, password: user.password });
    expect(page.text).toContain('Journal');
    expect(page.text).toContain(`<strong><code>${new URL(url).host}</code></strong>`);
    const { leftFor } = await browser.submit(page, { decision: 'allow', scope: ['openid', 'email'] });
    const form = {
      grant_type: 'authorization_code',
      code: leftFor?.searchParams.get('code') ?? '',
      redirect_uri: REDIRECT,
      code_verifier: verifier,
    };
    const tokens = await askToken(open, { client_id: url, client_secret: '' }, form);
    expect(tokens.body).toMatchObject({ scope: 'openid email', refresh_token: expect.any(String) });
    await askAt(open);
    expect(fetched).toBe(1);
    // Its id fits into a path, and withdrawing ends it like others.
    const path = `/v1/consents/${encodeURIComponent(url)}`;
    expect((await send(open.url, 'DELETE', path, { bearer: user.tokens.access_token })).status).toBe(204);
    const audience = 'https://api.example/mcp';
    await eventually(
      'the other copy to know',
      async () => (await verdictOn({ api: strict.url }, tokens.body.access_token, { audience })) === 'revoked',
    );
  });

  test('read again after its time: what it adds is asked for anew, and the log says what changed', async () => {
    const browser = browserOf(open, user);
    await browser.submit(await browser.open(await authorizePath(url, newVerifier())), {
      decision: 'allow',
      scope: ['openid', 'email'],
    });
    await expire();
    expect((await askAt(open)).leftFor).not.toBeNull();
    document = { ...document, redirect_uris: [REDIRECT, 'https://other.example/cb'] };
    expect((await askAt(open)).leftFor).not.toBeNull();
    await expire();
    const asked = await askAt(open);
    expect([asked.leftFor, asked.status]).toEqual([null, 200]);
    const events = await world.rows(
      `SELECT actor_id, detail FROM audit_outbox WHERE type IN ('client.created', 'client.changed') AND target_id = $1 ORDER BY id`,
      [url],
    );
    const reason = 'client_document_read';
    expect(events).toEqual([
      { actor_id: user.id, detail: { origin: 'document', reason } },
      { actor_id: user.id, detail: { columns: ['redirectUris'], reason } },
    ]);
  });

  test.each<[string, RequestListener]>([
    [
      'another client id',
      (_request, response) =>
        response
          .setHeader('content-type', 'application/json')
          .end(JSON.stringify({ ...document, client_id: `${url}x` })),
    ],
    [
      'no JSON by its type',
      (_request, response) => response.setHeader('content-type', 'text/html').end(JSON.stringify(document)),
    ],
    [
      'more than 5 KiB',
      (_request, response) =>
        response
          .setHeader('content-type', 'application/json')
          .end(JSON.stringify({ ...document, x: 'x'.repeat(5_120) })),
    ],
    ['a redirect', (_request, response) => response.writeHead(302, { location: url }).end()],
    [
      'an error',
      (_request, response) =>
        response.writeHead(500, { 'content-type': 'application/json' }).end(JSON.stringify(document)),
    ],
  ])('A6 refused, whatever was read before: %s', async (_what, listener) => {
    await expire();
    answer = listener;
    const shown = await askAt(open);
    answer = serve;
    expect([shown.status, shown.leftFor]).toEqual([400, null]);
    expect(shown.text).toContain('cannot be let in');
  });

  test('for nobody signed in a known client is not read again: its request goes on, to the login', async () => {
    await expire();
    const before = fetched;
    const shown = await browserOf(open).open(await authorizePath(url, newVerifier()));
    expect([shown.text.includes('name="password"'), fetched]).toEqual([true, before]);
    const told = await browserOf(open).open(await authorizePath(url, newVerifier(), { prompt: 'none' }));
    expect(told.leftFor?.searchParams.get('error')).toBe('login_required');
    const twice = await browserOf(open, user).open(`${await authorizePath(url, newVerifier())}&client_id=x`);
    expect([twice.status, fetched]).toEqual([400, before]);
  });

  test('A6 an address of the inside is not asked, not even by name; a disabled client is not read again', async () => {
    const before = fetched;
    for (const inside of [
      url,
      url.replace('http:', 'https:'),
      'https://localhost/client.json',
      'https://169.254.169.254/a',
    ]) {
      const shown = await askAt(strict, inside.replace('client.json', 'other.json'));
      expect([inside, shown.status, shown.leftFor]).toEqual([inside, 400, null]);
    }
    await world.rows(`UPDATE oauth_clients SET disabled = true WHERE "clientId" = $1`, [url]);
    await expire();
    expect((await askAt(open)).status).toBe(400);
    expect(fetched).toBe(before);
  });

  test('A5 read again with nothing new it moves no version; at a copy that is full a known one lasts an hour more', async () => {
    await world.rows(`UPDATE oauth_clients SET disabled = false WHERE "clientId" = $1`, [url]);
    await expire();
    const version = async () => (await world.rows('SELECT access_version AS v FROM feed_state'))[0]?.v;
    const [before, asked] = [await version(), fetched];
    for (const _twice of [1, 2]) expect((await askAt(open)).status).not.toBe(400);
    expect([await version(), fetched]).toEqual([before, asked + 1]);
    vi.spyOn(open.ports.clientDocuments, 'read').mockResolvedValue({ kind: 'busy' });
    try {
      await expire();
      expect((await askAt(open)).status).not.toBe(400);
      await world.rows(
        `UPDATE oauth_clients SET "documentUntil" = now() - interval '61 minutes' WHERE "clientId" = $1`,
        [url],
      );
      await open.ports.access.load();
      for (const id of [url, `${url}/new`]) {
        const overdue = await askAt(open, id);
        expect([overdue.status, overdue.text.includes('too many are being read')]).toEqual([400, true]);
      }
    } finally {
      vi.restoreAllMocks();
    }
  });

  test('one that another copy has kept a moment ago is known at once', async () => {
    const elsewhere = url.replace('client', 'elsewhere');
    // Without the trigger that would tell the copies.
    await world.rows(`DO $$ BEGIN
      SET LOCAL session_replication_role = replica;
      INSERT INTO oauth_clients SELECT (jsonb_populate_record(c, '{"id": "elsewhere", "clientId": "${elsewhere}"}')).*
      FROM oauth_clients c WHERE "clientId" = '${url}'; END $$`);
    const was = document;
    document = { ...document, client_id: elsewhere };
    expect(open.ports.access.client(elsewhere)).toBeUndefined();
    const shown = await askAt(open, elsewhere);
    expect([shown.status, shown.text.includes('Journal')], shown.text).toEqual([200, true]);
    await world.rows(`DELETE FROM oauth_clients WHERE "clientId" = $1`, [elsewhere]);
    document = was;
  });

  test('A5 with names without end one user brings twenty new ones a day, and takes nobody else’s', async () => {
    const [flooder, other] = [await newSignedIn(open), await newSignedIn(open)];
    await world.rows(
      `INSERT INTO oauth_clients (id, "clientId", origin, "documentUntil", "userId")
       SELECT 'flood' || n, 'https://n' || n || '.evil.example/a', 'document', now(), $1 FROM generate_series(1, 19) n`,
      [flooder.id],
    );
    const was = document;
    const fresh = async (at: string, by: TestUser) => {
      document = { ...was, client_id: url.replace('client', at) };
      return (await askAt(open, document.client_id, by)).text;
    };
    expect(await fresh('flood-20', flooder)).toContain('Journal');
    expect(await fresh('flood-21', flooder)).toContain('too many within a day');
    expect(await fresh('flood-20', flooder)).toContain('Journal');
    expect(await fresh('flood-21', other)).toContain('Journal');
    await world.rows(`UPDATE oauth_clients SET "createdAt" = now() - interval '25 hours' WHERE id = 'flood1'`);
    expect(await fresh('flood-22', flooder)).toContain('Journal');
    await world.rows(`DELETE FROM oauth_clients WHERE "clientId" LIKE '%flood%' OR id LIKE 'flood%'`);
    document = was;
  });

  test('where it is off, nobody registers, and what was read before is unknown', async () => {
    const off = await world.startCopy();
    const admin = await newPerson(off, ['admin']);
    expect((await register({ redirect_uris: [REDIRECT] }, undefined, off)).status).toBe(401);
    const answered = await register({ redirect_uris: [REDIRECT] }, admin.bearer, off);
    expect([answered.status, answered.body.error]).toEqual([403, 'access_denied']);
    const told = (await send(off.url, 'GET', '/.well-known/oauth-authorization-server')).body;
    expect([told.registration_endpoint, told.client_id_metadata_document_supported]).toEqual([undefined, false]);
    expectProblem(await send(off.url, 'GET', '/v1/consents'), 401, 'unauthenticated');
    expect(open.ports.access.client(url)).toBeDefined();
    expect((await askAt(off)).status).toBe(400);
  });

  test('A5 there is an end to them: twenty of a host, ten thousand of each kind; then whoever comes is told to wait', async () => {
    const port = new URL(url).port;
    const fresh = async (at: string) => {
      document = { ...document, client_id: url.replace('client', at) };
      return askAt(open, document.client_id);
    };
    const fill = (ids: string, kinds: string) =>
      world.rows(`DO $$ BEGIN
        SET LOCAL session_replication_role = replica;
        INSERT INTO oauth_clients (id, "clientId", origin, "documentUntil")
        SELECT ${ids}, ${ids}, kind, CASE kind WHEN 'document' THEN now() END
        FROM unnest('{${kinds}}'::text[]) kind, ${kinds === 'document' ? 'generate_series(1, 18)' : 'generate_series(1, 10000)'} n; END $$`);
    // With the one that is here, at another port of the host too: nineteen.
    await fill(`'http://127.0.0.1' || CASE WHEN n > 9 THEN ':${port}' ELSE '' END || '/' || n`, 'document');
    expect((await fresh('twentieth')).text).toContain('Journal');
    expect((await fresh('twenty-first')).text).toContain('no more room');
    await world.rows(`DELETE FROM oauth_clients WHERE "clientId" LIKE 'http://127.0.0.1/%'`);
    expect((await fresh('twenty-second')).text).toContain('Journal');
    await fill('kind || n', 'registration,document');
    await world.rows(`DO $$ BEGIN
      SET LOCAL session_replication_role = replica;
      UPDATE oauth_clients SET "updatedAt" = now() - interval '1 hour' WHERE "clientId" IN ('document7', 'document8', 'document9');
      UPDATE oauth_clients SET disabled = true WHERE "clientId" = 'document7';
      INSERT INTO oauth_consents (user_id, client_id, audience, scopes) VALUES ('${user.id}', 'document8', 'a', '{}'); END $$`);
    // The one read longest ago of those that nobody uses makes room.
    expect((await fresh('twenty-third')).text).toContain('Journal');
    const left = await world.rows(
      `SELECT "clientId" AS id FROM oauth_clients WHERE "clientId" IN ('document7', 'document8', 'document9') ORDER BY 1`,
    );
    expect(left).toEqual([{ id: 'document7' }, { id: 'document8' }]);
    const [gone] = await world.rows(
      `SELECT actor_id FROM audit_outbox WHERE type = 'client.deleted' AND target_id = 'document9'`,
    );
    expect(gone).toEqual({ actor_id: user.id });
    await world.rows(
      `INSERT INTO oauth_consents (user_id, client_id, audience, scopes)
       SELECT $1, "clientId", 'a', '{}' FROM oauth_clients WHERE origin = 'document' ON CONFLICT DO NOTHING`,
      [user.id],
    );
    expect((await fresh('twenty-fourth')).text).toContain('no more room');
    const full = await register({ redirect_uris: [REDIRECT] });
    expect([full.status, full.body.error, full.body.code]).toEqual([
      503,
      'temporarily_unavailable',
      'client_registration_full',
    ]);
    expect(Number(full.headers.get('retry-after'))).toBeGreaterThan(60);
  });
});
