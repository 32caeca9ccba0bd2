import { X509Certificate } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { makeAuthority } from '#tools/testing/fakes/certificate-maker.ts';
import {
  AUTHORITY,
  BANK_CERTIFICATE,
  BANK_SUBJECT,
  CERTIFICATE,
  derOf,
  EXPIRED_CERTIFICATE,
  IMPOSTER_CERTIFICATE,
  ODD_CERTIFICATE,
  ORPHAN_CERTIFICATE,
  OTHER_CERTIFICATE,
  PAST_AUTHORITY,
  SERVER_CERTIFICATE,
  type TestCertificate,
} from '#tools/testing/fakes/client-certificates.ts';
import { createCertificateAuthorities, readAuthorities } from './certificate-authorities.ts';
import { type CertificateDecision, identityOfJwks, identityOfNames, isCertificateOf } from './certificate-identity.ts';
import type { GivenNames } from './certificate-shapes.ts';
import { type ClientCertificate, forwardedCertificate } from './client-certificate.ts';

const NOW = Date.parse('2030-01-01');
const authorities = createCertificateAuthorities(readAuthorities(AUTHORITY));
const none = createCertificateAuthorities([]);

const decisionOn = (
  identity: ReturnType<typeof identityOfNames> | ReturnType<typeof identityOfJwks>,
  certificate: TestCertificate,
  { nowMs = NOW, by = authorities } = {},
): CertificateDecision => {
  const shown = forwardedCertificate(derOf(certificate));
  if (typeof identity === 'string' || 'why' in identity || shown === null) throw new Error(JSON.stringify(identity));
  return isCertificateOf(identity, shown, by, nowMs);
};
const recognises = (...given: Parameters<typeof decisionOn>): boolean => decisionOn(...given) === 'ok';
const named = (names: GivenNames, certificate = BANK_CERTIFICATE) => recognises(identityOfNames(names), certificate);
const setOf = (...certificates: readonly TestCertificate[]) =>
  identityOfJwks({ keys: certificates.map((certificate) => ({ kty: 'EC', x5c: [derOf(certificate)] })) });

