import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { CompactSign } from 'jose';
import { describe, expect, test } from 'vitest';
import { ASSERTION_TYPE } from '#services/core/access/assertion-shapes.ts';
import { DEVICE_GRANT } from '#services/core/access/grant-shapes.ts';
import { type AssertionChanges, newAssertionMaker } from '#tools/testing/fakes/assertions.ts';
import { newPerson } from '#tools/testing/flows/people.ts';
import { API_URL } from '#tools/testing/harness/api.ts';
import { challengeOf, LOOPBACK_REDIRECT, newVerifier } from '#tools/testing/harness/oauth.ts';
import { type Json, type Received, send } from '#tools/testing/http-client.ts';
import { listening } from '#tools/testing/listening.ts';
import { opened } from '#tools/testing/opened.ts';
import { openAdminHarness, reason } from './admin-harness.ts';

const ISSUER = 'https://tokens.example';
const SUBJECT = 'repo:org/app:ref:refs/heads/main';
const MINUTE = 60;
const [github, stranger] = [newAssertionMaker('RS256'), newAssertionMaker('RS256')];
const spire = newAssertionMaker('ES256');
const seconds = (ahead: number): number => Math.floor(Date.now() / 1_000) + ahead;

/** Of the issuer: its keys, and whether it answers. */
let published: readonly object[] = [github.jwk];
let isAway = false;
const server = createServer((_request, response) =>
  isAway ? response.writeHead(500).end() : response.end(JSON.stringify({ keys: published })),
);
const issuer = opened(() => listening(server));
const harness = opened(openAdminHarness);
const startCopy = () => harness.startCopy({ hashes: false, env: { CLIENT_DOCUMENTS_PRIVATE: 'true' } });
const [api, other] = [opened(startCopy), opened(startCopy)];

/** An address of the issuer that no copy has asked yet: its first answer is newer than any question. */
const newAddress = (): string => `${issuer.url}/${randomUUID()}`;
const known = () => Promise.all([api, other].map(({ ports }) => ports.access.load()));

const bind = (workload: Json | null, members: Json = {}): Promise<Received> =>
  harness.byAdmin('POST', '/v1/admin/clients', {
    name: 'Deploy',
    auth_method: 'private_key_jwt',
    ...('jwks' in members ? {} : { jwks_uri: newAddress() }),
    workload: workload && { issuer: ISSUER, subject: SUBJECT, ...workload },
    grant_types: ['client_credentials', 'authorization_code', DEVICE_GRANT],
    scopes: ['openid'],
    credential_scopes: ['tokens:introspect'],
    redirect_uris: [LOOPBACK_REDIRECT],
    reason,
    ...members,
  });

/** Its id, known to both copies. */
async function bound(...given: Parameters<typeof bind>): Promise<string> {
  const made = await bind(...given);
  expect([made.status, made.body.client_secret], made.text).toEqual([201, null]);
  await known();
  return made.body.client_id;
}

/** A token as GitHub Actions makes it. */
const tokenOf = (claims: Json = {}, changes: AssertionChanges = {}, by = github): Promise<string> =>
  by.assertion('', API_URL, { ...changes, claims: { iss: ISSUER, sub: SUBJECT, nbf: seconds(0), ...claims } });

type Form = Readonly<Record<string, string>>;
const formOf = (clientId: string | undefined, assertion: string, type = ASSERTION_TYPE): Form => ({
  ...(clientId === undefined ? {} : { client_id: clientId }),
  client_assertion_type: type,
  client_assertion: assertion,
});
const post = (path: string, form: Form, copy = api): Promise<Received> => send(copy.url, 'POST', path, { form });
const signIn = async (clientId: string | undefined, assertion: string, copy = api): Promise<Received> =>
  post('/oauth2/token', { grant_type: 'client_credentials', ...formOf(clientId, assertion) }, copy);
