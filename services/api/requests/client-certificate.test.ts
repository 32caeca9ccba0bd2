import Fastify from 'fastify';
import { expect, test } from 'vitest';
import { CERTIFICATE, derOf } from '#tools/testing/fakes/client-certificates.ts';
import { readCertificates } from './client-certificate.ts';

const PROXY = '10.0.0.5';
const forwarded = { 'x-forwarded-for': '203.0.113.9' };
const shown = { 'client-cert': `:${derOf(CERTIFICATE)}:` };

/** What a route learns about the certificate of a request from this peer. */
async function known(
  remoteAddress: string,
  headers: Record<string, string | string[]>,
  { trustProxy = ['10.0.0.0/8'], header = 'client-cert' }: { trustProxy?: string[] | false; header?: string } = {},
): Promise<unknown> {
  const app = Fastify({ trustProxy });
  readCertificates(app, header);
  app.get('/', async ({ certificate }) => ({ certificate: certificate === undefined ? 'none' : certificate }));
  const answer = await app.inject({ method: 'GET', url: '/', remoteAddress, headers });
  await app.close();
  return answer.json<{ certificate: unknown }>().certificate;
}

test('a trusted proxy names the certificate of the connection that it forwards', async () => {
  expect(await known(PROXY, { ...shown, ...forwarded })).toBe(CERTIFICATE.thumbprint);
  expect(await known(PROXY, forwarded)).toBe('none');
  expect(await known(PROXY, { ...forwarded, 'client-cert': '' })).toBe('none');
  expect(await known(PROXY, { ...forwarded, 'client-cert': 'x' })).toBeNull();
});

test('the header of an untrusted peer is ignored, whatever else it sends', async () => {
  for (const headers of [shown, { ...shown, ...forwarded }, { ...shown, 'x-forwarded-for': PROXY }])
    expect(await known('203.0.113.7', headers)).toBe('none');
  expect(await known(PROXY, shown), 'forwards for no client').toBe('none');
  expect(await known(PROXY, { ...shown, ...forwarded }, { trustProxy: false })).toBe('none');
});

test('only the configured header is read', async () => {
  expect(await known(PROXY, { ...shown, ...forwarded }, { header: 'x-client-cert' })).toBe('none');
  const app = Fastify();
  readCertificates(app, undefined);
  app.get('/', async ({ certificate }) => ({ certificate: certificate ?? 'none' }));
  expect((await app.inject({ method: 'GET', url: '/', headers: shown })).json()).toEqual({ certificate: 'none' });
});
