import { expect, test } from 'vitest';
import type { ClientSettings } from '#services/platform/config/clients.ts';
import { newAssertionMaker } from '#tools/testing/fakes/assertions.ts';
import { clientCaller } from '#tools/testing/harness/ports.ts';
import { opened, partOf } from '#tools/testing/opened.ts';
import { anonymousCaller, openGrantHarness, unlogged } from '../grant-harness.ts';
import { selfRegisterClient, UNUSED_FROM_ONE_ADDRESS_MAX, UNVETTED_CLIENTS_MAX } from './self-register-client.ts';

const harness = opened(() => openGrantHarness());
const ports = partOf(() => harness.ports);

const redirect_uris = ['https://notes.example/cb'];
const post_logout_redirect_uris = ['https://notes.example/bye'];
const register = (given: Record<string, unknown> = {}, registration: ClientSettings['registration'] = 'open') =>
  selfRegisterClient(
    { ...ports, clientSettings: { ...ports.clientSettings, registration } },
    { redirect_uris, ...given },
    anonymousCaller,
  );

test('open registration creates a public client if asked for, known to this copy at once and audited', async () => {
  const given = { client_name: 'Notes', scope: 'openid tasks:write', post_logout_redirect_uris };
  const client = await register({ ...given, token_endpoint_auth_method: 'none' });
  expect(client).toEqual({
    client_id: expect.stringMatching(/^[\da-f-]{36}$/),
    client_id_issued_at: expect.any(Number),
    client_name: 'Notes',
    redirect_uris,
    post_logout_redirect_uris,
    backchannel_logout_session_required: false,
    token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code'],
    response_types: ['code'],
    scope: 'openid',
    dpop_bound_access_tokens: false,
    tls_client_certificate_bound_access_tokens: false,
    require_pushed_authorization_requests: false,
  });
  expect(ports.access.client(client.client_id)).toMatchObject({
    origin: 'registration',
    post_logout_redirect_uris: post_logout_redirect_uris,
    secretHash: null,
    scopes: ['openid'],
    skip_consent: false,
    credential_scopes: [],
  });
  const events = await harness.rows`SELECT actor_kind FROM audit_outbox
    WHERE type = 'client.created' AND target_id = ${client.client_id}`;
  expect(events).toHaveLength(1);
});

test.each([
  [43_200, { redirect_uris: ['http://127.0.0.1/cb'], token_endpoint_auth_method: 'none' }],
  [0, { token_endpoint_auth_method: 'none' }],
])('copies of one sign-in are served for %i seconds to %o', async (seconds, given) => {
  const { client_id } = await register(given);
  const copies = 'SELECT refresh_copies FROM oauth_clients WHERE "clientId" = $1';
  expect(await harness.rows(copies, [client_id])).toEqual([{ refresh_copies: seconds }]);
});

test('a client that signs assertions has keys or their address, and no secret', async () => {
  const signing = { token_endpoint_auth_method: 'private_key_jwt' };
  const { kid, kty, crv, x, y } = newAssertionMaker().jwk;
  const keys = [{ kid, kty, crv, x, y }];
  const jwks_uri = 'https://notes.example/keys';
  const [held, fetched] = [await register({ ...signing, jwks: { keys } }), await register({ ...signing, jwks_uri })];
  expect(held).toMatchObject({ ...signing, jwks: { keys } });
  expect(fetched).toMatchObject({ ...signing, jwks_uri });
  for (const client of [held, fetched]) expect(client).not.toHaveProperty('client_secret');
  expect(ports.access.client(held.client_id)).toMatchObject({ jwks: JSON.stringify({ keys }), jwks_uri: null });
  expect(ports.access.client(fetched.client_id)).toMatchObject({ jwks: null, jwks_uri: jwks_uri, secretHash: null });
});

test('a client without a name is called “An application without a name”', async () =>
  expect(await register()).toMatchObject({ client_name: 'An application without a name' }));

