import { describe, expect, test } from 'vitest';
import { clientOperations } from './client-operations.ts';
import { clientRecord } from './client-record.ts';
import type { ClientView } from './clients-contract.ts';

const plain: ClientView = {
  ...(clientRecord.withInitial({ name: 'App', grant_types: [] }) as unknown as ClientView),
  client_id: 'app',
  auth_method: 'none',
  jwks: null,
  jwks_uri: null,
  has_logo: false,
  disabled: false,
  built_in: false,
  origin: 'admin',
  previous_secret_until: null,
  created_at: null,
  updated_at: null,
};
const full: ClientView = {
  ...plain,
  auth_method: 'private_key_jwt',
  jwks: { keys: [{ kty: 'EC', kid: 'first' }, { kty: 'RSA' }] },
  jwks_uri: 'https://app.example/keys',
  workload: { issuer: 'https://tokens.example', subject: 'repo:org/app:*' },
  identity_assertions: {
    accepts: [{ issuer: 'https://idp.example', jwks_uri: 'https://idp.example/keys', provider: 'work' }],
    issues: [{ issuer: 'https://chat.example', client_id: 'c', scopes: [] }],
  },
  tls_client_auth_san_dns: 'app.example',
  certificate_thumbprints: ['print'],
  grant_types: ['authorization_code'],
  scopes: ['openid'],
  credential_scopes: ['keys:read'],
  redirect_uris: ['https://app.example/cb'],
  post_logout_redirect_uris: ['https://app.example/bye'],
  backchannel_logout_uri: 'https://app.example/out',
  backchannel_client_notification_endpoint: 'https://app.example/ping',
  audiences: ['https://api.example'],
  dpop_bound_access_tokens: true,
  id_token_signed_response_alg: 'ES256',
  access_token_signed_response_alg: 'RS256',
  id_token_claims: ['email', 'name'],
  has_logo: true,
  disabled: true,
  origin: 'registration',
};

type Command = {
  readonly options?: Readonly<Record<string, { readonly default?: (members: object) => unknown }>>;
  line?(client: ClientView): string;
  lines?(client: object): readonly string[];
  asks?(input: object, about: object | undefined): string;
};
const commandOf = (name: string) =>
  clientOperations.find(({ endpoint }) => endpoint.operation === name)?.command as unknown as Command;

describe('a client on a terminal', () => {
  test('has one line in a list, with its origin unless an administrator registered it', () => {
    const { line } = commandOf('listClients');
    expect(line?.(plain)).toBe('app  enabled   none  no grants  App');
    expect(line?.(full)).toBe('app  disabled  private_key_jwt  authorization_code  (registration)  App');
  });

  test('without anything says what that means', () =>
    expect(commandOf('readClient').lines?.(plain)).toEqual([
      'app  enabled   none  no grants  App',
      'scopes none  client credentials none',
      'audiences the installation only',
      'ID tokens with the default algorithm  access tokens with the default algorithm',
      'DPoP-bound no  certificate-bound no  pushes requests no  PKCE required  refresh rotation on  refresh copies 0 s  profile default',
    ]));

  test('with everything shows all of it', () =>
    expect(commandOf('updateClient').lines?.(full)).toEqual([
      'app  disabled  private_key_jwt  authorization_code  (registration)  App',
      'scopes openid  client credentials keys:read',
      'audiences https://api.example',
      'keys first, RSA without kid',
      'keys from https://app.example/keys',
      'tokens of https://tokens.example for repo:org/app:*',
      'users of https://idp.example (work)',
      'assertions for https://chat.example as c',
      'tls_client_auth_san_dns app.example',
      'certificate print',
      'redirects to https://app.example/cb',
      'after sign-out to https://app.example/bye',
      'logout tokens to https://app.example/out',
      'pings to https://app.example/ping',
      'has a logo',
      'ID tokens ES256  access tokens RS256  ID tokens say email, name',
      'DPoP-bound yes  certificate-bound no  pushes requests no  PKCE required  refresh rotation on  refresh copies 0 s  profile default',
    ]));

  test('shows a new secret once, and none where there is none', () => {
    for (const name of ['createClient', 'rotateClientSecret']) {
      expect(commandOf(name).lines?.({ ...plain, client_secret: null })).toHaveLength(1);
      expect(commandOf(name).lines?.({ ...plain, client_secret: 's' })[1]).toBe('secret  s  (shown only once)');
    }
    for (const name of ['disableClient', 'enableClient']) expect(commandOf(name).lines?.(plain)).toHaveLength(1);
  });
});

test('a question names the client', () => {
  expect(commandOf('createClient').asks?.({ name: 'App' }, undefined)).toBe('register the client App');
  expect(
    ['updateClient', 'disableClient', 'enableClient', 'deleteClient'].map((name) => commandOf(name).asks?.({}, plain)),
  ).toEqual(['change App', 'disable App', 'enable App', 'delete App']);
});

test('the question before a rotation says what becomes of what the old secret made', () => {
  const asks = (overlap: number) => commandOf('rotateClientSecret').asks?.({ overlap_seconds: overlap }, plain);
  expect(asks(86_400)).toMatch(/^replace the secret of App: .* stay valid, and --overlap 0 ends them$/);
  expect(asks(0)).toMatch(/^replace the secret of App: .* end at once$/);
});

test('a client with an address that gets codes is for users; any other acts for itself', () => {
  const grants = commandOf('createClient').options?.grant_types?.default;
  expect(grants?.({ redirect_uris: ['https://app.example/cb'] })).toEqual(['authorization_code']);
  expect(grants?.({})).toEqual(['client_credentials']);
});