describe('a certificate by its name (RFC 8705 §2.1)', () => {
  test.each<GivenNames>([
    { tls_client_auth_subject_dn: BANK_SUBJECT },
    {
      tls_client_auth_subject_dn:
        '1.2.840.113549.1.9.1=ops@bank.example , cn=client \\"one\\" + ou=Payments,o=Bank\\2C Inc.,2.5.4.6=DE',
    },
    { tls_client_auth_san_dns: 'bank.example' },
    { tls_client_auth_san_dns: 'BANK.example' },
    { tls_client_auth_san_uri: 'https://bank.example/client?a=1,URI:https://other.example' },
    { tls_client_auth_san_ip: '192.0.2.7' },
    { tls_client_auth_san_ip: '2001:db8:0::7' },
    { tls_client_auth_san_email: 'ops@bank.example' },
  ])('is recognised: %j', (names) => expect(named(names)).toBe(true));

  test.each<GivenNames>([
    { tls_client_auth_subject_dn: 'CN=client \\"one\\"' },
    { tls_client_auth_subject_dn: BANK_SUBJECT.replace('client', 'Client') },
    { tls_client_auth_subject_dn: 'C=DE,O=Bank\\, Inc.,OU=Payments+CN=client \\"one\\",emailAddress=ops@bank.example' },
    { tls_client_auth_subject_dn: BANK_SUBJECT.replace('+', ',') },
    { tls_client_auth_san_dns: 'www.bank.example' },
    { tls_client_auth_san_dns: 'a.wild.example' },
    { tls_client_auth_san_uri: 'https://other.example' },
    { tls_client_auth_san_uri: 'https://bank.example/client' },
    { tls_client_auth_san_ip: '192.0.2.8' },
    { tls_client_auth_san_email: 'other@bank.example' },
  ])('is not recognised by another: %j', (names) => expect(named(names)).toBe(false));

  test('a name of one kind does not count as another', () => {
    expect(named({ tls_client_auth_san_uri: 'https://bank.example' })).toBe(false);
    expect(named({ tls_client_auth_san_dns: 'anything.example' }, ODD_CERTIFICATE)).toBe(false);
    expect(named({ tls_client_auth_san_uri: 'urn:x' }, ODD_CERTIFICATE)).toBe(false);
  });

  test('separators in a value of the certificate begin no other name', () => {
    for (const name of ['C=DE\\#\\;,O=Bank,CN=an,O=Evil', 'CN=an,O=Evil', 'O=Bank,O=Evil'])
      expect(named({ tls_client_auth_subject_dn: name }, ODD_CERTIFICATE)).toBe(false);
    expect(named({ tls_client_auth_subject_dn: 'CN=an\\,O=Bank\\,C=DE\\#\\;,O=Evil' }, ODD_CERTIFICATE)).toBe(true);
    // A line feed in the value, where the certificate's names are separated by line feeds.
    const der = Buffer.from(derOf(ODD_CERTIFICATE), 'base64');
    der[der.indexOf('an,O=') + 2] = 0x0a;
    const x509 = new X509Certificate(der);
    const trusting = { exist: true, haveIssued: () => true };
    const on = (value: string) =>
      isCertificateOf({ name: 'subject_dn', value }, { thumbprint: '', x509 }, trusting, NOW);
    expect([on('O=Bank\\,C=DE\\#\\;,CN=an,O=Evil'), on('CN=an\\0AO=Bank\\,C=DE\\#\\;,O=Evil')]).toEqual([
      'another',
      'ok',
    ]);
  });

  test('counts only in a certificate for clients that a configured authority issued', () => {
    const byName = identityOfNames({ tls_client_auth_subject_dn: BANK_SUBJECT });
    expect(recognises(byName, BANK_CERTIFICATE)).toBe(true);
    expect(recognises(byName, BANK_CERTIFICATE), 'asked again').toBe(true);
    expect(recognises(byName, BANK_CERTIFICATE, { by: none })).toBe(false);
    expect(recognises(byName, IMPOSTER_CERTIFICATE)).toBe(false);
    expect(recognises(byName, SERVER_CERTIFICATE)).toBe(false);
    expect(named({ tls_client_auth_subject_dn: 'CN=client-a' }, CERTIFICATE)).toBe(false);
  });

  test('does not count under a signature by SHA-1', () => {
    const maker = makeAuthority();
    const by = createCertificateAuthorities(readAuthorities(maker.pem));
    const shown = ({ der }: { readonly der: Buffer }) =>
      forwardedCertificate(der.toString('base64')) as ClientCertificate;
    expect(by.haveIssued(shown(maker.issue()), Date.now())).toBe(true);
    expect(by.haveIssued(shown(maker.issue({ isWeak: true })), Date.now())).toBe(false);
  });

  test('counts only within the validity of the certificate', () => {
    const byName = identityOfNames({ tls_client_auth_subject_dn: 'CN=expired' });
    const at = (date: string) => decisionOn(byName, EXPIRED_CERTIFICATE, { nowMs: Date.parse(date) });
    expect([at('2019-12-31'), at('2020-06-01'), at('2021-01-02')]).toEqual(['another', 'ok', 'expired']);
  });

  test('counts only within the validity of the authority', () => {
    const by = createCertificateAuthorities(readAuthorities(AUTHORITY + PAST_AUTHORITY));
    const byName = identityOfNames({ tls_client_auth_subject_dn: 'CN=orphan' });
    const at = (date: string) => recognises(byName, ORPHAN_CERTIFICATE, { nowMs: Date.parse(date), by });
    expect([at('2020-06-01'), at('2021-01-02')]).toEqual([true, false]);
  });

  test.each<[GivenNames, string]>([
    [{}, 'must be given, or one of the others, and only one: tls_client_auth_subject_dn, tls_client_auth_san_dns, '],
    [{ tls_client_auth_san_dns: 'a.example', tls_client_auth_san_ip: '192.0.2.1' }, 'must be given'],
    [{ tls_client_auth_subject_dn: '' }, 'is not a distinguished name'],
    [{ tls_client_auth_subject_dn: 'CN' }, 'is not a distinguished name'],
    [{ tls_client_auth_subject_dn: `CN=${'a'.repeat(1_022)}` }, 'is too long'],
    [{ tls_client_auth_san_dns: '*.bank.example' }, 'is not a host name'],
    [{ tls_client_auth_san_dns: '.bank.example' }, 'is not a host name'],
    [{ tls_client_auth_san_dns: 'bank.example.' }, 'is not a host name'],
    [{ tls_client_auth_san_dns: `${'a'.repeat(64)}.example` }, 'is not a host name'],
    [{ tls_client_auth_san_dns: 'a.'.repeat(127) }, 'is not a host name'],
    [{ tls_client_auth_san_uri: 'bank.example' }, 'is not a URI'],
    [{ tls_client_auth_san_uri: 'urn:a b' }, 'is not a URI'],
    [{ tls_client_auth_san_ip: '192.0.2' }, 'is not an IP address'],
    [{ tls_client_auth_san_ip: 'fe80::1%eth0' }, 'is not an IP address'],
    [{ tls_client_auth_san_email: 'bank.example' }, 'is not an e-mail address'],
    [{ tls_client_auth_san_email: 'a@b@c' }, 'is not an e-mail address'],
  ])('cannot be registered as %j', (names, why) => {
    const at = Object.keys(names).at(-1) ?? 'tls_client_auth_subject_dn';
    expect(identityOfNames(names)).toEqual({ at, why: expect.stringContaining(why) });
  });
});

