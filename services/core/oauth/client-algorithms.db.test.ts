import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose';
import { describe, expect, test } from 'vitest';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { validateToken } from '#tools/testing/harness/token.ts';
import { opened, partOf } from '#tools/testing/opened.ts';
import { updateClient } from '../access/manage-clients.ts';
import { answerTokenRequest, type TokenRequest } from './answer-token-request.ts';
import { codeHashOf } from './authorize/issue-code.ts';
import { admitDocumentClient } from './clients/admit-document-client.ts';
import { validateClientDocument } from './clients/client-document.ts';
import type { ReadDocument } from './clients/read-client-document.ts';
import { selfRegisterClient } from './clients/self-register-client.ts';
import type { OAuthTokenAnswer } from './finish-oauth-sign-in.ts';
import {
  anonymousCaller,
  challengeOf,
  type GrantClient,
  newVerifier,
  openGrantHarness,
  REDIRECT,
} from './grant-harness.ts';

const harness = opened(() => openGrantHarness({ env: { JWT_ADDITIONAL_ALGORITHMS: 'ES256' } }));
const ports = partOf(() => harness.ports);
const user = opened(() => harness.newUser());

type Algorithms = {
  readonly id_token_signed_response_alg?: string | null;
  readonly access_token_signed_response_alg?: string | null;
};

const ES256 = { id_token_signed_response_alg: 'ES256', access_token_signed_response_alg: 'ES256' } as const;
const algOf = (token: string | undefined): string | undefined => decodeProtectedHeader(token ?? '').alg;
const codeVerifier = newVerifier();
const newCode = (client: GrantClient): Promise<string> =>
  harness.codeFor(user, client, { code_challenge: challengeOf(codeVerifier) });
const ask = (client: GrantClient, input: TokenRequest): Promise<OAuthTokenAnswer> =>
  answerTokenRequest(ports, input, client.caller) as Promise<OAuthTokenAnswer>;
const redeem = (client: GrantClient, code: string): Promise<OAuthTokenAnswer> =>
  ask(client, { grant_type: 'authorization_code', code, code_verifier: codeVerifier, redirect_uri: REDIRECT });
const refresh = (client: GrantClient, refreshToken = ''): Promise<OAuthTokenAnswer> =>
  ask(client, { grant_type: 'refresh_token', refresh_token: refreshToken });
const signIn = async (client: GrantClient): Promise<OAuthTokenAnswer> => redeem(client, await newCode(client));
const verify = (token = '') => jwtVerify(token, createLocalJWKSet(JSON.parse(ports.keyRing.jwks().body)));
/** Writes algorithms that the settings once allowed. */
async function write(
  { clientId }: GrantClient,
  {
    id_token_signed_response_alg: idTokenAlgorithm = null,
    access_token_signed_response_alg: accessTokenAlgorithm = null,
  }: Algorithms,
) {
  await harness.rows`UPDATE oauth_clients SET id_token_signed_response_alg = ${idTokenAlgorithm},
    access_token_signed_response_alg = ${accessTokenAlgorithm} WHERE "clientId" = ${clientId}`;
  await ports.access.load();
}

describe('a client registered for algorithms', () => {
  test.each([
    [{}, 'RS256', 'RS256'],
    [ES256, 'ES256', 'ES256'],
    [{ id_token_signed_response_alg: 'ES256' }, 'ES256', 'RS256'],
    [{ access_token_signed_response_alg: 'ES256' }, 'RS256', 'ES256'],
  ] as const)('%o: its ID tokens are %s, its access tokens %s, refreshed ones too', async (algorithms, id, access) => {
    const client = await harness.newClient(algorithms);
    const tokens = await signIn(client);
    expect([algOf(tokens.id_token), algOf(tokens.access_token)]).toEqual([id, access]);
    await verify(tokens.id_token);
    await verify(tokens.access_token);
    const next = await refresh(client, tokens.refresh_token);
    expect(algOf(next.access_token)).toBe(access);
    expect(validateToken(ports, next.access_token)).toMatchObject({ active: true });
  });

  test('gets client-credentials tokens signed with its algorithm', async () => {
    const client = await harness.newClient({ ...ES256, grant_types: ['client_credentials'] });
    const { access_token } = await ask(client, { grant_type: 'client_credentials' });
    expect(algOf(access_token)).toBe('ES256');
    expect(validateToken(ports, access_token)).toMatchObject({ active: true });
  });

  test('keeps its tokens when it changes algorithm, and the next refresh has the new one', async () => {
    const client = await harness.newClient();
    const before = await signIn(client);
    const input = { client_id: client.clientId, ...ES256, reason: 'test' };
    await updateClient(ports, input, testCaller);
    expect(validateToken(ports, before.access_token)).toMatchObject({ active: true });
    const next = await refresh(client, before.refresh_token);
    expect(algOf(next.access_token)).toBe('ES256');
    expect(decodeJwt(next.access_token).fid).toBe(decodeJwt(before.access_token).fid);
    await updateClient(ports, { ...input, access_token_signed_response_alg: null }, testCaller);
    for (const { access_token } of [before, next])
      expect(validateToken(ports, access_token)).toMatchObject({ active: true });
    expect(algOf((await refresh(client, next.refresh_token)).access_token)).toBe('RS256');
  });
});

