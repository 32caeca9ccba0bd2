import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createClient } from '#services/core/access/create-client.ts';
import { issueFor } from '#tools/testing/flows/flows.ts';
import { API_URL, type ApiCopy } from '#tools/testing/harness/api.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import type { ClientCredentials } from '#tools/testing/http-client.ts';
import { type Received, send } from '#tools/testing/http-client.ts';
import { openServiceHarness, type ServiceHarness } from './oauth-service-harness.ts';

let harness: ServiceHarness;
let api: ApiCopy;
let service: ClientCredentials;
let bystander: ClientCredentials;
beforeAll(async () => {
  harness = await openServiceHarness();
  ({ api, service, bystander } = harness);
});
afterAll(() => harness?.close());

const revoke = (value: string, client: ClientCredentials): Promise<Received> =>
  harness.postForm('/oauth2/revoke', { token: value }, client);

describe('introspection', () => {
  const inactive = (answer: { status: number; body: unknown }) =>
    expect([answer.status, answer.body]).toEqual([200, { active: false }]);

  test('only an authenticated client with tokens:introspect may introspect', async () => {
    const { tokens } = await harness.newUser();
    const bare = await harness.postForm('/oauth2/introspect', { token: tokens.access_token });
    expect([bare.status, bare.body.error]).toEqual([401, 'invalid_client']);
    const named = await harness.postForm('/oauth2/introspect', { token: tokens.access_token, client_id: 'sallyport' });
    expect(named.status).toBe(401);
    expect((await harness.introspect(tokens.access_token, bystander)).status).toBe(403);
  });

  test('an active access token returns its claims (RFC 7662 §2.2)', async () => {
    const { tokens, id: userId } = await harness.newUser();
    const { status, headers, body } = await harness.introspect(tokens.access_token);
    expect(status).toBe(200);
    expect(headers.get('cache-control')).toBe('no-store');
    expect(body).toMatchObject({
      active: true,
      token_type: 'Bearer',
      sub: userId,
      client_id: 'sallyport',
      iss: API_URL,
    });
    expect(body).toMatchObject(decodeJwt(tokens.access_token));
  });

  test('a token for another audience, an invalid one and another issuer’s are exactly {"active":false}', async () => {
    const elsewhere = (await harness.credentials({ resource: 'https://elsewhere.test' })).body.access_token;
    const resource = async (audiences: readonly string[]): Promise<ClientCredentials> => {
      const credentialScopes = ['tokens:introspect'];
      const input = {
        name: 'resource',
        grant_types: ['client_credentials'],
        credential_scopes: credentialScopes,
        audiences,
      };
      const made = await createClient(api.ports, input, testCaller);
      await api.ports.access.load();
      return { client_id: made.clientId, client_secret: made.clientSecret as string };
    };
    const foreign = await resource(['https://elsewhere.test/other', 'https://elsewhere']);
    for (const asker of [foreign, service]) inactive(await harness.introspect(elsewhere, asker));
    // RFC 7662 §4: the token's audience may introspect it.
    const named = await resource(['https://elsewhere.test']);
    expect((await harness.introspect(elsewhere, named)).body).toMatchObject({
      active: true,
      aud: 'https://elsewhere.test',
    });
    const { id } = await harness.newUser();
    const pair = await issueFor({ api: api.url, credentials: { client: service } }, id, {
      audience: 'https://elsewhere.test',
    });
    for (const asker of [foreign, service]) inactive(await harness.introspect(pair.refresh_token, asker));
    expect((await harness.introspect(pair.refresh_token, named)).body).toMatchObject({ active: true, sub: id });
    inactive(await harness.introspect('rubbish'));
    inactive(await harness.introspect(`sp_rt_1.${'A'.repeat(22)}.0.${'A'.repeat(43)}.${'A'.repeat(43)}`));
  });

  test('a refresh token is active until used, and introspection does not rotate it', async () => {
    const { tokens, id: userId } = await harness.newUser();
    for (let turn = 0; turn < 2; turn += 1) {
      const { body } = await harness.introspect(tokens.refresh_token);
      expect(body).toMatchObject({ active: true, sub: userId, client_id: 'sallyport' });
      expect(body).not.toHaveProperty('token_type');
    }
    const refreshed = await send(api.url, 'POST', '/v1/tokens/refresh', {
      json: { refresh_token: tokens.refresh_token },
    });
    expect(refreshed.status).toBe(200);
    inactive(await harness.introspect(tokens.refresh_token));
    expect((await harness.introspect(refreshed.body.refresh_token)).body.active).toBe(true);
  });

  test('revoked tokens are inactive', async () => {
    const { tokens, sessionId } = await harness.newUser();
    const admin = await harness.newClient(['tokens:revoke']);
    const json = { session_id: sessionId, reason: 'test' };
    await send(api.url, 'POST', '/v1/tokens/revoke', { basic: admin, json });
    inactive(await harness.introspect(tokens.access_token));
    inactive(await harness.introspect(tokens.refresh_token));
  });
});

describe('revocation (RFC 7009)', () => {
  test('an unknown token is 200 with no body; GET is 405; an anonymous request is 401', async () => {
    const unknown = await revoke('rubbish', service);
    expect([unknown.status, unknown.body]).toEqual([200, undefined]);
    expect((await send(api.url, 'GET', '/oauth2/revoke?token=x')).status).toBe(405);
    expect((await harness.postForm('/oauth2/revoke', { token: 'x' })).status).toBe(401);
  });

  test('another client’s tokens are refused and stay active', async () => {
    const pair = await harness.pairOfService();
    for (const value of [pair.access_token, pair.refresh_token]) {
      const refused = await revoke(value, bystander);
      expect([refused.status, refused.body.code]).toEqual([400, 'token_of_another_client']);
    }
    expect((await harness.introspect(pair.access_token)).body.active).toBe(true);
    expect((await harness.introspect(pair.refresh_token)).body.active).toBe(true);
  });

  test('revoking a refresh token revokes its access tokens; revoking an access token leaves the family valid', async () => {
    const pair = await harness.pairOfService();
    expect((await revoke(pair.access_token, service)).status).toBe(200);
    expect((await harness.introspect(pair.access_token)).body).toEqual({ active: false });
    const next = await harness.token({ grant_type: 'refresh_token', refresh_token: pair.refresh_token }, service);
    expect(next.status).toBe(200);
    expect((await revoke(next.body.refresh_token, service)).status).toBe(200);
    expect((await harness.introspect(next.body.access_token)).body).toEqual({ active: false });
    expect(
      (await harness.token({ grant_type: 'refresh_token', refresh_token: next.body.refresh_token }, service)).body
        .error,
    ).toBe('invalid_grant');
    expect((await revoke(next.body.refresh_token, service)).status).toBe(200);
  });

  test('a public client revokes its token family by its client id', async () => {
    const { tokens } = await harness.newUser();
    const form = { token: tokens.refresh_token, client_id: 'sallyport', token_type_hint: 'refresh_token' };
    expect((await harness.postForm('/oauth2/revoke', form)).status).toBe(200);
    expect((await harness.introspect(tokens.access_token)).body).toEqual({ active: false });
  });
});
