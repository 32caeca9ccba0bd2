import { expect, test } from 'vitest';
import type { HasAccess } from './access-directory.ts';
import { assertCodesCanReach, assertScopesSpelt } from './assert-usable.ts';

const published = ['email', 'notes:read', 'offline_access', 'openid', 'profile', 'users:read'];
const ports = { access: { publishedScopes: () => published } } as unknown as HasAccess;
const problems = (members: Parameters<typeof assertScopesSpelt>[1]) => {
  try {
    assertScopesSpelt(ports, members);
    return [];
  } catch (err) {
    return (err as { options: { problems: unknown[] } }).options.problems;
  }
};

test('a misspelt scope of OpenID Connect is refused with the nearest name and its place', () =>
  expect(problems({ scopes: ['email', 'opnid'], credential_scopes: ['profil'] })).toEqual([
    { at: 'body/scopes/1', why: '"opnid" is no scope: did you mean openid?' },
    { at: 'body/credential_scopes/0', why: '"profil" is no scope: did you mean profile?' },
  ]));

test.each([
  ['known scopes', { scopes: ['openid', 'email', 'users:read'] }],
  ['permissions that are not declared yet, however near to others', { scopes: ['user:read', 'note:read'] }],
  ['scopes of another audience', { scopes: ['invoices', 'open'] }],
  ['no change of scopes', {}],
])('%s are accepted', (_what, members) => expect(problems(members)).toEqual([]));

test('a client that requests codes needs an address to send them to', () => {
  const refused = expect.objectContaining({ code: 'client_settings_conflict' });
  expect(() => assertCodesCanReach({ grant_types: ['authorization_code'], redirect_uris: [] })).toThrow(refused);
  assertCodesCanReach({ grant_types: ['authorization_code'], redirect_uris: ['https://app.example.test/back'] });
  assertCodesCanReach({ grant_types: ['client_credentials'], redirect_uris: [] });
});
