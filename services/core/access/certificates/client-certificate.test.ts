import { X509Certificate } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type CertificateWishes, makeCertificate } from '#tools/testing/fakes/certificate-maker.ts';
import { CERTIFICATE, derOf, OTHER_CERTIFICATE } from '#tools/testing/fakes/client-certificates.ts';
import { forwardedCertificate, hasName } from './client-certificate.ts';

const der = derOf(CERTIFICATE);
const thumbprintOf = (header: string): string | null => forwardedCertificate(header)?.thumbprint ?? null;

describe('a client certificate as proxies forward it', () => {
  test.each([
    ['RFC 9440', `:${der}:`],
    ['nginx: percent-encoded PEM', encodeURIComponent(CERTIFICATE.pem)],
    ['AWS: PEM with its own safe characters', encodeURI(CERTIFICATE.pem)],
    ['HAProxy, Traefik: base64 of the DER', der],
  ])('%s gives the thumbprint that openssl computes', (_form, header) => {
    expect(thumbprintOf(header)).toBe(CERTIFICATE.thumbprint);
    expect(thumbprintOf(header), 'asked again').toBe(CERTIFICATE.thumbprint);
    expect(thumbprintOf(`:${derOf(OTHER_CERTIFICATE)}:`)).toBe(OTHER_CERTIFICATE.thumbprint);
  });

  test.each([
    ['nothing', ''],
    ['no base64', 'nonsense!'],
    ['no certificate', Buffer.from('nonsense').toString('base64')],
    ['an incomplete percent code', '%E'],
    ['one colon', `:${der}`],
    ['two headers in one', `:${der}:, :${der}:`],
    ['a chain', encodeURIComponent(CERTIFICATE.pem + OTHER_CERTIFICATE.pem)],
    ['bytes after the certificate', Buffer.concat([Buffer.from(der, 'base64'), Buffer.from('x')]).toString('base64')],
    ['too long', 'A'.repeat(12_289)],
  ])('%s is none', (_form, header) => expect(thumbprintOf(header)).toBeNull());

  test('at most a thousand headers are cached', () => {
    for (let index = 0; index < 1_001; index += 1) expect(thumbprintOf(`no certificate ${index}`)).toBeNull();
    expect(thumbprintOf(der)).toBe(CERTIFICATE.thumbprint);
  });
});

describe('an alternative name of a certificate', () => {
  const of = (wishes: CertificateWishes) => ({ x509: new X509Certificate(makeCertificate(wishes).der) });
  /** Characters with which one name could pretend to be two come often. */
  const text = fc.array(
    fc.oneof(fc.constantFrom(...'",: \\URI'), fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 1 })),
  );

  test('is a URI if and only if it is one of the URIs, whatever the other names contain', () => {
    const uri = text.map((characters) => `urn:${characters.join('')}`);
    fc.assert(
      fc.property(fc.array(uri, { minLength: 1, maxLength: 3 }), uri, text, (uris, other, host) => {
        const dns = [`x, URI:${other}`, `x", URI:${other}`, host.join('')].filter((name) => name !== '');
        const certificate = of({ uris, dns });
        for (const each of uris) expect(hasName(certificate, 'san_uri', each), each).toBe(true);
        expect(hasName(certificate, 'san_uri', other), other).toBe(uris.includes(other));
      }),
      { numRuns: 150 },
    );
  });

  test('is not the subject, and no subject is none', () => {
    const named = of({ subject: [[{ type: '2.5.4.3', value: 'bank.example' }]] });
    for (const kind of ['san_dns', 'san_uri'] as const) expect(hasName(named, kind, 'bank.example')).toBe(false);
    for (const name of ['CN=bank.example', '']) expect(hasName(of({ subject: [] }), 'subject_dn', name)).toBe(false);
  });
});
