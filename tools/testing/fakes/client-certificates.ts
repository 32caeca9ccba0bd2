// For tests only: client certificates, two of them self-signed, and their thumbprints by openssl. Their keys were discarded.
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

/** An authority, as PEM. */
export const AUTHORITY = pem(
  'MIIBdzCCAR6gAwIBAgIUIqQfK2X5SG4mKwZZ7tvNmviwfKowCgYIKoZIzj0EAwIw',
  'GTEXMBUGA1UEAwwOVGVzdCBDbGllbnQgQ0EwIBcNMjAwMTAxMDAwMDAwWhgPMjEy',
  'MDAxMDEwMDAwMDBaMBkxFzAVBgNVBAMMDlRlc3QgQ2xpZW50IENBMFkwEwYHKoZI',
  'zj0CAQYIKoZIzj0DAQcDQgAE/6+YHxvitbRfY38lnNINeRPorNgq6niFgtkLqldD',
  'IDgBpcaKm01N96Zs6zV7HUYbC8/etOvtJN2k4nWIM4OFQqNCMEAwDwYDVR0TAQH/',
  'BAUwAwEB/zAOBgNVHQ8BAf8EBAMCAgQwHQYDVR0OBBYEFMxlUSGmik+sYpSffsxP',
  'cBibQD7cMAoGCCqGSM49BAMCA0cAMEQCIGzwxV8p+yGcDfWMnks7FoF6RJRgbi3w',
  '22Ng38wX87hSAiA5tl7Sf2UQy0WYcMXAcZVuDB7J5bu4bGHfWTIy6qjU5A==',
);

export const BANK_SUBJECT = 'emailAddress=ops@bank.example,OU=Payments+CN=client \\"one\\",O=Bank\\, Inc.,C=DE';

/** Issued by `AUTHORITY` to clients, with every kind of name; its subject is `BANK_SUBJECT`. */
export const BANK_CERTIFICATE: TestCertificate = {
  pem: pem(
    'MIICgTCCAiagAwIBAgIUcPdhnQX8Ka1WdsfhfhqIy+ONP6MwCgYIKoZIzj0EAwIw',
    'GTEXMBUGA1UEAwwOVGVzdCBDbGllbnQgQ0EwIBcNMjAwMTAxMDAwMDAwWhgPMjEy',
    'MDAxMDEwMDAwMDBaMGsxCzAJBgNVBAYTAkRFMRMwEQYDVQQKDApCYW5rLCBJbmMu',
    'MSYwDwYDVQQLDAhQYXltZW50czATBgNVBAMMDGNsaWVudCAib25lIjEfMB0GCSqG',
    'SIb3DQEJARYQb3BzQGJhbmsuZXhhbXBsZTBZMBMGByqGSM49AgEGCCqGSM49AwEH',
    'A0IABC9d5ONC/Z3QiQ9mGucZfJABxqJXNwVomN8tYo2jlhOQZfEPSIcTOeLWLLhu',
    'HLGD5a46uPvGTPi23V+pi/kDgwejgfcwgfQwDAYDVR0TAQH/BAIwADATBgNVHSUE',
    'DDAKBggrBgEFBQcDAjCBjgYDVR0RBIGGMIGDggxiYW5rLmV4YW1wbGWCDioud2ls',
    'ZC5leGFtcGxlhjlodHRwczovL2JhbmsuZXhhbXBsZS9jbGllbnQ/YT0xLFVSSTpo',
    'dHRwczovL290aGVyLmV4YW1wbGWHBMAAAgeHECABDbgAAAAAAAAAAAAAAAeBEG9w',
    'c0BiYW5rLmV4YW1wbGUwHwYDVR0jBBgwFoAUzGVRIaaKT6xilJ9+zE9wGJtAPtww',
    'HQYDVR0OBBYEFAUWvnBr5QbF6IwK/LB25UcE8RmcMAoGCCqGSM49BAMCA0kAMEYC',
    'IQC6feAM1LphG6fKcn5B+vJhdMad6SBoyEYR1Dj5JwhHwQIhAPJQztPIkWmQnTvf',
    'HGI6C2YZybG53tQIsS209/HcPltm',
  ),
  thumbprint: 'krrW8wjkVX6wxSiZnVZPq0T7B035wj16ZsMaoCNSTPE',
};

