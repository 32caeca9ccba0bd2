import { afterAll, beforeAll, expect, test } from 'vitest';
import type { TestUser } from '#tools/testing/flows/flows.ts';
import { openSessionFor } from '#tools/testing/flows/signed-in.ts';
import { overtaken } from '#tools/testing/overtaken.ts';
import {
  anonymousCaller,
  answered,
  type GrantClient,
  type GrantHarness,
  type GrantPorts,
  openGrantHarness,
} from '../grant-harness.ts';
import type { AuthorizationRequest } from './authorization-request.ts';
import { authorize } from './authorize.ts';
import { answerError, requestUsed } from './authorize-step.ts';
import { decideConsent } from './decide-consent.ts';
import { pushAuthorizationRequest } from './push-authorization-request.ts';
import { readAuthorizationRequest } from './pushed-requests.ts';

let harness: GrantHarness;
let ports: GrantPorts;
let user: TestUser;
let site: GrantClient;
beforeAll(async () => {
  harness = await openGrantHarness();
  ports = harness.ports;
  [user, site] = await Promise.all([harness.newUser(), harness.newClient()]);
});
afterAll(() => harness?.close());

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
  harness.rows('SELECT audience, scopes FROM oauth_consents WHERE user_id = $1 AND client_id = $2', [userId, clientId]);
const eventsOf = ({ clientId }: GrantClient) =>
  harness.rows(`SELECT type, outcome FROM audit_outbox WHERE type LIKE 'oauth.%' AND client_id = $1 ORDER BY type`, [
    clientId,
  ]);

test('grants the ticked scopes that were requested, with a code and both events', async () => {
  const client = await harness.newClient();
  const step = await decide(harness.query(client), true, ['openid', 'profile']);
  expect(answered(step)).toEqual({
    code: expect.stringMatching(/^[\w-]{43}$/),
    state: 's',
    iss: ports.tokenSettings.issuer,
  });
  expect(await consentsOf(user.id, client)).toEqual([{ audience: ports.tokenSettings.audience, scopes: ['openid'] }]);
  expect(await harness.rows('SELECT scope FROM oauth_codes WHERE client_id = $1', [client.clientId])).toEqual([
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
  await harness.rows('DELETE FROM sessions WHERE id = $1', [guest.sessionId]);
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
  const [granted] = await harness.rows<{ detail: object }>(
    `SELECT detail FROM audit_outbox WHERE type = 'oauth.authorized' AND client_id = $1`,
    [client.clientId],
  );
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
  await harness.rows('UPDATE oauth_clients SET skip_consent = true WHERE "clientId" = $1', [house.clientId]);
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
  expect(await harness.rows('SELECT 1 FROM oauth_codes WHERE client_id = $1', [house.clientId])).toEqual([]);
  expect(await eventsOf(house)).toEqual([]);
});