const outcome = async (...given: Parameters<typeof signIn>) => {
  const { status, body } = await signIn(...given);
  return status === 200 ? 'ok' : `${status} ${body.error}`;
};
const REFUSED = '401 invalid_client';

/** Why the last request of the client was refused, as its administrator reads it. */
async function causeFor(clientId: string): Promise<string> {
  await api.ports.clientRefusals.write();
  return (await harness.byAdmin('GET', `/v1/admin/clients/${clientId}/why`)).body.refusals[0].cause;
}

test('a token of the issuer authenticates the client at every endpoint, without a secret', async () => {
  const clientId = await bound({});
  const made = await signIn(clientId, await tokenOf());
  expect(made.status, made.text).toBe(200);
  const asked = async (path: string, form: Form) =>
    (await post(path, { ...form, ...formOf(clientId, await tokenOf()) })).status;
  const request = {
    redirect_uri: LOOPBACK_REDIRECT,
    response_type: 'code',
    scope: 'openid',
    code_challenge: challengeOf(newVerifier()),
    code_challenge_method: 'S256',
  };
  expect(await asked('/oauth2/par', request)).toBe(201);
  expect(await asked('/oauth2/device_authorization', { scope: 'openid' })).toBe(200);
  expect(await asked('/oauth2/introspect', { token: made.body.access_token })).toBe(200);
  expect(await asked('/oauth2/revoke', { token: made.body.access_token })).toBe(200);
  const loose = { grant_type: 'client_credentials', client_id: clientId };
  expect((await post('/oauth2/token', loose)).status, 'its id alone').toBe(401);
});

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const HEADS = { subject: 'repo:org/app:ref:refs/heads/*' };
const OF_ENVIRONMENT = { claims: { environment: 'prod' } };
const twice = () =>
  new CompactSign(
    Buffer.from(`{"iss":"${ISSUER}","aud":"${API_URL}","exp":${seconds(MINUTE)},"sub":"x","sub":"${SUBJECT}"}`),
  )
    .setProtectedHeader({ alg: 'RS256', kid: github.jwk.kid })
    .sign(github.privateKey);

