import { expect, test } from 'vitest';
import type { Caller } from '#services/core/ports.ts';
import { newProofMaker } from '#tools/testing/fakes/dpop.ts';
import { openSessionFor } from '#tools/testing/flows/signed-in.ts';
import { opened, partOf } from '#tools/testing/opened.ts';
import { overtaken } from '#tools/testing/overtaken.ts';
import { anonymousCaller, answered, type GrantClient, openGrantHarness } from '../grant-harness.ts';
import type { AuthorizationRequest } from './authorization-request.ts';
import { authorize } from './authorize.ts';
import { answerError, requestUsed } from './authorize-step.ts';
import { decideConsent } from './decide-consent.ts';
import { pushAuthorizationRequest } from './push-authorization-request.ts';
import { REQUEST_EXPIRED, readAuthorizationRequest, requestUriHash } from './pushed-requests.ts';

const HTU = 'http://api.sallyport.test/oauth2/par';

const harness = opened(() => openGrantHarness());
const ports = partOf(() => harness.ports);
const user = opened(() => harness.newUser());
const site = opened(() => harness.newClient());

const formOf = (client: GrantClient, members: Record<string, string> = {}): Record<string, string> =>
  Object.fromEntries(new URLSearchParams(harness.query(client, members)));
const push = (form: Record<string, unknown>, caller: Caller = site.caller, proof?: string) =>
  pushAuthorizationRequest(ports, form, caller, proof === undefined ? undefined : { proof, htm: 'POST', htu: HTU });
const pushedRow = async (requestUri: string) =>
  (await harness.rows`SELECT * FROM oauth_pushed_requests WHERE uri_hash = ${requestUriHash(requestUri)}`)[0];
const openInBrowser = (client_id: string, request_uri: string) =>
  authorize(
    ports,
    { query: new URLSearchParams({ client_id, request_uri }).toString(), cookie: user.cookie },
    anonymousCaller,
  );

test('a pushed request is kept for nine minutes under a request_uri of which only the hash is stored', async () => {
  const { request_uri, expires_in } = await push(formOf(site));
  expect(request_uri).toMatch(/^urn:ietf:params:oauth:request_uri:[\w-]{43}$/);
  expect(expires_in).toBe(540);
  const row = await pushedRow(request_uri);
  expect(row).toMatchObject({ client_id: site.clientId, share: null });
  expect(JSON.stringify(row)).not.toContain(request_uri.slice(-43));
  expect(await openInBrowser(site.clientId, request_uri)).toMatchObject({
    kind: 'consent',
    request: { client: { clientId: site.clientId }, state: 's', scopes: ['openid', 'email'] },
  });
});

test('its request_uri works neither for another client nor after it expired', async () => {
  const rival = await harness.newClient();
  const { request_uri } = await push(formOf(site));
  expect(await openInBrowser(rival.clientId, request_uri)).toEqual({ kind: 'page-error', why: REQUEST_EXPIRED });
  await harness.rows`UPDATE oauth_pushed_requests SET expires_at = now() - make_interval(secs => 1)
    WHERE uri_hash = ${requestUriHash(request_uri)}`;
  expect(await openInBrowser(site.clientId, request_uri)).toEqual({ kind: 'page-error', why: REQUEST_EXPIRED });
});

test('a pushed request is validated again when the browser opens it, because the client may have changed', async () => {
  const client = await harness.newClient();
  const { request_uri } = await push(formOf(client), client.caller);
  await harness.rows`UPDATE oauth_clients SET scopes = '{openid}' WHERE "clientId" = ${client.clientId}`;
  await ports.access.load();
  expect(answered(await openInBrowser(client.clientId, request_uri))).toMatchObject({
    error: 'invalid_scope',
    state: 's',
  });
});

test('a client that must push its requests gets an error for one in a URL', async () => {
  const client = await harness.newClient({ require_pushed_authorization_requests: true });
  const input = { query: harness.query(client), cookie: user.cookie };
  expect(answered(await authorize(ports, input, anonymousCaller))).toMatchObject({ error: 'invalid_request' });
  const { request_uri } = await push(formOf(client), client.caller);
  expect(await openInBrowser(client.clientId, request_uri)).toMatchObject({ kind: 'consent' });
});

