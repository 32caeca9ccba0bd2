import { decodeJwt } from 'jose';
import { describe, expect, test } from 'vitest';
import { newAssertionMaker } from '#tools/testing/fakes/assertions.ts';
import { newProofMaker } from '#tools/testing/fakes/dpop.ts';
import { verdictOn } from '#tools/testing/flows/flows.ts';
import { newSignedIn } from '#tools/testing/flows/signed-in.ts';
import { API_URL } from '#tools/testing/harness/api.ts';
import {
  ALLOW,
  browserOf,
  challengeOf,
  codeForm,
  LOOPBACK_REDIRECT,
  newVerifier,
} from '#tools/testing/harness/oauth.ts';
import { type Json, type Received, send } from '#tools/testing/http-client.ts';
import { opened, partOf } from '#tools/testing/opened.ts';
import { openAdminHarness, reason } from './admin-harness.ts';

const harness = opened(() => openAdminHarness());
const api = partOf(() => harness.copy);
const user = opened(() => newSignedIn(api));

const maker = newAssertionMaker();
const proofs = newProofMaker();
const verifier = newVerifier();

type Form = Readonly<Record<string, string>>;

const register = async (members: Json): Promise<Json> => {
  const made = await harness.byAdmin('POST', '/v1/admin/clients', {
    name: 'Bank',
    grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
    scopes: ['openid', 'email'],
    redirect_uris: [LOOPBACK_REDIRECT],
    reason,
    ...members,
  });
  expect(made.status, made.text).toBe(201);
  return made.body;
};
const fapi = (members: Json = {}) => register({ profile: 'fapi2', jwks: { keys: [maker.jwk] }, ...members });
const change = (clientId: string, members: Json) =>
  harness.byAdmin('PATCH', `/v1/admin/clients/${clientId}`, { ...members, reason });

/** A request as the client signs it, with a proof unless there is to be none. */
async function ask(clientId: string, path: string, form: Form, proof: string | null = ''): Promise<Received> {
  const headers: Record<string, string> =
    proof === null ? {} : { dpop: proof === '' ? proofs.proof('POST', `${API_URL}${path}`) : proof };
  return send(api.url, 'POST', path, { headers, form: { ...form, ...(await maker.form(clientId, API_URL)) } });
}

const request = (members: Form = {}): Record<string, string> => ({
  redirect_uri: LOOPBACK_REDIRECT,
  response_type: 'code',
  scope: 'openid email',
  code_challenge: challengeOf(verifier),
  code_challenge_method: 'S256',
  ...members,
});

async function codeOf(clientId: string): Promise<{ code: string; iss: string | null }> {
  const pushed = await ask(clientId, '/oauth2/par', request());
  expect(pushed.status, pushed.text).toBe(201);
  const query = new URLSearchParams({ client_id: clientId, request_uri: pushed.body.request_uri });
  const browser = browserOf(api, user);
  let shown = await browser.open(`/oauth2/authorize?${query}`);
  if (shown.leftFor === null) shown = await browser.submit(shown, ALLOW);
  const answer = shown.leftFor?.searchParams;
  return { code: answer?.get('code') ?? '', iss: answer?.get('iss') ?? null };
}

async function tokensOf(clientId: string): Promise<Json> {
  const { code } = await codeOf(clientId);
  const { status, body, text } = await ask(clientId, '/oauth2/token', codeForm(code, verifier));
  expect(status, text).toBe(200);
  return body;
}

const REQUIRED = {
  profile: 'fapi2',
  auth_method: 'private_key_jwt',
  pkce: 'required',
  refresh_rotation: 'off',
  require_pushed_authorization_requests: true,
  dpop_bound_access_tokens: true,
  tls_client_certificate_bound_access_tokens: false,
};

