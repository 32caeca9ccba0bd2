import { decodeJwt } from 'jose';
import { expect, test } from 'vitest';
import { newProofMaker } from '#tools/testing/fakes/dpop.ts';
import { opened, partOf } from '#tools/testing/opened.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { DEVICE_GRANT, TOKEN_EXCHANGE } from '../access/grant-shapes.ts';
import type { Caller } from '../ports.ts';
import { answerTokenRequest, type TokenRequest } from './answer-token-request.ts';
import { authorize } from './authorize/authorize.ts';
import { pushAuthorizationRequest } from './authorize/push-authorization-request.ts';
import { beginDeviceGrant } from './devices/begin-device-grant.ts';
import { answerDeviceGrant } from './devices/decide-device-grant.ts';
import type { OAuthTokenAnswer } from './finish-oauth-sign-in.ts';
import {
  anonymousCaller,
  challengeOf,
  type GrantClient,
  newVerifier,
  openGrantHarness,
  REDIRECT,
} from './grant-harness.ts';

const HTU = 'http://api.sallyport.test/oauth2/token';
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';
const certificate = 'x'.repeat(43);

const harness = opened(() => openGrantHarness());
const ports = partOf(() => harness.ports);
const user = opened(() => harness.newUser());
const site = opened(() => harness.newClient());
const service = opened(() =>
  harness.newClient({ grant_types: ['client_credentials', TOKEN_EXCHANGE], credential_scopes: ['openid'] }),
);

const ask = (input: TokenRequest, caller: Caller = site.caller, proof?: string) =>
  answerTokenRequest(ports, input, caller, proof === undefined ? undefined : { proof, htm: 'POST', htu: HTU });
const showing = (caller: Caller, shown: string | null): Caller => ({
  ...caller,
  request: { ...caller.request, certificate: shown },
});
const claimsOf = (answer: object) => {
  const { access_token } = answer as { access_token: string };
  return decodeJwt(access_token);
};
async function codeRequest(client: GrantClient): Promise<TokenRequest> {
  const code_verifier = newVerifier();
  const code = await harness.codeFor(user, client, { code_challenge: challengeOf(code_verifier) });
  return { grant_type: 'authorization_code', code, code_verifier, redirect_uri: REDIRECT, resource: '' };
}
const exchange = (changes: Partial<TokenRequest> = {}, caller: Caller = service.caller) =>
  ask(
    {
      grant_type: TOKEN_EXCHANGE,
      subject_token: user.tokens.access_token,
      subject_token_type: ACCESS_TOKEN,
      scope: 'openid',
      actor_token: '',
      ...changes,
    },
    caller,
  );
const refusedOf = ({ clientId }: GrantClient) =>
  harness.rows`SELECT detail->>'reason' AS reason FROM audit_outbox
    WHERE type = 'token.issued' AND outcome = 'refused' AND actor_id = ${clientId}`;

test('exchanges a code for a token pair, and its refresh token for the next pair', async () => {
  const first = await ask(await codeRequest(site));
  expect(claimsOf(first)).toMatchObject({ sub: user.id, client_id: site.clientId });
  const { refresh_token } = first as { refresh_token: string };
  const second = await ask({ grant_type: 'refresh_token', refresh_token });
  expect(claimsOf(second)).toMatchObject({ sub: user.id, fid: claimsOf(first).fid });
});

test('issues a client-credentials token to a client that authenticates with its secret', async () => {
  const answer = await ask({ grant_type: 'client_credentials' }, service.caller);
  expect(claimsOf(answer)).toMatchObject({ sub: service.clientId, client_id: service.clientId });
});