test.each([
  ['a redirect URI that is not registered', { redirect_uri: 'https://evil.test/cb' }, 'request_invalid'],
  ['no challenge', { code_challenge: '' }, 'request_invalid'],
  ['another response type', { response_type: 'token' }, 'response_type_unsupported'],
  ['a scope that is not registered', { scope: 'tasks:write' }, 'scope_invalid'],
  ['a resource that the client is not allowed', { resource: 'https://other.example.test' }, 'target_invalid'],
  ['a request object', { request: 'e30.e30.' }, 'request_object_unsupported'],
  ['the request_uri of another request', { request_uri: 'urn:ietf:params:oauth:request_uri:x' }, 'request_invalid'],
])('a request with %s is refused at the push and not stored', async (_what, members, code) => {
  const client = await harness.newClient();
  await expect(push(formOf(client, members), client.caller)).rejects.toMatchObject({ code });
  expect(await harness.rows`SELECT 1 FROM oauth_pushed_requests WHERE client_id = ${client.clientId}`).toEqual([]);
});

test('a client without the authorization code grant cannot push a request', async () => {
  const client = await harness.newClient({ grant_types: ['client_credentials'] });
  await expect(push(formOf(client), client.caller)).rejects.toMatchObject({ code: 'grant_not_allowed' });
});

test('a confidential client cannot push without its secret, nor with the id of another client', async () => {
  const rival = await harness.newClient();
  await expect(push(formOf(site), anonymousCaller)).rejects.toMatchObject({ code: 'client_unauthenticated' });
  await expect(push({ ...formOf(site), client_id: '' }, anonymousCaller)).rejects.toMatchObject({
    code: 'client_unauthenticated',
  });
  await expect(push(formOf(site), rival.caller)).rejects.toMatchObject({ code: 'request_invalid' });
});

test('a secret or token in the form is not stored with the request', async () => {
  const { request_uri } = await push({ ...formOf(site), client_secret: 'do-not-keep', dpop_jkt: '' });
  expect(JSON.stringify(await pushedRow(request_uri))).not.toMatch(/do-not-keep|dpop_jkt/);
});

test('a request pushed with a DPoP proof binds its code to that key and consumes the proof', async () => {
  const maker = newProofMaker();
  const proof = maker.proof('POST', HTU);
  const { request_uri } = await push(formOf(site), site.caller, proof);
  const step = await openInBrowser(site.clientId, request_uri);
  expect(step).toMatchObject({ kind: 'consent', request: { dpopJkt: expect.stringMatching(/^[\w-]{43}$/) } });
  const jkt = step.kind === 'consent' ? (step.request.dpopJkt as string) : '';
  await expect(push(formOf(site), site.caller, proof)).rejects.toMatchObject({ code: 'dpop_proof_invalid' });
  const named = formOf(site, { dpop_jkt: jkt });
  expect(await push(named, site.caller, maker.proof('POST', HTU))).toHaveProperty('request_uri');
});

test('a proof for another endpoint, or of another key than dpop_jkt, is refused and not consumed', async () => {
  const maker = newProofMaker();
  const elsewhere = maker.proof('POST', 'http://api.sallyport.test/oauth2/token');
  await expect(push(formOf(site), site.caller, elsewhere)).rejects.toMatchObject({ code: 'dpop_proof_invalid' });
  const named = formOf(site, { dpop_jkt: 'A'.repeat(43) });
  const own = maker.proof('POST', HTU);
  await expect(push(named, site.caller, own)).rejects.toMatchObject({ code: 'dpop_proof_invalid' });
  // The refused request has not consumed the proof.
  expect(await push(formOf(site), site.caller, own)).toHaveProperty('request_uri');
});