/** Of the same subject and authority, but for servers (extended key usage). */
export const SERVER_CERTIFICATE: TestCertificate = {
  pem: pem(
    'MIICBjCCAaygAwIBAgIUOPTeGM7TyS18TdUpvHj/Sq4WN7EwCgYIKoZIzj0EAwIw',
    'GTEXMBUGA1UEAwwOVGVzdCBDbGllbnQgQ0EwIBcNMjAwMTAxMDAwMDAwWhgPMjEy',
    'MDAxMDEwMDAwMDBaMGsxCzAJBgNVBAYTAkRFMRMwEQYDVQQKDApCYW5rLCBJbmMu',
    'MSYwDwYDVQQLDAhQYXltZW50czATBgNVBAMMDGNsaWVudCAib25lIjEfMB0GCSqG',
    'SIb3DQEJARYQb3BzQGJhbmsuZXhhbXBsZTBZMBMGByqGSM49AgEGCCqGSM49AwEH',
    'A0IABE814FQhSTjwoCKYnPftiPBJHqNmOxLrdNhtuN046mxHgL8KhJwHLB1nu3JI',
    'U4hAlakwJUQtmUV64XOkG53JIT6jfjB8MAwGA1UdEwEB/wQCMAAwEwYDVR0lBAww',
    'CgYIKwYBBQUHAwEwFwYDVR0RBBAwDoIMYmFuay5leGFtcGxlMB0GA1UdDgQWBBRb',
    'ovrkTh2BedN2KXFFpyG5DQWCizAfBgNVHSMEGDAWgBTMZVEhpopPrGKUn37MT3AY',
    'm0A+3DAKBggqhkjOPQQDAgNIADBFAiEA4dJtGFs+mTEgiohpddMv3LPDGsywQfp1',
    'tKTkipWfsoICIBDKK72AxnS+yEzIF6bpvKozYKAsZBib+ptOLSMUwYoj',
  ),
  thumbprint: 'p9k_UTy0j1xQv5i7zadpMeV1cLuJXmuEm41CAWWvLwI',
};

/** Of the same names, issued by another authority with the same name. */
export const IMPOSTER_CERTIFICATE: TestCertificate = {
  pem: pem(
    'MIICgDCCAiagAwIBAgIUKURKdx8t0Y9v3XfLcrP/+1xWZrIwCgYIKoZIzj0EAwIw',
    'GTEXMBUGA1UEAwwOVGVzdCBDbGllbnQgQ0EwIBcNMjAwMTAxMDAwMDAwWhgPMjEy',
    'MDAxMDEwMDAwMDBaMGsxCzAJBgNVBAYTAkRFMRMwEQYDVQQKDApCYW5rLCBJbmMu',
    'MSYwDwYDVQQLDAhQYXltZW50czATBgNVBAMMDGNsaWVudCAib25lIjEfMB0GCSqG',
    'SIb3DQEJARYQb3BzQGJhbmsuZXhhbXBsZTBZMBMGByqGSM49AgEGCCqGSM49AwEH',
    'A0IABFPDBCWtGAd057m1wnnHen7Q2HDEiNxPFS3aKXltuFIVNRgwjMJgj1Fs33B1',
    'OKnfiXemYOldxgReq+Sk620/wJKjgfcwgfQwDAYDVR0TAQH/BAIwADATBgNVHSUE',
    'DDAKBggrBgEFBQcDAjCBjgYDVR0RBIGGMIGDggxiYW5rLmV4YW1wbGWCDioud2ls',
    'ZC5leGFtcGxlhjlodHRwczovL2JhbmsuZXhhbXBsZS9jbGllbnQ/YT0xLFVSSTpo',
    'dHRwczovL290aGVyLmV4YW1wbGWHBMAAAgeHECABDbgAAAAAAAAAAAAAAAeBEG9w',
    'c0BiYW5rLmV4YW1wbGUwHwYDVR0jBBgwFoAUdbUQH3MwxWI3dHHGi8W9Tdzsoa8w',
    'HQYDVR0OBBYEFFK6qvwMiwfQGADeOd5VxVEIdY9sMAoGCCqGSM49BAMCA0gAMEUC',
    'IADp7H5IrzOPFEhF43piSZEbZEoSRUrGEZRkyEbScvDcAiEAl+0mJh/BlkvkubQ0',
    'wBMJtZHF2dXVAGMRqRFOoDR5dhk=',
  ),
  thumbprint: 'PHk4KTg_cztk-wiEnTPYErNVlKl-WkecwK46CJsHIsk',
};

/** Issued by `AUTHORITY`: its common name contains what looks like other RDNs. */
export const ODD_CERTIFICATE: TestCertificate = {
  pem: pem(
    'MIIBlzCCAT2gAwIBAgIUb+RlG1avyqvsse8Nk4+vUM5CgxIwCgYIKoZIzj0EAwIw',
    'GTEXMBUGA1UEAwwOVGVzdCBDbGllbnQgQ0EwIBcNMjAwMTAxMDAwMDAwWhgPMjEy',
    'MDAxMDEwMDAwMDBaMCoxDTALBgNVBAoMBEV2aWwxGTAXBgNVBAMMEGFuLE89QmFu',
    'ayxDPURFIzswWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAASBM8zSwSrBtCQkj+R8',
    'Pyap/izkW1gT6XB4FG3TVCbViMYaVjL+Xb5bG2UU3R+Gf64scxM/4l9c3xkc/hHG',
    'A/NLo1AwTjAMBgNVHRMBAf8EAjAAMB0GA1UdDgQWBBQLYqiZI7WJrHsUfgdE0H55',
    'JXmLtjAfBgNVHSMEGDAWgBTMZVEhpopPrGKUn37MT3AYm0A+3DAKBggqhkjOPQQD',
    'AgNIADBFAiAyA9f/y2E605XnXNIYWz1Lphx80IbBfIjgBrFuU+X5eQIhAJ9PoiaO',
    'v7dnyxZerVP3dyODd8SYo5kpormw6w49TQRJ',
  ),
  thumbprint: 'ZtY1njZOEx0wM9mkTSclwrC3aJb6gqcMX5Lxpc3AnY0',
};

