import { beforeAll, expect, test } from 'vitest';
import { openSessionFor } from '#tools/testing/flows/signed-in.ts';
import { opened } from '#tools/testing/opened.ts';
import { selfRegisterClient } from '../clients/self-register-client.ts';
import { anonymousCaller, challengeOf, newVerifier, openGrantHarness, REDIRECT } from '../grant-harness.ts';
import { redeemAuthorizationCode } from '../redeem-code.ts';
import { type LogoutRequest, verifyLogout } from './verify-logout.ts';

const AFTERWARDS = 'https://app.example.test/bye';
const harness = opened(() => openGrantHarness());
/** An ID token of the site for the user's session. */
let idTokenHint: string;
const user = opened(() => harness.newUser());
const site = opened(() => harness.newClient({ post_logout_redirect_uris: [AFTERWARDS] }));
beforeAll(async () => {
  const codeVerifier = newVerifier();
  const code = await harness.codeFor(user, site, { code_challenge: challengeOf(codeVerifier) });
  const client = { clientId: site.clientId, isAuthenticated: true };
  const input = { code, codeVerifier, client, redirectUri: REDIRECT, resource: undefined, keys: {} };
  idTokenHint = (await redeemAuthorizationCode(harness.ports, input, site.caller)).id_token as string;
});

const verify = (asked: Partial<LogoutRequest>, cookie: string | undefined = user.cookie) =>
  verifyLogout(
    harness.ports,
    { idTokenHint: undefined, clientId: undefined, redirectUri: undefined, state: undefined, ...asked },
    cookie,
  );

test('an ID token of this session signs out without asking and redirects with the state', async () => {
  const step = await verify({ idTokenHint, redirectUri: AFTERWARDS, state: 'a b' });
  expect(step).toMatchObject({
    kind: 'sign-out',
    client: { clientId: site.clientId },
    location: `${AFTERWARDS}?state=a+b`,
  });
});

test('an ID token of another session of the same user asks first', async () => {
  const { cookie } = await openSessionFor(harness, user.id);
  expect(await verify({ idTokenHint }, cookie)).toMatchObject({ kind: 'ask', client: { clientId: site.clientId } });
});

test('an ID token of another user asks first', async () => {
  const { cookie, id } = await harness.newUser();
  expect(await verify({ idTokenHint }, cookie)).toMatchObject({ kind: 'ask', live: { user: { id } } });
});

test.each([
  ['nothing', {}],
  ['an invalid hint', { idTokenHint: 'no token' }],
])('a request with %s asks first and redirects nowhere', async (_what, asked) => {
  expect(await verify(asked)).toMatchObject({ kind: 'ask', client: undefined, location: null });
});

test('without a session nothing is asked, and the registered redirect still works', async () => {
  const step = await verify({ clientId: site.clientId, redirectUri: AFTERWARDS }, '');
  expect(step).toMatchObject({ kind: 'signed-out', client: { clientId: site.clientId }, location: AFTERWARDS });
});

const lost = { kind: 'ask', client: undefined, location: null, isLost: true };

test('a hint issued to another client asks first, names no client and redirects nowhere', async () => {
  const rival = await harness.newClient({ post_logout_redirect_uris: [AFTERWARDS] });
  const asked = { idTokenHint, clientId: rival.clientId, redirectUri: AFTERWARDS };
  expect(await verify(asked)).toMatchObject(lost);
});

test.each([
  ['not registered', () => ({ clientId: site.clientId, redirectUri: 'https://evil.test/' })],
  ['without a client', () => ({ redirectUri: AFTERWARDS })],
  ['registered only for codes', () => ({ clientId: site.clientId, redirectUri: REDIRECT })],
])('never redirects to a URI that is %s: the user is asked, or is told so if signed out', async (_what, asked) => {
  expect(await verify(asked())).toMatchObject(lost);
  expect(await verify(asked(), '')).toMatchObject({ ...lost, kind: 'signed-out' });
});

test('the address of an unvetted client needs a click, unless the user in this browser consented to the client', async () => {
  const { client_id: clientId } = await selfRegisterClient(
    harness.ports,
    { redirect_uris: [REDIRECT], post_logout_redirect_uris: [AFTERWARDS], token_endpoint_auth_method: 'none' },
    anonymousCaller,
  );
  const asked = { clientId, redirectUri: AFTERWARDS };
  expect(await verify(asked, '')).toMatchObject({ kind: 'signed-out', location: AFTERWARDS, isDirect: false });
  expect(await verify(asked)).toMatchObject({ kind: 'ask', isDirect: false });
  await harness.codeFor(user, { clientId, caller: anonymousCaller });
  expect(await verify(asked)).toMatchObject({ kind: 'ask', location: AFTERWARDS, isDirect: true });
  expect(await verify(asked, (await harness.newUser()).cookie)).toMatchObject({ kind: 'ask', isDirect: false });
});

test('asks before it signs out by an ID token of this session with an address that is not registered', async () =>
  expect(await verify({ idTokenHint, redirectUri: 'https://evil.test/' })).toMatchObject(lost));

test('never redirects to a disabled client', async () => {
  const gone = await harness.newClient({ post_logout_redirect_uris: [AFTERWARDS] });
  await harness.rows`UPDATE oauth_clients SET disabled = true WHERE "clientId" = ${gone.clientId}`;
  await harness.ports.access.load();
  const asked = { clientId: gone.clientId };
  expect(await verify(asked)).toMatchObject({ kind: 'ask', client: undefined });
  expect(await verify({ ...asked, redirectUri: AFTERWARDS })).toMatchObject(lost);
});
