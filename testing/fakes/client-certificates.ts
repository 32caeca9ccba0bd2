// For tests only: two self-signed client certificates, and their thumbprints by openssl. Their keys were discarded.
const pem = (...lines: readonly string[]): string =>
  ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n');

export type TestCertificate = { readonly pem: string; readonly thumbprint: string };

export const CERTIFICATE: TestCertificate = {
  pem: pem(
    'MIIBfTCCASOgAwIBAgIUctL5vrr8D6iNiH1aZFW2WtqN8jcwCgYIKoZIzj0EAwIw',
    'EzERMA8GA1UEAwwIY2xpZW50LWEwIBcNMjYxMTIwMTkwMDAxWhgPMjEyNjEwMjcx',
    'OTAwMDFaMBMxETAPBgNVBAMMCGNsaWVudC1hMFkwEwYHKoZIzj0CAQYIKoZIzj0D',
    'AQcDQgAEFteE/l9eTVG1j+vjZ/4p4eUTuxCDCO1QnJMKl2w7Z8mhcJNwqAq7EArt',
    'zzuiAsi02oYiPFtFrfbhytHxy6F0SqNTMFEwHQYDVR0OBBYEFLXCgDRbqmTZLOpM',
    'nEKf87fhCBi4MB8GA1UdIwQYMBaAFLXCgDRbqmTZLOpMnEKf87fhCBi4MA8GA1Ud',
    'EwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSAAwRQIhAO49/ae2DgltXokaomhcmrRA',
    'ZHMTTcAZepyx1DraDVa6AiAlFm6+h5Aof2Zc+eqW1B79iFKbp6Zlm1xuAtBghIo1',
    'tQ==',
  ),
  thumbprint: '5bplhNHpAM2e0mT-2kIKFpDSTPoec2bmDhenbIQE4U0',
};

export const OTHER_CERTIFICATE: TestCertificate = {
  pem: pem(
    'MIIBfTCCASOgAwIBAgIULMi36BVHEn+oYOhXvc2UfjjLhjQwCgYIKoZIzj0EAwIw',
    'EzERMA8GA1UEAwwIY2xpZW50LWIwIBcNMjYxMTIwMTkwMDAxWhgPMjEyNjEwMjcx',
    'OTAwMDFaMBMxETAPBgNVBAMMCGNsaWVudC1iMFkwEwYHKoZIzj0CAQYIKoZIzj0D',
    'AQcDQgAEQNJePBejdVLF9tIHBkwNKkFl6QrPO4BJ3DLu5ZEj9gg2BXr2Rxx3DthY',
    '9j2Nk3altfAmVPSTW0hE9vGssS58laNTMFEwHQYDVR0OBBYEFMjmDbq2AUe8S5F0',
    'iBhjJ/DsVyRkMB8GA1UdIwQYMBaAFMjmDbq2AUe8S5F0iBhjJ/DsVyRkMA8GA1Ud',
    'EwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSAAwRQIhALCSC68eeF+RMInX4qO6ltnK',
    'VM8xmOUtfbaDEtaY+pHIAiBCb6fKqLpdhrlE1lV8iyW9X3V0MS2U4mdBaqckyPcF',
    'Kg==',
  ),
  thumbprint: 'AE24y7usmB-s1LV0cT3v93AZkSi1dVGA6t1jlxf7ByQ',
};

/** DER in base64, as RFC 9440 writes it between colons. */
export const derOf = ({ pem }: TestCertificate): string => pem.replaceAll(/-----[A-Z ]+-----|\n/g, '');