test.each([
  ['requests a secret', { token_endpoint_auth_method: 'client_secret_post' }, 'open', 'client_secret_post'],
  ['names no method (RFC 7591 §2)', {}, 'open', 'client_secret_basic'],
  ['registers with an initial access token', {}, 'token', 'client_secret_basic'],
] as const)(
  'a client that %s gets a secret, which only this response contains',
  async (_what, given, registration, method) => {
    const client = await register(given, registration);
    expect(client).toMatchObject({
      client_secret: expect.stringMatching(/^[\w-]{43}$/),
      client_secret_expires_at: 0,
      token_endpoint_auth_method: method,
    });
    const secret = client.client_secret as string;
    expect(ports.access.authenticateClient(client.client_id, secret)?.clientId).toBe(client.client_id);
    const [row] = await harness.rows`SELECT * FROM oauth_clients WHERE "clientId" = ${client.client_id}`;
    expect(JSON.stringify(row)).not.toContain(secret);
  },
);

test('registration is refused if it is off', () =>
  expect(register({}, 'off')).rejects.toMatchObject({ code: 'client_registration_closed' }));

test.each([
  ['a grant without a user', { grant_types: ['client_credentials'] }, 'client_metadata_invalid'],
  ['a redirect URI without TLS', { redirect_uris: ['http://x.test/cb'] }, 'client_redirect_uri_invalid'],
])('%s is refused, and no client is created', async (_what, given, code) => {
  const before = await harness.rows`SELECT "clientId" FROM oauth_clients`;
  await expect(register(given)).rejects.toMatchObject({ code });
  expect(await harness.rows`SELECT "clientId" FROM oauth_clients`).toHaveLength(before.length);
});

test('one address can have a twentieth of the limit as unused clients, without affecting another address', async () => {
  const at = (ip: string) => ({ ...anonymousCaller, request: { ...anonymousCaller.request, ip } });
  const from = (ip: string) => selfRegisterClient(open, { redirect_uris }, at(ip));
  const open = { ...ports, clientSettings: { ...ports.clientSettings, registration: 'open' as const } };
  const { client_id: first } = await from('192.0.2.1');
  await unlogged(
    harness.pool,
    `INSERT INTO oauth_clients (id, "clientId", redirect_uris, origin, registered_from)
     SELECT 'from-' || n, 'from-' || n, '{https://a.example/cb}', 'registration', registered_from
     FROM oauth_clients, generate_series(2, $1::int) n WHERE "clientId" = $2`,
    [UNUSED_FROM_ONE_ADDRESS_MAX, first],
  );
  await expect(from('192.0.2.1')).rejects.toMatchObject({ code: 'client_registration_full' });
  expect(await from('192.0.2.2')).toHaveProperty('client_id');
  const admitted = { ...open, clientSettings: { ...open.clientSettings, registration: 'token' as const } };
  const holder = { ...clientCaller('registrar'), request: at('192.0.2.1').request };
  expect(await selfRegisterClient(admitted, { redirect_uris }, holder)).toHaveProperty('client_id');
  const user = await harness.newUser();
  await harness.rows`INSERT INTO oauth_consents (user_id, client_id, audience, scopes)
    VALUES (${user.id}, ${first}, 'a', '{}')`;
  expect(await from('192.0.2.1')).toHaveProperty('client_id');
  await unlogged(harness.pool, `DELETE FROM oauth_clients WHERE id LIKE 'from-%'`);
});

test('registration is refused at ten thousand self-registered clients', async () => {
  await unlogged(
    harness.pool,
    `INSERT INTO oauth_clients (id, "clientId", redirect_uris, origin)
     SELECT 'many-' || n, 'many-' || n, '{https://a.example/cb}', 'registration' FROM generate_series(1, $1::int) n`,
    [UNVETTED_CLIENTS_MAX],
  );
  await expect(register()).rejects.toMatchObject({ code: 'client_registration_full' });
  await unlogged(harness.pool, `DELETE FROM oauth_clients WHERE id LIKE 'many-%'`);
  expect(await register()).toHaveProperty('client_id');
});