/** What is sent, and what the administrator then reads; nothing where no key of the issuer has signed it. */
const attacks: readonly [name: string, send: () => Promise<string> | string, why?: RegExp, workload?: Json][] = [
  ['another issuer under the same kid', () => tokenOf({}, { key: stranger.privateKey })],
  ['a token of another issuer with the same subject', () => tokenOf({}, {}, stranger)],
  ['alg none', () => `${encode({ alg: 'none', kid: github.jwk.kid })}.${encode({ sub: SUBJECT })}.AAAA`],
  [
    'the public key as an HS256 secret',
    () => tokenOf({}, { header: { alg: 'HS256' }, key: Buffer.from(JSON.stringify(github.jwk)) }),
  ],
  ['duplicate claims', twice],
  ['an access token of the issuer', () => tokenOf({}, { header: { typ: 'at+jwt' } })],
  ['a token for another audience', () => tokenOf({ aud: 'https://vault.example' }), /^aud/],
  ['a token for this server and another one', () => tokenOf({ aud: [API_URL, 'https://vault.example'] }), /^aud/],
  [
    'the last minute of a token of a day',
    () => tokenOf({ iat: seconds(MINUTE - 86_400), exp: seconds(MINUTE) }),
    /^exp/,
  ],
  ['a token for no audience', () => tokenOf({ aud: undefined }), /^aud/],
  [
    'a binding whose tokens another server takes',
    () => tokenOf({ aud: 'https://vault.example' }),
    /neither the issuer/,
    { audience: 'https://vault.example' },
  ],
  [
    'an audience that begins like this server',
    () => tokenOf({ aud: `${API_URL}.evil` }),
    /neither the issuer/,
    { audience: `${API_URL}.evil` },
  ],
  ['another iss, signed by a key that two issuers share', () => tokenOf({ iss: `${ISSUER}/` }), /^iss/],
  ['an iss in capitals', () => tokenOf({ iss: ISSUER.toUpperCase() }), /^iss/],
  ['no iss', () => tokenOf({ iss: undefined }), /^iss/],
  ['a repository whose name begins alike', () => tokenOf({ sub: 'repo:org/app-evil:ref:refs/heads/main' }), /^sub/],
  ['a subject that goes on', () => tokenOf({ sub: `${SUBJECT}:x` }), /^sub/],
  ['a subject in capitals', () => tokenOf({ sub: SUBJECT.toUpperCase() }), /^sub/],
  ['a wildcard across a slash', () => tokenOf({ sub: `${SUBJECT}/evil` }), /^sub/, HEADS],
  ['a wildcard across a colon', () => tokenOf({ sub: `${SUBJECT}:evil` }), /^sub/, HEADS],
  ['a wildcard for nothing', () => tokenOf({ sub: 'repo:org/app:ref:refs/heads/' }), /^sub/, HEADS],
  ['another separator', () => tokenOf({ sub: 'repo:org:app:ref:refs/heads/main' }), /^sub/, HEADS],
  ['a required claim that is missing', () => tokenOf(), /^The claim environment/, OF_ENVIRONMENT],
  ['a required claim in capitals', () => tokenOf({ environment: 'PROD' }), /^The claim environment/, OF_ENVIRONMENT],
  ['a required claim among others', () => tokenOf({ environment: ['prod'] }), /^The claim environment/, OF_ENVIRONMENT],
  ['no end', () => tokenOf({ exp: undefined }), /^exp/],
  ['an end that has passed', () => tokenOf({ exp: seconds(-1) }), /^exp/],
  ['an end in a year', () => tokenOf({ exp: seconds(31_536_000) }), /^exp is more than 3600/],
  ['an end in a year, without iat', () => tokenOf({ iat: undefined, exp: seconds(31_536_000) }), /3600 seconds ahead/],
  ['a beginning in the future', () => tokenOf({ nbf: seconds(5 * MINUTE) }), /^nbf/],
  ['a jti that is no text', () => tokenOf({ jti: 7 }), /^jti/],
];

describe('refuses', () => {
  test.each(attacks)('%s', async (_name, made, why = /no key of the client has signed it/, workload = {}) => {
    const clientId = await bound(workload);
    expect(await outcome(clientId, await made())).toBe(REFUSED);
    expect(await causeFor(clientId)).toMatch(why);
  });

  test('a token that names another client of this server, by the form or by its sub', async () => {
    const [mine, plain] = [await bound({}), await bound(null)];
    const theirs = await bound({ subject: 'repo:org/other:ref:refs/heads/main' });
    for (const clientId of [plain, theirs]) expect(await outcome(clientId, await tokenOf())).toBe(REFUSED);
    for (const sub of [mine, plain, theirs]) expect(await outcome(undefined, await tokenOf({ sub }))).toBe(REFUSED);
    const own = await github.assertion(mine, API_URL);
    expect(await outcome(mine, own), 'what the client would sign itself').toBe(REFUSED);
    expect(await outcome(mine, await tokenOf())).toBe('ok');
  });
});

test.each([
  [HEADS.subject, SUBJECT, {}],
  ['repo:org/*:ref:refs/heads/main', SUBJECT, {}],
  ['repo:*/*:ref:refs/heads/*', SUBJECT, { repository_owner_id: '7' }],
  ['system:serviceaccount:jobs:*', 'system:serviceaccount:jobs:builder', {}],
])('the subject %s fits %s', async (subject, sub, claims) => {
  const clientId = await bound({ subject, claims });
  expect(await outcome(clientId, await tokenOf({ sub, ...claims, aud: [API_URL] }))).toBe('ok');
});

