import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { registry } from '#observability/metrics/instruments.ts';
import { renderPrometheus } from '#observability/metrics/prometheus.ts';
import { loadConfig } from '#services/platform/config/load.ts';
import { AUTHORITY, BANK_CERTIFICATE } from '#tools/testing/fakes/client-certificates.ts';
import { testFolder } from '#tools/testing/test-folder.ts';
import { clientAuthorities } from './client-authorities.ts';
import { createHasherOf } from './compose-identity.ts';

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

/** The value of one series; 0 before its first event. */
function counted(series: string): number {
  const line = renderPrometheus(registry.collect())
    .split('\n')
    .find((each) => each.startsWith(`${series} `));
  return Number(line?.slice(series.length) ?? 0);
}

const JOBS = ['done', 'full', 'cancelled'].map((outcome) => `sallyport_hash_jobs_total{outcome="${outcome}"}`);
const PROCESSOR = 'sallyport_hash_processor_seconds_total';

test('every job is counted by how it ended, refusals by their cause, with the processor time of those that ran', async () => {
  const before = [...JOBS, PROCESSOR].map(counted);
  const config = loadConfig({
    BETTER_AUTH_SECRET: randomBytes(32).toString('base64url'),
    HASHER_CHILDREN: '1',
    HASH_QUEUE: '4',
  });
  const hasher = createHasherOf(config, { pepper: randomBytes(32) });
  onTestFinished(() => hasher.close());
  await hasher.warm();
  const admission = { clientPrefix: '192.0.2.1', knownDevice: false };
  const gone = AbortSignal.abort();
  const runs = [
    // One runs and three wait: the fourth place is kept for known devices.
    ...[1, 2, 3, 4].map(() => hasher.hash('a password', admission)),
    hasher.hash('a password', admission),
    hasher.hash('a password', { ...admission, signal: gone }),
  ];
  expect(hasher.refusalOf(admission)).toMatchObject({ reason: 'full' });
  const outcomes = (await Promise.allSettled(runs)).map(({ status }) => status);
  expect(outcomes.slice(4)).toEqual(['rejected', 'rejected']);
  const [done, full, cancelled, processor] = [...JOBS, PROCESSOR].map((series, at) => counted(series) - before[at]!);
  expect([full, cancelled]).toEqual([2, 1]);
  // A job that waited for too long on a busy machine is `expired`.
  expect(done).toBeGreaterThan(0);
  expect(processor).toBeGreaterThan(0.01);
});