test('one address can use only a share of a public client’s open requests; other addresses are not affected', async () => {
  const app = await harness.newClient({ auth_method: 'none' });
  const { request_uri } = await push(formOf(app), anonymousCaller);
  await harness.rows`INSERT INTO oauth_pushed_requests (uri_hash, client_id, query, share, expires_at)
    SELECT sha256(n::text::bytea), client_id, query, share, expires_at
    FROM oauth_pushed_requests, generate_series(1, 499) n WHERE uri_hash = ${requestUriHash(request_uri)}`;
  await expect(push(formOf(app), anonymousCaller)).rejects.toMatchObject({ code: 'open_requests_full' });
  const other: Caller = { ...anonymousCaller, request: { ...anonymousCaller.request, ip: '198.51.100.7' } };
  expect(await push(formOf(app), other)).toHaveProperty('request_uri');
});

/** Pushes a request and returns the query for the browser. */
async function pushedBy({ clientId, caller }: GrantClient, members: Record<string, string> = {}): Promise<string> {
  const form = Object.fromEntries(new URLSearchParams(harness.query({ clientId, caller }, members)));
  const { request_uri } = await pushAuthorizationRequest(ports, form, caller);
  return new URLSearchParams({ client_id: clientId, request_uri }).toString();
}
const decide = (
  query: string,
  isAllowed = true,
  scopes = ['openid', 'email'],
  cookie: string | undefined = user.cookie,
) => decideConsent(ports, { query, cookie, isAllowed, scopes }, anonymousCaller);
const consentsOf = (userId: string, { clientId }: GrantClient) =>
  harness.rows`SELECT audience, scopes FROM oauth_consents WHERE user_id = ${userId} AND client_id = ${clientId}`;
const eventsOf = ({ clientId }: GrantClient) =>
  harness.rows`SELECT type, outcome FROM audit_outbox
    WHERE type LIKE 'oauth.%' AND client_id = ${clientId} ORDER BY type`;

test('grants the ticked scopes that were requested, with a code and both events', async () => {
  const client = await harness.newClient();
  const step = await decide(harness.query(client), true, ['openid', 'profile']);
  expect(answered(step)).toEqual({
    code: expect.stringMatching(/^[\w-]{43}$/),
    state: 's',
    iss: ports.tokenSettings.issuer,
  });
  expect(await consentsOf(user.id, client)).toEqual([{ audience: ports.tokenSettings.audience, scopes: ['openid'] }]);
  expect(await harness.rows`SELECT scope FROM oauth_codes WHERE client_id = ${client.clientId}`).toEqual([
    { scope: 'openid' },
  ]);
  expect(await eventsOf(client)).toEqual([
    { type: 'oauth.authorized', outcome: 'ok' },
    { type: 'oauth.consent_granted', outcome: 'ok' },
  ]);
});

test('scopes accumulate: a later, narrower consent removes none', async () => {
  const client = await harness.newClient();
  await decide(harness.query(client));
  await decide(harness.query(client, { scope: 'profile' }), true, ['profile']);
  expect(await consentsOf(user.id, client)).toMatchObject([{ scopes: ['email', 'openid', 'profile'] }]);
});

test.each([
  ['who the user is', { sub: { value: 'another' } }, 'login_required'],
  ['how they signed in', { acr: { essential: true, values: ['aal2'] } }, 'unmet_authentication_requirements'],
])('a client learns %s only after the user allowed it, and then gets no code', async (_what, claims, error) => {
  const client = await harness.newClient();
  const asked = harness.query(client, { claims: JSON.stringify({ id_token: claims }) });
  const again = await authorize(ports, { query: asked, cookie: user.cookie }, anonymousCaller);
  const { cookie } = await openSessionFor(harness, user.id);
  const query = again.kind === 'sign-in' ? again.query : asked;
  expect((await authorize(ports, { query, cookie }, anonymousCaller)).kind).toBe('consent');
  expect(answered(await decide(query, false, ['openid'], cookie))).toMatchObject({ error: 'access_denied' });
  expect(answered(await decide(query, true, ['openid'], cookie))).toMatchObject({ error });
  expect(await consentsOf(user.id, client)).toEqual([]);
});

