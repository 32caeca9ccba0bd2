import { describe, expect, test } from 'vitest';
import { CERTIFICATE, derOf, OTHER_CERTIFICATE } from '#testing/fakes/client-certificates.ts';
import { certificateThumbprint } from './client-certificate.ts';

const der = derOf(CERTIFICATE);

describe('a client certificate as proxies forward it', () => {
  test.each([
    ['RFC 9440', `:${der}:`],
    ['nginx: percent-encoded PEM', encodeURIComponent(CERTIFICATE.pem)],
    ['AWS: PEM with its own safe characters', encodeURI(CERTIFICATE.pem)],
    ['HAProxy, Traefik: base64 of the DER', der],
  ])('%s gives the thumbprint that openssl computes', (_form, header) => {
    expect(certificateThumbprint(header)).toBe(CERTIFICATE.thumbprint);
    expect(certificateThumbprint(header), 'asked again').toBe(CERTIFICATE.thumbprint);
    expect(certificateThumbprint(`:${derOf(OTHER_CERTIFICATE)}:`)).toBe(OTHER_CERTIFICATE.thumbprint);
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
  ])('%s is none', (_form, header) => {
    expect(certificateThumbprint(header)).toBeNull();
  });

  test('at most a thousand headers are cached', () => {
    for (let index = 0; index < 1_001; index += 1) expect(certificateThumbprint(`no certificate ${index}`)).toBeNull();
    expect(certificateThumbprint(der)).toBe(CERTIFICATE.thumbprint);
  });
});
