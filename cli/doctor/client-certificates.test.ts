import { expect, test } from 'vitest';
import { certificatesResult } from './client-certificates.ts';

const on = { isForwarded: true, hasAuthorities: true };

test('passes without such clients, and with them while both settings are there', () => {
  const none = { by_name: 0, by_certificate: 0 };
  expect(certificatesResult(none, { isForwarded: false, hasAuthorities: false }).result).toBe('pass');
  expect(certificatesResult({ by_name: 1, by_certificate: 2 }, on)).toEqual({
    result: 'pass',
    evidence: '3 clients authenticate by certificate',
  });
  expect(certificatesResult({ by_name: 0, by_certificate: 2 }, { ...on, hasAuthorities: false }).result).toBe('pass');
});

test('warns of clients that cannot authenticate, and names the setting that is missing', () => {
  const facts = { by_name: 1, by_certificate: 2 };
  expect(certificatesResult(facts, { isForwarded: false, hasAuthorities: false })).toMatchObject({
    result: 'warn',
    evidence: expect.stringContaining('3 clients'),
    fix: expect.stringContaining('CLIENT_CERT_HEADER'),
  });
  expect(certificatesResult(facts, { ...on, hasAuthorities: false })).toMatchObject({
    result: 'warn',
    evidence: expect.stringContaining('1 clients use tls_client_auth'),
    fix: expect.stringContaining('CLIENT_CERT_CA_FILE'),
  });
});