test.each([
  ['no', false, ['openid']],
  ['yes, with nothing ticked', true, []],
  ['yes, to a scope that was not requested', true, ['profile']],
])('the answer "%s" returns access_denied with an event and grants nothing', async (_what, isAllowed, scopes) => {
  const client = await harness.newClient();
  const step = await decide(harness.query(client), isAllowed, scopes);
  expect(answered(step)).toMatchObject({ error: 'access_denied', state: 's', iss: ports.tokenSettings.issuer });
  expect(await consentsOf(user.id, client)).toEqual([]);
  expect(await eventsOf(client)).toEqual([{ type: 'oauth.authorized', outcome: 'denied' }]);
});

test('a consent form sent without a session grants nothing and asks to sign in', async () => {
  expect(await decide(harness.query(site), true, ['openid'], '')).toMatchObject({ kind: 'sign-in' });
  expect(await consentsOf(user.id, site)).toEqual([]);
});

test('the request in the form is validated again: an unregistered redirect URI gets no response', async () => {
  const step = await decide(harness.query(site, { redirect_uri: 'https://evil.test/cb' }));
  expect(step).toMatchObject({ kind: 'page-error' });
  expect(await eventsOf(site)).toEqual([]);
});

test('an ended session grants nothing, even if its cookie is still cached', async () => {
  const guest = await harness.newUser();
  await harness.rows`DELETE FROM sessions WHERE id = ${guest.sessionId}`;
  expect((await decide(harness.query(site), true, ['openid'], guest.cookie)).kind).toBe('sign-in');
  expect(await consentsOf(guest.id, site)).toEqual([]);
});

test('a session that ends while its consent is written grants nothing', async () => {
  const guest = await harness.newUser();
  const step = await overtaken(harness.pool, guest.id, 'DELETE FROM sessions WHERE "userId" = $1', () =>
    decide(harness.query(site), true, ['openid'], guest.cookie),
  );
  expect(step.kind).toBe('sign-in');
  expect(await consentsOf(guest.id, site)).toEqual([]);
});

test('a pushed request gets one response, and its event records that it was pushed', async () => {
  const client = await harness.newClient();
  const query = await pushedBy(client);
  expect(answered(await decide(query))).toHaveProperty('code');
  const [granted] = await harness.rows<{ detail: object }>`SELECT detail FROM audit_outbox
    WHERE type = 'oauth.authorized' AND client_id = ${client.clientId}`;
  expect(granted?.detail).toMatchObject({ pushed: true });
  expect(await decide(query)).toEqual(requestUsed);
});

test('a pushed request refused in another tab is consumed: its client gets one response', async () => {
  const query = await pushedBy(site);
  const tabs: AuthorizationRequest[] = [];
  for (let tab = 0; tab < 2; tab += 1) {
    const parsed = await readAuthorizationRequest(ports, query);
    if (parsed.kind === 'request') tabs.push(parsed.request);
  }
  const refuse = (request: AuthorizationRequest) =>
    answerError(ports, request, { error: 'login_required', why: 'the user must sign in' }, null);
  expect(answered(await refuse(tabs[0]!))).toMatchObject({ error: 'login_required' });
  expect(await refuse(tabs[1]!)).toBe(requestUsed);
});

test('a response whose pushed request was consumed meanwhile is discarded, whatever it was', async () => {
  const house = await harness.newClient();
  await harness.rows`UPDATE oauth_clients SET skip_consent = true WHERE "clientId" = ${house.clientId}`;
  await ports.access.load();
  const used = 'DELETE FROM oauth_pushed_requests WHERE $1::text IS NOT NULL';
  for (const answer of [
    (query: string) => authorize(ports, { query, cookie: user.cookie }, anonymousCaller),
    (query: string) => decide(query),
    (query: string) => decide(query, false),
  ]) {
    const query = await pushedBy(house);
    expect(await overtaken(harness.pool, user.id, used, () => answer(query))).toBe(requestUsed);
  }
  expect(await harness.rows`SELECT 1 FROM oauth_codes WHERE client_id = ${house.clientId}`).toEqual([]);
  expect(await eventsOf(house)).toEqual([]);
});