/** Issued by `AUTHORITY` to CN=expired, for the year 2020. */
export const EXPIRED_CERTIFICATE: TestCertificate = {
  pem: pem(
    'MIIBfTCCASOgAwIBAgIUb8ibtoSPfVf0cI3XyUiHBSTOe0cwCgYIKoZIzj0EAwIw',
    'GTEXMBUGA1UEAwwOVGVzdCBDbGllbnQgQ0EwHhcNMjAwMTAxMDAwMDAwWhcNMjEw',
    'MTAxMDAwMDAwWjASMRAwDgYDVQQDDAdleHBpcmVkMFkwEwYHKoZIzj0CAQYIKoZI',
    'zj0DAQcDQgAEAp2a1KD9kYUG/Cdje6+ZUsh3lakezQ7Gr+m6XTlm7q+k+qtyVlT0',
    'wrntWV98ZmOK00yRavL+RiD4w09hyu2rEKNQME4wDAYDVR0TAQH/BAIwADAdBgNV',
    'HQ4EFgQUx0x4TlxgPKwOubLTE91/WZ/jhCgwHwYDVR0jBBgwFoAUzGVRIaaKT6xi',
    'lJ9+zE9wGJtAPtwwCgYIKoZIzj0EAwIDSAAwRQIhAMtVp158NE818/+wpmVlLowb',
    'R5J2nyZg+23BPJKXsAiNAiAG4JIXy/MWB1NhBVXgPyuUWQu7eBeEKBObYV65Qs0s',
    'hA==',
  ),
  thumbprint: 'XIuJlKfagPMZqFerBMvdBPOMCLzI5y727b_rzxPKrFM',
};

/** An authority of the year 2020. */
export const PAST_AUTHORITY = pem(
  'MIIBdjCCARygAwIBAgIUKs6B33chc+ie0DI+FDMVqMhVLv8wCgYIKoZIzj0EAwIw',
  'GTEXMBUGA1UEAwwOUGFzdCBDbGllbnQgQ0EwHhcNMjAwMTAxMDAwMDAwWhcNMjEw',
  'MTAxMDAwMDAwWjAZMRcwFQYDVQQDDA5QYXN0IENsaWVudCBDQTBZMBMGByqGSM49',
  'AgEGCCqGSM49AwEHA0IABEJjtVSBByQeN61BpN4kp6UzPTz6a+NJYSNSGFgfwRnL',
  'U1chteQTveaFaD/LwS6Ipxexh4YzybpHetnNPhJ2D8OjQjBAMA8GA1UdEwEB/wQF',
  'MAMBAf8wDgYDVR0PAQH/BAQDAgIEMB0GA1UdDgQWBBQ5NKFoumyi1ewMBv8dAwTj',
  'tpZdqDAKBggqhkjOPQQDAgNIADBFAiEAv7t4tWM+PsBKCzSgzGpntL9kgjOGL0aS',
  'gsTBGE4wTzUCIBfzRHsoncdV2rEvKnmvOoQ5F+zcmD55NvUPexRspCAy',
);

/** Issued by `PAST_AUTHORITY` to CN=orphan; itself valid for a century. */
export const ORPHAN_CERTIFICATE: TestCertificate = {
  pem: pem(
    'MIIBfTCCASSgAwIBAgIURkiP1L7fWUM4YT3MIE33XTjFdaUwCgYIKoZIzj0EAwIw',
    'GTEXMBUGA1UEAwwOUGFzdCBDbGllbnQgQ0EwIBcNMjAwMTAxMDAwMDAwWhgPMjEy',
    'MDAxMDEwMDAwMDBaMBExDzANBgNVBAMMBm9ycGhhbjBZMBMGByqGSM49AgEGCCqG',
    'SM49AwEHA0IABLUPOxsD0+CUL9cpCJoIEpTbrlJGsU4hr2WzUyJ8s/BanK1Gc2lZ',
    '/pQbG3VWa2ku2MvfZ72nLG+8zy6L6JXfcjSjUDBOMAwGA1UdEwEB/wQCMAAwHQYD',
    'VR0OBBYEFOu9JQhyTtgz0B3Lonc8v4Pj5EohMB8GA1UdIwQYMBaAFDk0oWi6bKLV',
    '7AwG/x0DBOO2ll2oMAoGCCqGSM49BAMCA0cAMEQCIA/xNj4t1FAsHgSJWX7aMt3W',
    '/y4lng4uJkYbIPOxNGLiAiAXx2dkCp/OfT6MQ8hZJaWclUtD0F5gT8x8qu4lR/38',
    'Jw==',
  ),
  thumbprint: 'xrnX7ceXPBcvkYQR9T-jRtSIMgVUXm0yX_6G5pDozS0',
};

/** DER in base64, as RFC 9440 writes it between colons. */
export const derOf = ({ pem }: TestCertificate): string => pem.replaceAll(/-----[A-Z ]+-----|\n/g, '');