test('the audience may be an address below the issuer, for one client alone', async () => {
  const audience = `${API_URL}/deploy`;
  const clientId = await bound({ audience });
  expect(await outcome(clientId, await tokenOf())).toBe(REFUSED);
  expect(await outcome(clientId, await tokenOf({ aud: audience }))).toBe('ok');
});

describe('a token with a jti', () => {
  test('replayed, on whichever copy, is refused; one without jti works until it expires', async () => {
    const clientId = await bound({});
    const token = await tokenOf();
    const outcomes = await Promise.all([api, other, api, other].map((copy) => outcome(clientId, token, copy)));
    expect(outcomes.sort()).toEqual([REFUSED, REFUSED, REFUSED, 'ok']);
    const without = await tokenOf({ jti: undefined });
    for (const copy of [api, other, api]) expect(await outcome(clientId, without, copy)).toBe('ok');
  });

  test('that a binding calls reusable works until it expires, and only for that client', async () => {
    const [reusing, once] = [await bound({ reusable: true }), await bound({})];
    const token = await tokenOf();
    for (const copy of [api, other, api]) expect(await outcome(reusing, token, copy)).toBe('ok');
    expect([await outcome(once, token), await outcome(once, token)]).toEqual(['ok', REFUSED]);
  });
});

describe('keys of the issuer', () => {
  test('that are new are not known yet, never wrong', async () => {
    const clientId = await bound({});
    expect(await outcome(clientId, await tokenOf())).toBe('ok');
    published = [stranger.jwk];
    try {
      const rotated = await tokenOf({}, {}, stranger);
      const asked = await signIn(clientId, rotated);
      expect([asked.status, asked.body.error, asked.body.code]).toEqual([
        503,
        'temporarily_unavailable',
        'client_keys_unavailable',
      ]);
      expect(await outcome(clientId, rotated, other), 'a copy that may ask the issuer').toBe('ok');
    } finally {
      published = [github.jwk];
    }
  });

  test('that cannot be read refuse no workload for good', async () => {
    const clientId = await bound({});
    const token = await tokenOf();
    isAway = true;
    try {
      expect(await outcome(clientId, token)).toBe('503 temporarily_unavailable');
    } finally {
      isAway = false;
    }
    expect(await outcome(clientId, token, other)).toBe('ok');
  });
});

describe('a SPIFFE trust domain', () => {
  const DOMAIN = 'spiffe://example.org';
  const WEB = `${DOMAIN}/ns/shop/sa/web`;
  /** The bundle of the authority: its key for X.509-SVIDs is no key for tokens. */
  const jwks = {
    keys: [
      { ...spire.jwk, use: 'jwt-svid' },
      { ...stranger.jwk, use: 'x509-svid' },
    ],
  };
  const svid = (sub = WEB, by = spire) =>
    tokenOf({ iss: undefined, nbf: undefined, jti: undefined, sub, aud: [API_URL] }, { header: { typ: 'JOSE' } }, by);

  test('authenticates a workload by its id alone, with the type of the draft', async () => {
    await bound({ issuer: DOMAIN, subject: WEB }, { jwks, client_id: WEB });
    const form = formOf(undefined, await svid(), 'urn:ietf:params:oauth:client-assertion-type:jwt-spiffe');
    const made = await post('/oauth2/token', { grant_type: 'client_credentials', ...form });
    expect(made.status, made.text).toBe(200);
  });

  test.each([
    ['the key for X.509-SVIDs', WEB, stranger],
    ['another trust domain', 'spiffe://evil.example/ns/shop/sa/web', spire],
    ['a trust domain that begins alike', 'spiffe://example.org.evil/ns/shop/sa/web', spire],
    ['a trust domain in capitals', 'spiffe://EXAMPLE.org/ns/shop/sa/web', spire],
    ['a relative path', `${DOMAIN}/ns/../sa/web`, spire],
    ['what is no SPIFFE ID', `${DOMAIN}/ns/a%2fb/sa/web`, spire],
  ] as const)('refuses %s', async (_name, sub, by) => {
    const clientId = await bound({ issuer: DOMAIN, subject: `${DOMAIN}/ns/*/sa/web` }, { jwks });
    expect(await outcome(clientId, await svid(sub, by))).toBe(REFUSED);
    expect(await outcome(clientId, await svid())).toBe('ok');
  });
});