test('exchanges a device code after the user allowed the device', async () => {
  const tv = await harness.newClient({ auth_method: 'none', grant_types: [DEVICE_GRANT] });
  const input = { clientId: tv.clientId, scope: 'openid', resource: undefined };
  const { device_code, user_code } = await beginDeviceGrant(ports, input, anonymousCaller);
  await answerDeviceGrant(ports, { userCode: user_code, cookie: user.cookie, isAllowed: true }, anonymousCaller);
  const answer = await ask({ grant_type: DEVICE_GRANT, device_code, client_id: tv.clientId }, anonymousCaller);
  expect(claimsOf(answer)).toMatchObject({ sub: user.id, client_id: tv.clientId });
});

test('refuses an unknown grant type, and one that the client is not allowed', async () => {
  await expect(ask({ grant_type: 'password' })).rejects.toMatchObject({ code: 'grant_type_unsupported' });
  await expect(ask({ grant_type: DEVICE_GRANT })).rejects.toMatchObject({ code: 'grant_not_allowed' });
});

test.each(['authorization_code', 'refresh_token'])(
  '%s is refused without its required parameter, or with an empty one',
  async (grant_type) => {
    await expect(ask({ grant_type })).rejects.toMatchObject({ code: 'request_invalid' });
    await expect(ask({ grant_type, code: '', refresh_token: '' })).rejects.toMatchObject({ code: 'request_invalid' });
  },
);

test('a confidential client that sends no secret is unauthenticated, also with its code or refresh token (CVE-2026-53512, Better Auth: a stolen refresh token was accepted without the secret of its client)', async () => {
  const request = await codeRequest(site);
  const refused = { code: 'client_unauthenticated' };
  await expect(ask({ ...request, client_id: site.clientId }, anonymousCaller)).rejects.toMatchObject(refused);
  const { refresh_token } = (await ask(request)) as { refresh_token: string };
  const refresh = { grant_type: 'refresh_token', refresh_token };
  await expect(ask({ ...refresh, client_id: site.clientId }, anonymousCaller)).rejects.toMatchObject(refused);
  expect(await ask(refresh)).toHaveProperty('access_token');
});

test('an access token or an ID token refreshes nothing (CVE-2026-101023, Gitea: an access token was accepted as a refresh token)', async () => {
  const { access_token, id_token = '' } = (await ask(await codeRequest(site))) as OAuthTokenAnswer;
  for (const refresh_token of [access_token, id_token, user.tokens.access_token])
    expect(await outcomeOf(ask({ grant_type: 'refresh_token', refresh_token }))).toBe('refresh_token_invalid');
});

test('a single-use value of one kind is none of another kind (CVE-2026-4282, Keycloak: values of other kinds were accepted as authorization codes)', async () => {
  const client = await harness.newClient({ grant_types: ['authorization_code', DEVICE_GRANT] });
  const { code, code_verifier = '' } = await codeRequest(client);
  const form = { ...Object.fromEntries(new URLSearchParams(harness.query(client))) };
  const { request_uri } = await pushAuthorizationRequest(ports, form, client.caller);
  const input = { clientId: client.clientId, scope: 'openid', resource: undefined };
  const { device_code, user_code } = await beginDeviceGrant(ports, input, client.caller);
  await answerDeviceGrant(ports, { userCode: user_code, cookie: user.cookie, isAllowed: true }, anonymousCaller);

  const redeem = { grant_type: 'authorization_code', code_verifier, redirect_uri: REDIRECT };
  for (const other of [device_code, user_code, request_uri, request_uri.slice(-43)])
    expect(await outcomeOf(ask({ ...redeem, code: other }, client.caller))).toBe('authorization_code_invalid');
  for (const other of [code, user_code, request_uri.slice(-43)])
    await expect(ask({ grant_type: DEVICE_GRANT, device_code: other }, client.caller)).rejects.toMatchObject({
      code: 'device_code_invalid',
    });
  const query = new URLSearchParams({
    client_id: client.clientId,
    request_uri: `${request_uri.slice(0, -43)}${device_code}`,
  });
  expect(await authorize(ports, { query: query.toString(), cookie: user.cookie }, anonymousCaller)).toMatchObject({
    kind: 'page-error',
  });
  expect(await ask({ ...redeem, code }, client.caller)).toHaveProperty('access_token');
  expect(await ask({ grant_type: DEVICE_GRANT, device_code }, client.caller)).toHaveProperty('access_token');
});