describe('a client of the profile fapi2', () => {
  test('has by that one word all that the profile requires, recorded in the audit log', async () => {
    const client = await fapi();
    expect(client).toMatchObject({ ...REQUIRED, client_secret: null });
    expect(await harness.events('client.created', client.client_id)).toMatchObject([
      { detail: { profile: 'fapi2', refresh_rotation: 'off', reason } },
    ]);
    for (const members of [
      { profile: 'fapi2' },
      { profile: 'fapi2', auth_method: 'client_secret_basic' },
      { profile: 'fapi2', auth_method: 'none' },
      { profile: 'fapi2', jwks: { keys: [maker.jwk] }, pkce: 'optional' },
      { profile: 'fapi2', jwks: { keys: [maker.jwk] }, refresh_rotation: 'on' },
      { profile: 'fapi2', jwks: { keys: [maker.jwk] }, require_pushed_authorization_requests: false },
      { profile: 'fapi2', jwks: { keys: [maker.jwk] }, dpop_bound_access_tokens: false },
    ]) {
      const body = { name: 'Bank', grant_types: [], reason, ...members };
      const refused = await harness.byAdmin('POST', '/v1/admin/clients', body);
      expect([refused.status, refused.body.code]).toEqual([
        400,
        expect.stringMatching(/^client_(settings_conflict|keys_invalid)$/),
      ]);
    }
  });

  test('signs a user in: pushed request, code with iss, bound tokens, and a refresh token that stays', async () => {
    const { client_id: clientId } = await fapi();
    const { code, iss } = await codeOf(clientId);
    expect([code, iss]).toEqual([expect.stringMatching(/^[\w-]{43}$/), API_URL]);
    const unproved = await ask(clientId, '/oauth2/token', codeForm(code, verifier), null);
    expect([unproved.status, unproved.body.error]).toEqual([400, 'invalid_dpop_proof']);
    const { body } = await ask(clientId, '/oauth2/token', codeForm(code, verifier));
    expect([body.token_type, decodeJwt(body.access_token).cnf]).toEqual(['DPoP', { jkt: expect.any(String) }]);
    const refresh = { grant_type: 'refresh_token', refresh_token: body.refresh_token };
    for (let turn = 0; turn < 2; turn += 1) {
      const again = await ask(clientId, '/oauth2/token', refresh);
      expect([again.status, again.body.refresh_token], again.text).toEqual([200, body.refresh_token]);
    }
    const own = await ask(clientId, '/oauth2/token', { grant_type: 'client_credentials' }, null);
    expect([own.status, own.body.error]).toEqual([400, 'invalid_dpop_proof']);
  });

  test('is refused what the profile excludes', async () => {
    const { client_id: clientId } = await fapi();
    const query = new URLSearchParams({ client_id: clientId, ...request() });
    const direct = await browserOf(api, user).open(`/oauth2/authorize?${query}`);
    expect(Object.fromEntries(direct.leftFor?.searchParams ?? [])).toMatchObject({
      error: 'invalid_request',
      iss: API_URL,
    });
    for (const members of [{ code_challenge: '' }, { code_challenge_method: 'plain' }] as Form[]) {
      const pushed = await ask(clientId, '/oauth2/par', request(members));
      expect([pushed.status, pushed.body.error]).toEqual([400, 'invalid_request']);
    }
    const unsigned = await send(api.url, 'POST', '/oauth2/par', { form: { ...request(), client_id: clientId } });
    expect([unsigned.status, unsigned.body.error]).toEqual([401, 'invalid_client']);
    const rsaProof = newProofMaker('RS256').proof('POST', `${API_URL}/oauth2/par`);
    const proved = await ask(clientId, '/oauth2/par', request(), rsaProof);
    expect([proved.status, proved.body.error]).toEqual([400, 'invalid_dpop_proof']);
  });

  test('signs its assertions by PS256, ES256 or EdDSA, not by RS256', async () => {
    const signers = (['PS256', 'EdDSA', 'RS256'] as const).map((alg) => newAssertionMaker(alg));
    const { client_id: clientId } = await fapi({ jwks: { keys: signers.map(({ jwk }) => jwk) } });
    const statuses: number[] = [];
    for (const signer of signers) {
      const form = { ...request(), ...(await signer.form(clientId, API_URL)) };
      statuses.push((await send(api.url, 'POST', '/oauth2/par', { form })).status);
    }
    expect(statuses).toEqual([201, 201, 401]);
  });
});