describe('a client registered for an algorithm that no key signs with any more', () => {
  const unavailable = {
    code: 'signing_unavailable',
    options: { detail: 'The client is registered for EdDSA, and no EdDSA key signs here.' },
  };

  test.each([
    ['ID tokens', { id_token_signed_response_alg: 'EdDSA' }],
    ['access tokens', { access_token_signed_response_alg: 'EdDSA' }],
  ])('gets no tokens of another algorithm, and keeps its code: %s', async (_what, algorithms) => {
    const client = await harness.newClient();
    const code = await newCode(client);
    await write(client, algorithms);
    await expect(redeem(client, code)).rejects.toMatchObject(unavailable);
    const families = 'SELECT 1 FROM refresh_families WHERE code_id = $1';
    expect(await harness.rows(families, [codeHashOf(code)])).toEqual([]);
    await write(client, {});
    expect(await redeem(client, code)).toHaveProperty('id_token');
  });

  test('does not use up its refresh token', async () => {
    const client = await harness.newClient();
    const { access_token, refresh_token } = await signIn(client);
    await write(client, { access_token_signed_response_alg: 'EdDSA' });
    await expect(refresh(client, refresh_token)).rejects.toMatchObject(unavailable);
    const generation = 'SELECT generation FROM refresh_families WHERE id = $1';
    expect(await harness.rows(generation, [decodeJwt(access_token).fid])).toEqual([{ generation: 0 }]);
    expect(validateToken(ports, access_token)).toMatchObject({ active: true });
    await write(client, {});
    expect(await refresh(client, refresh_token)).toHaveProperty('access_token');
  });
});

describe('a client that registers itself', () => {
  const register = (members: Record<string, unknown>) =>
    selfRegisterClient(ports, { redirect_uris: [REDIRECT], ...members }, anonymousCaller);

  test('is registered for the algorithms it names, and told so (RFC 7591 §3.2.1)', async () => {
    const named = { id_token_signed_response_alg: 'ES256', access_token_signed_response_alg: 'RS256' };
    const made = await register(named);
    expect(made).toMatchObject(named);
    expect(ports.access.client(made.client_id)).toMatchObject(named);
    expect(await register({})).not.toHaveProperty('id_token_signed_response_alg');
  });

  test.each([
    ['id_token_signed_response_alg', 'EdDSA'],
    ['access_token_signed_response_alg', 'PS256'],
    ['id_token_signed_response_alg', 'none'],
    ['access_token_signed_response_alg', 'HS256'],
  ])('is refused with the algorithms that are signed here: %s %s', async (member, algorithm) => {
    await expect(register({ [member]: algorithm })).rejects.toMatchObject({
      code: 'client_metadata_invalid',
      options: { detail: `${member} ${algorithm} is not signed here. Clients can be registered for: RS256, ES256.` },
    });
  });

  test('by its document is held to the same', async () => {
    const admit = (url: string, algorithm: string) => {
      const document = { client_id: url, redirect_uris: [REDIRECT], id_token_signed_response_alg: algorithm };
      const read = validateClientDocument(url, JSON.stringify(document), ports.clientSettings.scopes);
      harness.documents.set(url, { ...read, lifeSeconds: 600 } as ReadDocument);
      const query = harness.query({ clientId: url, caller: anonymousCaller });
      return admitDocumentClient(ports, { query, cookie: user.cookie }, anonymousCaller);
    };
    expect(await admit('https://refused.example/client.json', 'EdDSA')).toMatchObject({
      kind: 'page-error',
      why: expect.stringContaining('id_token_signed_response_alg EdDSA is not signed here.'),
    });
    const url = 'https://signed.example/client.json';
    expect(await admit(url, 'ES256')).toBeNull();
    expect(ports.access.client(url)).toMatchObject({
      id_token_signed_response_alg: 'ES256',
      access_token_signed_response_alg: null,
    });
    await harness.rows`UPDATE oauth_clients SET document_until = now() WHERE "clientId" = ${url}`;
    await ports.access.load();
    expect(await admit(url, 'RS256')).toBeNull();
    expect(ports.access.client(url)).toMatchObject({ id_token_signed_response_alg: 'RS256' });
  });
});