test('a certificate-bound client needs a certificate, and its tokens are bound to it', async () => {
  const client = await harness.newClient({ tls_client_certificate_bound_access_tokens: true });
  const input = await codeRequest(client);
  await expect(ask(input, client.caller)).rejects.toMatchObject({ code: 'request_invalid' });
  expect(await outcomeOf(ask(input, showing(client.caller, null)))).toBe('client_certificate_unreadable');
  expect(claimsOf(await ask(input, showing(client.caller, certificate))).cnf).toEqual({ 'x5t#S256': certificate });
});

test('a DPoP-bound client needs a proof, which works once, and its tokens are bound to the key', async () => {
  const client = await harness.newClient({ dpop_bound_access_tokens: true });
  const input = await codeRequest(client);
  const proof = newProofMaker().proof('POST', HTU);
  await expect(ask(input, client.caller)).rejects.toMatchObject({ code: 'dpop_proof_invalid' });
  const answer = await ask(input, client.caller, proof);
  expect(answer).toMatchObject({ token_type: 'DPoP' });
  expect(claimsOf(answer).cnf).toEqual({ jkt: expect.stringMatching(/^[\w-]{43}$/) });
  expect(await outcomeOf(ask(await codeRequest(client), client.caller, proof))).toBe('dpop_proof_invalid');
});

test('a malformed refresh token does not consume the proof', async () => {
  const proof = newProofMaker().proof('POST', HTU);
  const rubbish = { grant_type: 'refresh_token', refresh_token: 'rubbish' };
  await expect(ask(rubbish, site.caller, proof)).rejects.toMatchObject({ code: 'refresh_token_invalid' });
  expect(await ask(await codeRequest(site), site.caller, proof)).toMatchObject({ token_type: 'DPoP' });
});

test('a service exchanges the token it received for one with less scope, which names the service and is audited', async () => {
  const answer = await exchange();
  expect(answer).toMatchObject({ issued_token_type: ACCESS_TOKEN, token_type: 'Bearer', scope: 'openid' });
  const claims = claimsOf(answer);
  expect(claims).toMatchObject({ sub: user.id, client_id: service.clientId, act: { sub: service.clientId } });
  const issued = `SELECT detail FROM audit_outbox WHERE type = 'token.issued' AND target_id = $1`;
  expect(await harness.rows(issued, [claims.jti])).toMatchObject([
    { detail: { grant: 'token_exchange', user_id: user.id, of: claimsOf(user.tokens).jti, scope: 'openid' } },
  ]);
});

test.each([
  ['no token', { subject_token: '' }],
  ['a token of another type', { subject_token_type: 'urn:ietf:params:oauth:token-type:saml2' }],
  ['a request for a token of another type', { requested_token_type: 'urn:ietf:params:oauth:token-type:id_token' }],
  ['an actor other than the client', { actor_token: 'a' }],
])('an exchange is refused: %s', async (_what, changes) => {
  await expect(exchange(changes)).rejects.toMatchObject({ code: 'request_invalid' });
});

test('a refused exchange writes an event with its reason', async () => {
  const own = await harness.newClient({ grant_types: [TOKEN_EXCHANGE] });
  expect(await outcomeOf(exchange({ subject_token: 'no.token.here' }, own.caller))).toBe('subject_token_invalid');
  expect(await refusedOf(own)).toEqual([{ reason: 'subject_token_invalid' }]);
});

test('a public client cannot exchange tokens', async () => {
  const app = await harness.newClient({ auth_method: 'none', grant_types: [TOKEN_EXCHANGE] });
  expect(await outcomeOf(exchange({ client_id: app.clientId }, anonymousCaller))).toBe('client_unauthenticated');
});