describe('a client that moves between profiles', () => {
  const refreshes = async (clientId: string, refreshToken: string) =>
    (await ask(clientId, '/oauth2/token', { grant_type: 'refresh_token', refresh_token: refreshToken })).status;

  test('to fapi2: unbound tokens and waiting codes end, and its secret is refused', async () => {
    const client = await register({});
    const basic = { client_id: client.client_id, client_secret: client.client_secret };
    const browser = browserOf(api, user);
    const query = new URLSearchParams({ client_id: client.client_id, ...request() });
    let shown = await browser.open(`/oauth2/authorize?${query}`);
    shown = await browser.submit(shown, ALLOW);
    const form = codeForm(shown.leftFor?.searchParams.get('code') as string, verifier);
    const { body: tokens } = await send(api.url, 'POST', '/oauth2/token', { form, basic });
    const waiting = (await browser.open(`/oauth2/authorize?${query}`)).leftFor?.searchParams.get('code') as string;
    expect(await verdictOn({ api: api.url }, tokens.access_token)).toBe('active');

    const moved = await change(client.client_id, {
      profile: 'fapi2',
      auth_method: 'private_key_jwt',
      jwks: { keys: [maker.jwk] },
    });
    expect([moved.status, moved.body], moved.text).toEqual([200, expect.objectContaining(REQUIRED)]);
    expect(await verdictOn({ api: api.url }, tokens.access_token)).toBe('revoked');
    expect(await refreshes(client.client_id, tokens.refresh_token)).toBe(400);
    const late = await ask(client.client_id, '/oauth2/token', codeForm(waiting, verifier));
    expect([late.status, late.body.error]).toEqual([400, 'invalid_grant']);
    const bySecret = await send(api.url, 'POST', '/oauth2/token', {
      form: { grant_type: 'client_credentials' },
      basic,
    });
    expect(bySecret.status).toBe(401);
    expect((await tokensOf(client.client_id)).token_type).toBe('DPoP');
    expect(await harness.events('client.changed', client.client_id)).toContainEqual(
      expect.objectContaining({ detail: expect.objectContaining({ profile: 'fapi2' }) }),
    );
  });

  test('away from fapi2: tokens stay bound and are refreshed, and settings stay until they are changed', async () => {
    const { client_id: clientId } = await fapi();
    const tokens = await tokensOf(clientId);
    for (const members of [
      { pkce: 'optional' },
      { refresh_rotation: 'on' },
      { require_pushed_authorization_requests: false },
      { dpop_bound_access_tokens: false },
      { auth_method: 'client_secret_basic' },
    ]) {
      const refused = await change(clientId, members);
      expect([refused.status, refused.body.code]).toEqual([400, 'client_settings_conflict']);
    }
    const { profile: _profile, ...kept } = REQUIRED;
    const moved = await change(clientId, { profile: 'default' });
    expect([moved.status, moved.body], moved.text).toEqual([
      200,
      expect.objectContaining({ ...kept, profile: 'default' }),
    ]);
    expect(await refreshes(clientId, tokens.refresh_token)).toBe(200);
    const unproved = await ask(clientId, '/oauth2/token', { grant_type: 'client_credentials' }, null);
    expect(unproved.body.error, 'still bound').toBe('invalid_dpop_proof');
    const relaxed = await change(clientId, { refresh_rotation: 'on', dpop_bound_access_tokens: false });
    expect(relaxed.status, relaxed.text).toBe(200);
    expect(await refreshes(clientId, tokens.refresh_token), 'by its key as before').toBe(200);
  });
});
