import { expect, test } from 'vitest';
import { certificatesResult, clientsResult } from './clients.ts';

test('passes while every client must use PKCE', () =>
  expect(clientsResult({ clients: 3, without_pkce: [], fapi_with_rs256: [] })).toEqual({
    result: 'pass',
    evidence: '3 registered, PKCE required of all',
  }));

test.each([
  [['a', 'b'], 'PKCE optional for a, b'],
  [['a', 'b', 'c', 'd', 'e', 'f', 'g'], 'PKCE optional for a, b, c, d, e and 2 more'],
])('names the clients that may do without PKCE, and how to require it: %j', (withoutPkce, evidence) => {
  expect(clientsResult({ clients: 9, without_pkce: withoutPkce, fapi_with_rs256: [] })).toEqual({
    result: 'warn',
    evidence: `9 registered, ${evidence}`,
    fix: expect.stringContaining('clients update a --pkce required'),
  });
});

test('names clients of the profile fapi2 whose tokens are signed with RS256, beside those without PKCE', () => {
  const fapiWithRs256 = ['bank', 'b', 'c', 'd', 'e', 'f'];
  expect(clientsResult({ clients: 9, without_pkce: ['a'], fapi_with_rs256: fapiWithRs256 })).toEqual({
    result: 'warn',
    evidence: '9 registered, FAPI 2.0 tokens signed with RS256 for bank, b, c, d, e and 1 more, PKCE optional for a',
    fix: expect.stringContaining('clients update bank --profile fapi2'),
  });
});

const both = { isForwarded: true, hasAuthorities: true };

test('passes without clients that authenticate by certificate, and with them while both settings are there', () => {
  const none = { by_name: 0, by_certificate: 0 };
  expect(certificatesResult(none, { isForwarded: false, hasAuthorities: false }).result).toBe('pass');
  expect(certificatesResult({ by_name: 1, by_certificate: 2 }, both)).toEqual({
    result: 'pass',
    evidence: '3 clients authenticate by certificate',
  });
  expect(certificatesResult({ by_name: 0, by_certificate: 2 }, { ...both, hasAuthorities: false }).result).toBe('pass');
});

test('warns of clients that cannot authenticate, and names the setting that is missing', () => {
  const facts = { by_name: 1, by_certificate: 2 };
  expect(certificatesResult(facts, { isForwarded: false, hasAuthorities: false })).toMatchObject({
    result: 'warn',
    evidence: expect.stringContaining('3 clients'),
    fix: expect.stringContaining('CLIENT_CERT_HEADER'),
  });
  expect(certificatesResult(facts, { ...both, hasAuthorities: false })).toMatchObject({
    result: 'warn',
    evidence: expect.stringContaining('1 clients use tls_client_auth'),
    fix: expect.stringContaining('CLIENT_CERT_CA_FILE'),
  });
});
