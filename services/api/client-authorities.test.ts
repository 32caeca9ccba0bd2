import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadConfig } from '#services/platform/config/load.ts';
import { AUTHORITY, BANK_CERTIFICATE } from '#tools/testing/fakes/client-certificates.ts';
import { testFolder } from '#tools/testing/test-folder.ts';
import { clientAuthorities } from './client-authorities.ts';

const folder = testFolder();

const { server } = loadConfig({});
const from = (content: string) => {
  const file = join(folder, 'ca.pem');
  writeFileSync(file, content);
  return clientAuthorities({ ...server, clientCertAuthoritiesFile: file });
};

test('there are authorities if and only if the setting names a file with some', () => {
  expect([clientAuthorities(server).exist, from(AUTHORITY).exist]).toEqual([false, true]);
});

test.each([
  ['a missing file', () => clientAuthorities({ ...server, clientCertAuthoritiesFile: join(folder, 'none') }), /ENOENT/],
  ['a folder', () => clientAuthorities({ ...server, clientCertAuthoritiesFile: folder }), /EISDIR/],
  ['an empty file', () => from(''), /no certificate/],
  ['the certificate of a client', () => from(BANK_CERTIFICATE.pem), /not an authority's/],
])('a start with %s is refused, by the name of the setting', (_what, start, problem) => {
  expect(start).toThrow(
    expect.objectContaining({
      problems: [expect.objectContaining({ env: 'CLIENT_CERT_CA_FILE', problem: expect.stringMatching(problem) })],
    }),
  );
});
