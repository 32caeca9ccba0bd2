import { createPublicKey, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { calculateJwkThumbprint, decodeJwt } from 'jose';
import { describe, expect, test } from 'vitest';
import { ASSERTION_TYPE } from '#services/core/access/assertion-shapes.ts';
import { JWT_BEARER } from '#services/core/access/grant-shapes.ts';
import { accountKeyOf } from '#services/core/identity/sign-in/sign-in-counters.ts';
import { eventually } from '#tools/testing/eventually.ts';
import { type AssertionChanges, newAssertionMaker } from '#tools/testing/fakes/assertions.ts';
import { newProofMaker } from '#tools/testing/fakes/dpop.ts';
import { newPerson } from '#tools/testing/flows/people.ts';
import { API_URL } from '#tools/testing/harness/api.ts';
import { type ClientCredentials, type Json, type Received, send } from '#tools/testing/http-client.ts';
import { listening } from '#tools/testing/listening.ts';
import { opened } from '#tools/testing/opened.ts';
import { openAdminHarness, reason } from './admin-harness.ts';

const ISSUER = 'https://idp.example';
const MINUTE = 60;
const NOTES = 'https://notes.example';
const [idp, rotated] = [newAssertionMaker('ES256'), newAssertionMaker('ES256')];
const seconds = (ahead: number): number => Math.floor(Date.now() / 1_000) + ahead;

let published: readonly object[] = [idp.jwk];
let state: 'up' | 'away' | 'stalls' = 'up';
const server = createServer((_request, response) => {
  if (state !== 'stalls')
    response.writeHead(state === 'up' ? 200 : 500).end(state === 'up' ? JSON.stringify({ keys: published }) : '');
});
const keys = opened(() => listening(server));
const harness = opened(openAdminHarness);
const SOCIAL_PROVIDERS = JSON.stringify({
  work: { clientId: 'us', issuer: ISSUER },
  home: { clientId: 'us', issuer: 'https://home.example' },
});
const env = { CLIENT_DOCUMENTS_PRIVATE: 'true', SOCIAL_PROVIDERS };
const startCopy = () => harness.startCopy({ hashes: false, env });
const [api, other] = [opened(startCopy), opened(startCopy)];

/** A server that no copy has asked for its keys yet. */
const trusted = (members: Json = {}): Json => ({
  accepts: [{ issuer: ISSUER, jwks_uri: `${keys.url}/${randomUUID()}`, provider: 'work', ...members }],
});

async function newClient(members: Json = {}, assertions = trusted()): Promise<ClientCredentials> {
  const made = await harness.register({
    grant_types: [JWT_BEARER],
    scopes: ['openid', 'email', 'notes:read'],
    audiences: [NOTES],
    identity_assertions: assertions,
    ...members,
  });
  expect(made.status, made.text).toBe(201);
  await Promise.all([api, other].map(({ ports }) => ports.access.load()));
  return { client_id: made.body.client_id, client_secret: made.body.client_secret };
}

/** A user whose account at the other server is linked. */
async function newLinked() {
  const [person, sub] = [await newPerson(harness.copy), randomUUID()];
  const link = `INSERT INTO accounts (id, "userId", "providerId", "accountId") VALUES ($1, $2, 'work', $1)`;
  await harness.rows(link, [sub, person.id]);
  return { id: person.id, sub };
}

const assertionFor = ({ client_id }: ClientCredentials, claims: Json = {}, changes: AssertionChanges = {}, by = idp) =>
  by.assertion('', API_URL, {
    ...changes,
    header: { typ: 'oauth-id-jag+jwt', ...changes.header },
    claims: { iss: ISSUER, client_id, scope: 'openid email notes:read', auth_time: seconds(-MINUTE), ...claims },
  });

const redeem = (client: ClientCredentials, assertion: string, form: Json = {}, { copy = api, headers = {} } = {}) =>
  send(copy.url, 'POST', '/oauth2/token', {
    basic: client,
    headers,
    form: { grant_type: JWT_BEARER, assertion, ...form },
  });
const said = ({ status, body }: Received): string => (status === 200 ? 'ok' : `${status} ${body.error}`);
/** A busy copy may not have the newest state, and answers 503 then. */
const outcome = async (...given: Parameters<typeof redeem>): Promise<string> =>
  said(
    await eventually('an answer', async () => {
      const received = await redeem(...given);
      return (received.status !== 503 || state !== 'up') && received;
    }),
  );
const REFUSED = '400 invalid_grant';
const NOTE = { type: 'object', properties: { note: { type: 'string' } }, required: ['note'] };
const TYPED = { authorization_details_types: ['note'] };

test('an assertion of a linked user gives one access token, once, on whichever copy, without a refresh token', async () => {
  const [client, user] = [await newClient({ grant_types: [JWT_BEARER, 'refresh_token'] }), await newLinked()];
  const authTime = seconds(-MINUTE);
  const assertion = await assertionFor(client, { sub: user.sub, auth_time: authTime });
  const made = await Promise.all([api, other, api, other].map((copy) => redeem(client, assertion, {}, { copy })));
  const [{ body: answer } = { body: {} as Json }, ...more] = made.sort((one, two) => one.status - two.status);
  expect(more.map(({ body }) => body.error)).toEqual(Array(3).fill('invalid_grant'));
  expect(Object.keys(answer).sort()).toEqual(['access_token', 'expires_in', 'scope', 'token_type']);
  const claims = decodeJwt(answer.access_token);
  expect(claims).toMatchObject({ sub: user.id, client_id: client.client_id, aud: API_URL, auth_time: authTime });
  expect(claims).not.toHaveProperty('acr');
  const lives = `SELECT expires_at - created_at <= make_interval(secs => $2) AS ends FROM refresh_families WHERE id = $1::uuid`;
  expect(await harness.rows(lives, [claims.fid, answer.expires_in])).toEqual([{ ends: true }]);
  expect(await harness.events('oauth.identity_asserted', user.id)).toMatchObject([
    { outcome: 'redeemed', actor_id: client.client_id, detail: { user_id: user.id, of: claims.jti } },
  ]);
});

describe('refuses', () => {
  const attacks: readonly [name: string, claims: Json, changes?: AssertionChanges, by?: typeof idp][] = [
    ['another client of this server', { client_id: 'sallyport' }],
    ['another issuer, signed by the same key', { iss: 'https://other.example' }],
    ['this server as its issuer', { iss: API_URL }],
    ['a key of a stranger under the same kid', {}, { key: rotated.privateKey }],
    ['an ID token', {}, { header: { typ: 'JWT' } }],
    ['an access token', {}, { header: { typ: 'at+jwt' } }],
    ['two audiences', { aud: [API_URL, 'https://other.example'] }],
    ['another audience', { aud: `${API_URL}/` }],
    ['an end that has passed', { iat: seconds(-MINUTE), exp: seconds(-1) }],
    ['an end in an hour', { exp: seconds(60 * MINUTE) }],
    ['the last minute of an hour', { iat: seconds(-59 * MINUTE), exp: seconds(MINUTE) }],
    ['no beginning', { iat: undefined }],
    ['no jti', { jti: undefined }],
    ['an unknown subject', { sub: randomUUID() }],
    ['a client of this server as its subject', { sub: 'sallyport' }],
    ['the id of another user here', { aud_sub: randomUUID() }],
    ['a subject with NUL', { sub: 'a\u0000b' }],
    ['an actor', { act: { sub: 'agent' } }],
    ['a tenant', { tenant: 'acme' }],
    ['a binding that is not proved', { cnf: { jkt: 'x'.repeat(43) } }],
    ['a binding of another kind', { cnf: { 'x5t#S256': 'x'.repeat(43) } }],
  ];
  test.each(attacks)('%s', async (_name, claims, changes, by) => {
    const [client, { sub }] = [await newClient(), await newLinked()];
    expect(await outcome(client, await assertionFor(client, { sub, ...claims }, changes, by))).toBe(REFUSED);
    expect(await outcome(client, await assertionFor(client, { sub }))).toBe('ok');
  });

  test('alg HS256 by the public key (CVE-2026-11800, Keycloak: an assertion chose the algorithm that verified it)', async () => {
    const [client, { sub }] = [await newClient(), await newLinked()];
    const pem = createPublicKey({ key: idp.jwk, format: 'jwk' }).export({ type: 'spki', format: 'pem' }) as string;
    for (const key of [JSON.stringify(idp.jwk), pem]) {
      const changes = { header: { alg: 'HS256' }, key: Buffer.from(key) };
      expect(await outcome(client, await assertionFor(client, { sub }, changes))).toBe(REFUSED);
    }
  });

  test('the id or address of a user without a link (CVE-2026-96447, Keycloak: a user was found by name where no link was)', async () => {
    const [client, person] = [await newClient(), await newPerson(api, [])];
    for (const sub of [person.id, person.email])
      expect(await outcome(client, await assertionFor(client, { sub, email: person.email }))).toBe(REFUSED);
  });

  test('no signature under alg none, and the signature of other claims', async () => {
    const [client, mine, other] = [await newClient(), await newLinked(), await newLinked()];
    const [sent, another] = [await assertionFor(client, { sub: mine.sub }), await assertionFor(client, other)];
    const [[head, , sealed], [, claims]] = [sent.split('.'), another.split('.')];
    const none = Buffer.from(JSON.stringify({ alg: 'none', typ: 'oauth-id-jag+jwt' })).toString('base64url');
    for (const forged of [`${none}.${claims}.`, `${none}.${claims}.${sealed}`, `${head}.${claims}.${sealed}`])
      expect(await outcome(client, forged)).toBe(REFUSED);
  });

  test.each([
    ['an administrator', `INSERT INTO user_roles (user_id, role) VALUES ($1, 'admin')`],
    ['who may approve sign-offs', `INSERT INTO user_roles (user_id, role) VALUES ($1, 'developer')`],
    ['who is disabled', 'UPDATE users SET "disabledAt" = now() WHERE id = $1'],
    ['who unlinked the account', 'DELETE FROM accounts WHERE "userId" = $1'],
    ['whose account another provider has', `UPDATE accounts SET "providerId" = 'home' WHERE "userId" = $1`],
    [
      'who has a second factor here',
      `INSERT INTO two_factors (id, "userId", secret, "backupCodes", verified) VALUES ($1, $1, 's', 'b', true)`,
    ],
  ])('a user %s', async (_name, change) => {
    const [client, { id, sub }] = [await newClient(), await newLinked()];
    await harness.rows(change, [id]);
    const { status, body } = await redeem(client, await assertionFor(client, { sub }));
    expect([status, body.error_description]).toEqual([400, expect.stringMatching(/has no account here/)]);
  });

  test('a user whose account an incident has stepped up', async () => {
    const [client, { id, sub }] = [await newClient(), await newLinked()];
    const lock = 'INSERT INTO login_failures (key, failures, user_id, stepped_up) VALUES ($1, 100, $2, true)';
    await harness.rows(lock, [accountKeyOf(api.ports, `${id}@example.test`), id]);
    expect(await outcome(client, await assertionFor(client, { sub }))).toBe(REFUSED);
  });

  test('a client that trusts no server, an agent, a client without the grant or authentication, an assertion as a credential, and no assertion', async () => {
    const [{ sub }, untrusting] = [await newLinked(), await newClient({}, { issues: [] })];
    expect(await outcome(untrusting, await assertionFor(untrusting, { sub }))).toBe(REFUSED);
    const misled = await newClient({}, trusted({ provider: 'home' }));
    await harness.rows`UPDATE accounts SET "providerId" = 'home' WHERE id = ${sub}`;
    expect(await outcome(misled, await assertionFor(misled, { sub })), 'a subject of another issuer').toBe(REFUSED);
    const [agent, owner] = [await newClient(), await newLinked()];
    const owned = `INSERT INTO agents (client_id, owner_id, expires_at) VALUES ($1, $2, now() + interval '1 day')`;
    await harness.rows(owned, [agent.client_id, owner.id]);
    await api.ports.access.load();
    expect(await outcome(agent, await assertionFor(agent, { sub: owner.sub })), 'an agent').toBe(REFUSED);
    const without = await newClient({ grant_types: ['client_credentials'] });
    expect(await outcome(without, await assertionFor(without, { sub }))).toBe('400 unauthorized_client');
    const signer = await newClient({ auth_method: 'private_key_jwt', jwks: { keys: [idp.jwk] } });
    const { client_id } = signer;
    const assertion = await assertionFor(signer, { iss: client_id, sub: client_id });
    expect((await send(api.url, 'GET', '/oauth2/userinfo', { bearer: assertion })).status).toBe(401);
    const signed = { client_id, client_assertion_type: ASSERTION_TYPE, client_assertion: assertion };
    const { client_id: open } = await newClient({ auth_method: 'none' }, null);
    for (const members of [signed, { client_id: open, assertion }]) {
      const answer = await send(api.url, 'POST', '/oauth2/token', { form: { grant_type: JWT_BEARER, ...members } });
      expect([answer.status, answer.body.code]).toEqual([401, 'client_unauthenticated']);
    }
    const { status, body } = await redeem(untrusting, '');
    const problems = [{ at: 'body/assertion', why: 'is required' }];
    expect({ status, body }).toMatchObject({ status: 400, body: { code: 'request_invalid', problems } });
  });
});

test('scopes and resource are those that both servers allow', async () => {
  const [client, { sub }] = [await newClient(), await newLinked()];
  const made = async (claims: Json, form: Json = {}) => {
    const { status, body } = await redeem(client, await assertionFor(client, { sub, ...claims }), form);
    return status === 200 ? [body.scope, decodeJwt(body.access_token).aud] : body.error;
  };
  expect(await made({ scope: 'email users:manage admin' })).toEqual(['email', API_URL]);
  expect(await made({ scope: 'email' }, { scope: 'email openid' })).toBe('invalid_scope');
  expect(await made({ scope: undefined })).toBe('invalid_scope');
  const resource = NOTES;
  expect(await made({ resource: [resource] })).toEqual(['openid email notes:read', resource]);
  expect(await made({ resource: 'https://other.example' })).toBe('invalid_target');
  expect(await made({ resource: [resource, API_URL] })).toBe('invalid_target');
  expect(await made({ resource: API_URL }, { resource })).toBe('invalid_target');
});

test('a key that is new is found, one that was taken back is refused, and an outage refuses no user for good', async () => {
  const [client, late, { sub }] = [await newClient(), await newClient(), await newLinked()];
  const rotating = (to: ClientCredentials) => assertionFor(to, { sub }, {}, rotated);
  published = [rotated.jwk];
  expect(await outcome(client, await rotating(client), {}, { copy: other })).toBe('ok');
  expect(await outcome(client, await assertionFor(client, { sub }))).toBe(REFUSED);
  state = 'away';
  const assertion = await rotating(late);
  expect(await outcome(late, assertion)).toBe('503 temporarily_unavailable');
  state = 'up';
  expect(await outcome(late, assertion, {}, { copy: other })).toBe('ok');
  published = [idp.jwk];
});

test('a server that stalls delays its own users for seconds, and no other user', async () => {
  const [client, waiting, { sub }] = [await newClient(), await newClient(), await newLinked()];
  expect(await outcome(client, await assertionFor(client, { sub }))).toBe('ok');
  state = 'stalls';
  const stalled = Array.from({ length: 40 }, async () =>
    said(await redeem(waiting, await assertionFor(waiting, { sub }))),
  );
  const first = await Promise.race([...stalled, outcome(client, await assertionFor(client, { sub }))]);
  state = 'up';
  expect([first, ...new Set(await Promise.all(stalled))]).toEqual(['ok', '503 temporarily_unavailable']);
});

test('authorization details are granted as the assertion names them, or in part, or it is refused unused', async () => {
  const types = { note: { schema: NOTE, words: { en: 'read {note}', de: '{note} lesen' }, bound: ['note'] } };
  const declared = { application: 'notes', audience: NOTES, permissions: [], authorization_details: types, reason };
  expect((await harness.byAdmin('POST', '/v1/admin/applications', declared)).status).toBe(200);
  const [client, without, { id, sub }] = [await newClient(TYPED), await newClient(), await newLinked()];
  const [one, two, three] = [1, 2, 3].map((nth) => ({ type: 'note', note: `${nth}` }));
  const made = async (details: unknown, asked?: unknown, resource: string | null = NOTES, as = client) => {
    const claims = { sub, authorization_details: details, resource: resource ?? undefined };
    const assertion = await assertionFor(as, claims);
    const form = asked === undefined ? {} : { authorization_details: JSON.stringify(asked) };
    const { status, body } = await redeem(as, assertion, form);
    if (status === 200) expect(body.authorization_details).toEqual(decodeJwt(body.access_token).authorization_details);
    else if (asked !== undefined && details !== undefined) expect(await outcome(as, assertion)).toBe('ok');
    return status === 200 ? body.authorization_details : body.error;
  };
  expect(await made([two, one, two])).toEqual([one, two]);
  expect(await made([one, two], [two])).toEqual([two]);
  expect(await made(undefined)).toBeUndefined();
  const widened: readonly Parameters<typeof made>[] = [
    [
      [one, two],
      [one, three],
    ],
    [undefined, [one]],
    [[one, { type: 'payment', note: '1' }]],
    [[one, { type: 'sallyport_act', act: 'keys.rotate' }]],
    [[{ ...one, more: true }]],
    [[]],
    [{}],
    ['note'],
    [null],
    [[one], undefined, null],
    [[one], undefined, NOTES, without],
  ];
  for (const given of widened)
    expect(await made(...given), JSON.stringify(given)).toBe('invalid_authorization_details');
  const [event] = await harness.events('oauth.identity_asserted', id);
  expect(event?.detail).toMatchObject({
    detail_types: ['note'],
    details_sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
  });
});

test('bound to a key, it is redeemed with a proof of that key alone, for a token that is bound to it too', async () => {
  const [client, { sub }, mine, stranger] = [await newClient(), await newLinked(), newProofMaker(), newProofMaker()];
  const assertion = await assertionFor(client, { sub, cnf: { jkt: await calculateJwkThumbprint(mine.jwk) } });
  const proved = (by: typeof mine) => ({ headers: { dpop: by.proof('POST', `${API_URL}/oauth2/token`) } });
  for (const sent of [{}, proved(stranger)]) expect(await outcome(client, assertion, {}, sent)).toBe(REFUSED);
  expect((await redeem(client, assertion, {}, proved(mine))).body.token_type).toBe('DPoP');
});

test('an administrator who may issue tokens lets a server vouch for users, and ends that at once (CVE-2026-1486, Keycloak: assertions of a disabled identity provider were still exchanged for tokens)', async () => {
  const [client, { sub }] = [await newClient(), await newLinked()];
  await harness.rows`INSERT INTO role_permissions (role, permission) VALUES ('operator', 'clients:manage')
    ON CONFLICT DO NOTHING`;
  await harness.copy.ports.access.load();
  const clerk = harness.as((await newPerson(harness.copy, ['operator'])).bearer);
  const path = `/v1/admin/clients/${client.client_id}`;
  const codeFor = async (identity_assertions: Json | null, as = clerk) =>
    (await as('PATCH', path, { json: { identity_assertions, reason } })).body.code;
  expect(await codeFor(trusted())).toBe('rights_exceeded');
  const admin = harness.as(harness.admin.bearer);
  expect(await codeFor(trusted({ provider: 'credential' }), admin), 'ids of users').toBe('request_invalid');
  for (const insecure of [{ issuer: 'http://idp.example' }, { jwks_uri: 'http://idp.example/keys' }])
    expect(await codeFor(trusted(insecure), admin)).toBe('client_settings_conflict');
  expect(await codeFor(null, admin)).toBeUndefined();
  expect(await outcome(client, await assertionFor(client, { sub }))).toBe(REFUSED);
});
