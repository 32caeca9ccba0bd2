import * as oauth from 'oauth4webapi';
import { describe, expect, test } from 'vitest';
import { oauthPurges } from '#services/core/oauth/oauth-purges.ts';
import { purge } from '#services/core/shared/purge.ts';
import { eventually } from '#tools/testing/eventually.ts';
import { newPerson } from '#tools/testing/flows/people.ts';
import { newSignedIn } from '#tools/testing/flows/signed-in.ts';
import { API_URL, type ApiCopy } from '#tools/testing/harness/api.ts';
import { askToken, browserOf, newVerifier } from '#tools/testing/harness/oauth.ts';
import { send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';
import { hasWings } from '#tools/testing/processes/child-env.ts';
import {
  NOTES_REDIRECT,
  openUnvettedHarness,
  STRICT,
  UNVETTED_AUDIENCE,
  unvettedPath,
} from './oauth-unvetted-harness.ts';

const harness = opened(() => openUnvettedHarness());
const strict = opened(() => harness.startCopy({ env: STRICT, hashes: false }));

describe('clients that register themselves (RFC 7591)', () => {
  test('an outside client (oauth4webapi) finds the endpoint, registers, and users consent after a warning; its scopes are limited', async () => {
    const via = {
      [oauth.customFetch]: (url: string, init: RequestInit) => fetch(url.replace(API_URL, harness.open.url), init),
      [oauth.allowInsecureRequests]: true,
    } as const;
    const issuer = new URL(API_URL);
    const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, via));
    const bye = 'https://notes.example/bye';
    const asked = {
      client_name: 'Notes <i>',
      redirect_uris: [NOTES_REDIRECT],
      post_logout_redirect_uris: [bye],
      backchannel_logout_uri: 'https://notes.example/logout',
      backchannel_logout_session_required: true,
      scope: 'openid email users:manage',
    };
    const client = await oauth.processDynamicClientRegistrationResponse(
      await oauth.dynamicClientRegistrationRequest(as, asked, via),
    );
    expect(client).toMatchObject({
      token_endpoint_auth_method: 'client_secret_basic',
      post_logout_redirect_uris: [bye],
      backchannel_logout_uri: 'https://notes.example/logout',
      backchannel_logout_session_required: true,
      scope: 'openid email',
    });
    const auth = oauth.ClientSecretBasic(client.client_secret as string);
    const verifier = newVerifier();
    const person = await newSignedIn(harness.open);
    const browser = browserOf(harness.open, person);
    const page = await browser.open(unvettedPath(client.client_id, verifier));
    expect(page.text).toContain('No administrator has checked this application');
    const { leftFor } = await browser.submit(page, { decision: 'allow', scope: ['openid', 'email'] });
    const parameters = oauth.validateAuthResponse(as, client, leftFor as URL, 's');
    const tokens = await oauth.processAuthorizationCodeResponse(
      as,
      client,
      await oauth.authorizationCodeGrantRequest(as, client, auth, parameters, NOTES_REDIRECT, verifier, via),
    );
    expect(tokens).toMatchObject({ scope: 'openid email' });
    expect(tokens.refresh_token).toBeUndefined();
    const consents = await send(harness.open.url, 'GET', '/v1/consents', { bearer: person.tokens.access_token });
    expect(consents.body.consents).toMatchObject([{ client_id: client.client_id, client_origin: 'registration' }]);
    const [event] = await harness.rows`SELECT actor_kind, detail FROM audit_outbox
      WHERE type = 'client.created' AND target_id = ${client.client_id}`;
    expect(event).toEqual({ actor_kind: 'anonymous', detail: { origin: 'registration' } });
    const leave = `/oauth2/end_session?${new URLSearchParams({
      id_token_hint: tokens.id_token as string,
      post_logout_redirect_uri: bye,
      state: 'out',
    })}`;
    const own = browserOf(harness.open, await newSignedIn(harness.open));
    const asks = await own.open(leave);
    expect(asks.text).toContain('asks you to sign out');
    // This user has not consented to the client: its address needs a click.
    const out = await own.submit(asks, {});
    expect([out.status, out.leftFor]).toEqual([200, null]);
    expect(out.text).toContain(`<a href="${bye}?state=out" rel="noreferrer">Continue to notes.example</a>`);
    expect((await browser.open(leave)).leftFor?.href).toBe(`${bye}?state=out`);
  });

  describe('an open redirect', () => {
    const FAULTS: [string, Record<string, string>, error: string][] = [
      ['a response type that is none', { response_type: 'token' }, 'unsupported_response_type'],
      ['scopes of which it is registered for none', { scope: 'users:manage groups' }, 'invalid_scope'],
      ['prompt=none', { prompt: 'none' }, 'login_required'],
    ];
    const registered = async (): Promise<string> =>
      (await harness.register({ redirect_uris: [NOTES_REDIRECT], scope: 'openid email' })).body.client_id;

    test.each(FAULTS)(
      'a user who is not signed in is not redirected to a self-registered client’s address by %s',
      async (_what, by, error) => {
        const path = unvettedPath(await registered(), newVerifier(), by);
        const shown = await browserOf(harness.open).open(path);
        expect([shown.status, shown.leftFor]).toEqual([400, null]);
        expect(shown.headers.get('refresh')).toBeNull();
        expect(shown.text).not.toContain('http-equiv');
        expect(shown.text).toContain(`Continue to ${new URL(NOTES_REDIRECT).host}`);
        expect(shown.text).toContain(`<a href="${NOTES_REDIRECT}?error=${error}&amp;`);
      },
    );

    test.each(FAULTS)('nor is a signed-in user who has not consented to the client: %s', async (_what, by, error) => {
      const path = unvettedPath(await registered(), newVerifier(), by);
      const shown = await browserOf(harness.open, harness.user).open(path);
      expect([shown.status, shown.leftFor]).toEqual([400, null]);
      expect(shown.text).toContain(`error=${error === 'login_required' ? 'consent_required' : error}`);
    });

    test('only a user who consented to the client is redirected', async () => {
      const clientId = await registered();
      const browser = browserOf(harness.open, harness.user);
      const page = await browser.open(unvettedPath(clientId, newVerifier()));
      await browser.submit(page, { decision: 'allow', scope: ['openid'] });
      const faulty = unvettedPath(clientId, newVerifier(), { response_type: 'token' });
      expect((await browser.open(faulty)).leftFor?.searchParams.get('error')).toBe('unsupported_response_type');
      const silent = unvettedPath(clientId, newVerifier(), { prompt: 'none' });
      expect((await browser.open(silent)).leftFor?.searchParams.get('error')).toBe('consent_required');
      expect((await browserOf(harness.open).open(faulty)).leftFor).toBeNull();
      expect((await browserOf(harness.open, await newSignedIn(harness.open)).open(faulty)).leftFor).toBeNull();
    });
  });

  test('a registration repeated with its Idempotency-Key returns the same client, secret included', async () => {
    const json = {
      redirect_uris: [NOTES_REDIRECT],
      token_endpoint_auth_method: 'client_secret_post',
      client_name: 'Once',
    };
    const ask = (members: object, key = 'a-key-hard-to-guess-at-all') =>
      send(harness.open.url, 'POST', '/oauth2/register', {
        json: { ...json, ...members },
        headers: { 'idempotency-key': key },
      });
    const first = await ask({});
    expect(first).toMatchObject({ status: 201, body: { client_secret: expect.any(String) } });
    expect((await ask({})).body).toEqual(first.body);
    expect(await ask({ client_name: 'Twice' })).toMatchObject({ status: 422 });
    expect((await ask({}, 'another-key-hard-to-guess-at-all')).body.client_id).not.toBe(first.body.client_id);
    expect(await harness.rows`SELECT 1 FROM oauth_clients WHERE name = 'Once'`).toHaveLength(2);
  });

  test('a requested secret is shown once, stored as its SHA-256, and works at both copies; it gives no permissions', async () => {
    const made = (
      await harness.register({
        redirect_uris: [NOTES_REDIRECT],
        token_endpoint_auth_method: 'client_secret_basic',
        grant_types: ['authorization_code', 'refresh_token'],
      })
    ).body;
    expect(made).toMatchObject({ client_secret_expires_at: 0, client_name: 'An application without a name' });
    const [row] = await harness.rows`SELECT * FROM oauth_clients WHERE "clientId" = ${made.client_id}`;
    expect(JSON.stringify(row)).not.toContain(made.client_secret);
    expect(row).toMatchObject({
      origin: 'registration',
      credential_scopes: [],
      // The MCP server needs no setting.
      audiences: [UNVETTED_AUDIENCE, ...(hasWings ? [`${API_URL}/mcp`] : [])],
    });
    const by = (copy: ApiCopy, form: Record<string, string>) => askToken(copy, made, form);
    const refresh = { grant_type: 'refresh_token', refresh_token: 'x' };
    await eventually('the other copy to know', async () => (await by(strict, refresh)).body.error === 'invalid_grant');
    expect((await by(harness.open, refresh)).body.error).toBe('invalid_grant');
    expect((await by(harness.open, { grant_type: 'client_credentials' })).body.error).toBe('unauthorized_client');
  });

  test.each([
    ['a redirect address that is none', { redirect_uris: ['http://notes.example/cb'] }, 'invalid_redirect_uri'],
    ['no redirect address', {}, 'invalid_redirect_uri'],
    [
      'a grant of its own',
      { redirect_uris: [NOTES_REDIRECT], grant_types: ['client_credentials'] },
      'invalid_client_metadata',
    ],
    ['a member of a wrong type', { redirect_uris: [NOTES_REDIRECT], client_name: {} }, 'invalid_client_metadata'],
  ])('%s gets its RFC 7591 error', async (_what, metadata, error) => {
    const answered = await harness.register(metadata);
    expect([answered.status, answered.body.error]).toEqual([400, error]);
    expect(answered.headers.get('cache-control')).toBe('no-store');
  });

  test('where registration needs a token, only a credential with the permission registers; others learn nothing more', async () => {
    const metadata = { redirect_uris: [NOTES_REDIRECT] };
    const refused = await harness.register(metadata, undefined, strict);
    expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([401, expect.stringContaining('Bearer')]);
    expect((await harness.register(metadata, harness.user.tokens.access_token, strict)).status).toBe(403);
    const admin = await newPerson(harness.open, ['admin']);
    const { body: key } = await send(harness.open.url, 'POST', '/v1/api-keys', {
      bearer: admin.bearer,
      json: { name: 'initial access token', permissions: ['clients:register'] },
    });
    await eventually(
      'the key to be known',
      async () => (await harness.register({}, key.secret, strict)).status === 400,
    );
    const made = await harness.register(metadata, key.secret, strict);
    expect([made.status, made.body.token_endpoint_auth_method]).toEqual([201, 'client_secret_basic']);
    const told = async (copy: ApiCopy) =>
      (await send(copy.url, 'GET', '/.well-known/oauth-authorization-server')).body.registration_endpoint;
    expect([await told(harness.open), await told(strict)]).toEqual(Array(2).fill(`${API_URL}/oauth2/register`));
  });

  test('clients unused for a week are deleted; used, disabled and vetted ones stay', async () => {
    const [unused, used, disabled] = await Promise.all(
      [1, 2, 3].map(async () => (await harness.register({ redirect_uris: [NOTES_REDIRECT] })).body.client_id as string),
    );
    const vetted = await harness.newClient([]);
    await harness.rows`UPDATE oauth_clients SET disabled = true WHERE "clientId" = ${disabled}`;
    await harness.rows`INSERT INTO oauth_consents (user_id, client_id, audience, scopes)
      VALUES (${harness.user.id}, ${used}, 'a', '{}')`;
    const ids = [unused, used, disabled, vetted.client_id];
    const left = () => harness.rows`SELECT "clientId" AS id FROM oauth_clients WHERE "clientId" = ANY (${ids})`;
    const clean = () => purge(harness.open.workerPorts, oauthPurges, { pace: { factor: 0, leastMs: 0 } });
    await clean();
    expect(await left()).toHaveLength(4);
    await harness.rows`UPDATE oauth_clients SET "updatedAt" = now() - interval '8 days'
      WHERE "clientId" = ANY (${ids})`;
    expect((await clean()).failures).toEqual([]);
    expect((await left()).map(({ id }) => id).sort()).toEqual([used, disabled, vetted.client_id].sort());
  });
});