describe('a certificate itself (RFC 8705 §2.2)', () => {
  test('is recognised among those that the client registered, and no other is', () => {
    expect(setOf(CERTIFICATE, CERTIFICATE)).toEqual({ thumbprints: [CERTIFICATE.thumbprint] });
    const both = setOf(CERTIFICATE, BANK_CERTIFICATE);
    for (const registered of [CERTIFICATE, BANK_CERTIFICATE]) expect(recognises(both, registered)).toBe(true);
    for (const other of [OTHER_CERTIFICATE, IMPOSTER_CERTIFICATE]) expect(recognises(both, other)).toBe(false);
  });

  test('may stand beside keys for other purposes, and before its chain', () => {
    const keys = [
      { kty: 'EC', use: 'enc' },
      { kty: 'EC', x5c: [derOf(CERTIFICATE), derOf(OTHER_CERTIFICATE)] },
    ];
    expect(identityOfJwks({ keys })).toEqual({ thumbprints: [CERTIFICATE.thumbprint] });
  });

  test('needs no authority, and is refused outside its validity', () => {
    const own = setOf(EXPIRED_CERTIFICATE);
    const at = (date: string) => decisionOn(own, EXPIRED_CERTIFICATE, { nowMs: Date.parse(date), by: none });
    expect([at('2019-12-31'), at('2020-06-01'), at('2021-01-02')]).toEqual(['expired', 'ok', 'expired']);
  });

  test.each<[string, unknown, RegExp]>([
    ['nothing', undefined, /not a JWK set/],
    ['a list', [], /not a JWK set/],
    ['no key', { keys: [] }, /no certificate/],
    ['too many keys', { keys: Array(11).fill({ x5c: [derOf(CERTIFICATE)] }) }, /more than 10/],
    ['a key that is no object', { keys: ['x'] }, /not an object/],
    ['a private key', { keys: [{ kty: 'EC', d: 'x', x5c: [derOf(CERTIFICATE)] }] }, /private or symmetric/],
    ['only a key without a certificate', { keys: [{ kty: 'EC' }] }, /no certificate/],
    ['a chain that is no list', { keys: [{ x5c: derOf(CERTIFICATE) }] }, /without a readable certificate/],
    ['an empty chain', { keys: [{ x5c: [] }] }, /without a readable certificate/],
    ['a certificate that is no text', { keys: [{ x5c: [1] }] }, /without a readable certificate/],
    ['a PEM', { keys: [{ x5c: [CERTIFICATE.pem] }] }, /without a readable certificate/],
    ['other bytes', { keys: [{ x5c: ['AAAA'] }] }, /without a readable certificate/],
    ['a text that is too long', { keys: [{ x5c: ['A'.repeat(8_193)] }] }, /without a readable certificate/],
  ])('cannot be registered from %s', (_what, jwks, why) => expect(identityOfJwks(jwks)).toMatch(why));
});

describe('authorities', () => {
  test.each([
    ['nothing', '', /no certificate/],
    ['a certificate of a client', BANK_CERTIFICATE.pem, /not an authority's, number 1/],
    ['a broken certificate', AUTHORITY + AUTHORITY.replace(/MII./, 'AAAA'), /unreadable certificate, number 2/],
    ['too many', AUTHORITY.repeat(51), /more than 50/],
    [
      'an authority that may issue only some names',
      makeAuthority('Limited', { permittedDns: 'bank.example' }).pem,
      /name constraints, which are not verified, number 1/,
    ],
  ])('cannot be read from %s', (_what, pem, why) => expect(() => readAuthorities(pem)).toThrow(why));

  test('exist if any is configured', () => expect([authorities.exist, none.exist]).toEqual([true, false]));

  test('keep at most a thousand issuers in memory', () => {
    const by = createCertificateAuthorities(readAuthorities(AUTHORITY));
    const { x509 } = forwardedCertificate(derOf(BANK_CERTIFICATE)) as NonNullable<
      ReturnType<typeof forwardedCertificate>
    >;
    for (let index = 0; index < 1_001; index += 1)
      expect(by.haveIssued({ thumbprint: String(index), x509 }, NOW)).toBe(true);
  });
});