describe('administration', () => {
  test.each([
    ['an issuer without https', { issuer: 'http://tokens.example' }],
    [
      'an issuer with a path in a trust domain',
      { issuer: 'spiffe://example.org/ns', subject: 'spiffe://example.org/ns/x' },
    ],
    ['no subject', { subject: undefined }],
    ['a wildcard inside a name', { subject: 'repo:org/app*' }],
    ['two wildcards beside each other', { subject: 'repo:org/**' }],
    ['a claim that is no text', { claims: { run: 7 } }],
    ['a member that is unknown', { audiences: [API_URL] }],
  ])('the contract refuses %s', async (_name, workload) => {
    const { status, body } = await bind(workload);
    expect([status, body.code]).toEqual([400, 'request_invalid']);
  });

  test.each([
    [
      'a subject outside of the trust domain',
      { issuer: 'spiffe://example.org', subject: 'spiffe://example.orga/x' },
      {},
    ],
    ['a wildcard alone and no claim', { subject: '*' }, {}],
    ['two wildcards and no claim', { subject: 'repo:*/*:ref:refs/heads/main' }, {}],
    ['eleven claims', { claims: Object.fromEntries(Array.from({ length: 11 }, (_, at) => [`claim-${at}`, 'x'])) }, {}],
    ['a client with a secret', {}, { auth_method: 'client_secret_basic', jwks: undefined }],
    ['the profile fapi2', {}, { profile: 'fapi2' }],
  ])('a binding with %s is refused', async (_name, workload, members) => {
    const { status, body } = await bind(workload, members);
    expect([status, body.code]).toEqual([400, 'client_settings_conflict']);
  });

  test('a binding is shown, changed and audited, makes its setter one who can act as the client, and ends at once', async () => {
    const clientId = await bound(null);
    const path = `/v1/admin/clients/${clientId}`;
    expect(await outcome(clientId, await tokenOf())).toBe(REFUSED);
    const second = await newPerson(harness.copy, ['admin']);
    const workload = { issuer: ISSUER, subject: SUBJECT };
    const change = async (json: Json) => {
      const { status, body } = await harness.as(second.bearer)('PATCH', path, { json: { ...json, reason } });
      await known();
      return [status, body.workload];
    };
    expect(await change({ workload })).toEqual([200, workload]);
    expect((await harness.byAdmin('GET', path)).body.workload).toEqual(workload);
    const [row] = await harness.rows`SELECT credential_setters FROM oauth_clients WHERE "clientId" = ${clientId}`;
    expect(new Set(row?.credential_setters)).toEqual(new Set([harness.admin.id, second.id]));
    for (const copy of [api, other]) expect(await outcome(clientId, await tokenOf(), copy)).toBe('ok');
    expect(await change({ auth_method: 'client_secret_basic' })).toEqual([400, undefined]);
    expect(await change({ workload: null })).toEqual([200, null]);
    for (const copy of [api, other]) expect(await outcome(clientId, await tokenOf(), copy)).toBe(REFUSED);
    expect(await change({ workload })).toEqual([200, workload]);
    await harness.byAdmin('POST', `${path}/disable`, { reason });
    await known();
    for (const copy of [api, other]) expect(await outcome(clientId, await tokenOf(), copy)).toBe(REFUSED);
    const changed = { detail: { columns: ['workload'], reason } };
    const events = await harness.events('client.changed', clientId);
    expect(events.slice(0, 3)).toMatchObject([changed, changed, changed]);
  });
});
