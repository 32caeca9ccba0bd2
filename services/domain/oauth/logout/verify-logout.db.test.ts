import { afterAll, beforeAll, expect, test } from 'vitest';
import type { TestUser } from '#testing/flows/flows.ts';
import { logIn } from '#testing/flows/signed-in.ts';
import {
  challengeOf,
  type GrantClient,
  type GrantHarness,
  newVerifier,
  openGrantHarness,
  REDIRECT,
} from '../grant-harness.ts';
import { redeemCode } from '../redeem-code.ts';
import { type LogoutRequest, verifyLogout } from './verify-logout.ts';

const AFTERWARDS = 'https://app.example.test/bye';
let harness: GrantHarness;
let user: TestUser;
let site: GrantClient;
/** An ID token of the site for the user's session. */
let idTokenHint: string;
beforeAll(async () => {
  harness = await openGrantHarness();
  user = await harness.newUser();
  site = await harness.newClient({ postLogoutRedirectUris: [AFTERWARDS] });
  const codeVerifier = newVerifier();
  const code = await harness.codeFor(user, site, { code_challenge: challengeOf(codeVerifier) });
  const client = { clientId: site.clientId, isAuthenticated: true };
  const input = { code, codeVerifier, client, redirectUri: REDIRECT, resource: undefined, keys: {} };
  idTokenHint = (await redeemCode(harness.ports, input, site.caller)).id_token as string;
});
afterAll(() => harness?.close());

const judge = (asked: Partial<LogoutRequest>, cookie: string | undefined = user.cookie) =>
  verifyLogout(
    harness.ports,
    { idTokenHint: undefined, clientId: undefined, redirectUri: undefined, state: undefined, ...asked },
    cookie,
  );

test('whoever shows an ID token of this very session signs it out unasked, and sends people on with their state', async () => {
  const step = await judge({ idTokenHint, redirectUri: AFTERWARDS, state: 'a b' });
  expect(step).toMatchObject({
    kind: 'sign-out',
    client: { clientId: site.clientId },
    location: `${AFTERWARDS}?state=a+b`,
  });
});

test('an ID token of another session of the same user asks first', async () => {
  const { cookie } = await logIn(harness, user.id);
  expect(await judge({ idTokenHint }, cookie)).toMatchObject({ kind: 'ask', client: { clientId: site.clientId } });
});

test('an ID token of somebody else asks first', async () => {
  const { cookie, id } = await harness.newUser();
  expect(await judge({ idTokenHint }, cookie)).toMatchObject({ kind: 'ask', live: { user: { id } } });
});

test.each([
  ['nothing', {}],
  ['a hint that is none', { idTokenHint: 'no token' }],
])('a page that shows %s asks first, and leads nowhere', async (_what, asked) => {
  expect(await judge(asked)).toMatchObject({ kind: 'ask', client: undefined, location: null });
});

test('where nobody is signed in there is nothing to ask; the address is good for its client', async () => {
  const step = await judge({ clientId: site.clientId, redirectUri: AFTERWARDS }, '');
  expect(step).toMatchObject({ kind: 'signed-out', client: { clientId: site.clientId }, location: AFTERWARDS });
});

test('a hint to one client in the name of another is told to the user alone', async () => {
  const rival = await harness.newClient();
  expect(await judge({ idTokenHint, clientId: rival.clientId })).toMatchObject({ kind: 'page-error' });
});

test.each([
  ['not registered', () => ({ clientId: site.clientId, redirectUri: 'https://evil.test/' })],
  ['of nobody', () => ({ redirectUri: AFTERWARDS })],
  ['where codes go', () => ({ clientId: site.clientId, redirectUri: REDIRECT })],
])('nobody is sent on to an address that is %s', async (_what, asked) => {
  expect(await judge(asked())).toMatchObject({ kind: 'page-error' });
});

test('a client that was disabled sends nobody on', async () => {
  const gone = await harness.newClient({ postLogoutRedirectUris: [AFTERWARDS] });
  await harness.rows('UPDATE oauth_clients SET disabled = true WHERE "clientId" = $1', [gone.clientId]);
  await harness.ports.access.load();
  const asked = { clientId: gone.clientId };
  expect(await judge(asked)).toMatchObject({ kind: 'ask', client: undefined });
  expect(await judge({ ...asked, redirectUri: AFTERWARDS })).toMatchObject({ kind: 'page-error' });
});
