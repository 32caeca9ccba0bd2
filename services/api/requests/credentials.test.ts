import Fastify from 'fastify';
import { describe, expect, test } from 'vitest';
import { CERTIFICATE, derOf } from '#tools/testing/fakes/client-certificates.ts';
import { readCertificates } from './client-certificate.ts';
import { extractTokenFromRequest, sentCredential } from './credentials.ts';
import { namesCredential } from './credentials-in-address.ts';
import { isSameMachine } from './same-machine.ts';

const sent = (authorization?: string) => sentCredential(authorization === undefined ? {} : { authorization });
const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`;

describe('reading a credential never throws', () => {
  test('finds the bearer token, whatever the case of its scheme', () => {
    expect(sent('Bearer a.b-c_d~e+f/g==')).toEqual({ kind: 'bearer', token: 'a.b-c_d~e+f/g==' });
    expect(sent('bEaReR  x')).toEqual({ kind: 'bearer', token: 'x' });
    expect(sent('DPoP x')).toEqual({ kind: 'dpop', token: 'x' });
    expect(extractTokenFromRequest({ headers: { authorization: 'Bearer x' } })).toBe('x');
    expect(extractTokenFromRequest({ headers: { authorization: 'dpop x' } })).toBe('x');
  });

  test('finds no credential without a header', () => {
    expect(sent()).toEqual({ kind: 'none' });
    expect(extractTokenFromRequest({ headers: {} })).toBeNull();
  });

  test.each([
    '',
    'Bearer',
    'Bearer ',
    'Bearer a b',
    'Bearer ä',
    'Digest x',
    'Basic',
    'Basic ***',
    `Bearer ${'x'.repeat(20_000)}`,
  ])('a malformed header gives null: %.20j', (header) => {
    expect(sent(header)).toEqual({ kind: 'malformed' });
    expect(extractTokenFromRequest({ headers: { authorization: header } })).toBeNull();
  });

  test('decodes client id and secret from form encoding inside Base64 (RFC 6749 §2.3.1)', () => {
    expect(sent(basic('a%3Ab+c:s%25+d:e'))).toEqual({ kind: 'basic', clientId: 'a:b c', clientSecret: 's% d:e' });
    expect(extractTokenFromRequest({ headers: { authorization: basic('a:b') } })).toBeNull();
  });

  test('reads an API key header as a bearer, and accepts nothing but a key there', () => {
    const sentKey = (key: string | string[], authorization?: string) =>
      sentCredential({ 'x-api-key': key, ...(authorization === undefined ? {} : { authorization }) } as never);
    expect(sentKey('sp_ak_abc')).toEqual({ kind: 'bearer', token: 'sp_ak_abc' });
    for (const key of ['', 'abc', 'sp_ak_', 'sp_ak_a b', `sp_ak_${'x'.repeat(129)}`, ['sp_ak_a', 'sp_ak_b']])
      expect(sentKey(key)).toEqual({ kind: 'malformed' });
    expect(sentKey('sp_ak_abc', 'Bearer x'), 'two credentials are none').toEqual({ kind: 'malformed' });
  });

  test.each(['no colon', '%zz:secret', 'id:%zz'])('a pair that does not decode is malformed: %s', (pair) => {
    expect(sent(basic(pair))).toEqual({ kind: 'malformed' });
  });
});

test('finds a credential name in an address however it is written', () => {
  for (const query of `token=x a=b&access_token=x refresh_token CODE=x a&password=&b %74oken=x access%5Ftoken=x
    a=b%26code=1 client_secret=%zz`.split(/\s+/))
    expect([query, namesCredential(`/v1/tokens?${query}`)]).toEqual([query, true]);
  for (const query of ['', 'a=b', 'token_id=x', 'subtoken=x', 'tokens=x', 'a=token', 'q=%41', 'barcode=1'])
    expect([query, namesCredential(`/v1/tokens?${query}`)]).toEqual([query, false]);
  expect(namesCredential('/v1/token/code')).toBe(false);
});

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

const ask = (remoteAddress: string | undefined, headers: Record<string, string | undefined>): boolean =>
  isSameMachine({ headers, socket: { remoteAddress } } as unknown as Parameters<typeof isSameMachine>[0]);

test.each([
  ['127.0.0.1', 'localhost:3000'],
  ['127.0.0.1', '127.0.0.1:3000'],
  ['::1', '[::1]:3000'],
  ['::ffff:127.0.0.1', 'sallyport.localhost'],
])('%s at %s is on the same machine', (address, host) => expect(ask(address, { host })).toBe(true));

test.each([
  ['another machine', '10.0.0.7', { host: 'localhost:3000' }],
  ['a closed connection', undefined, { host: 'localhost:3000' }],
  ['a name that was rebound to this machine', '127.0.0.1', { host: 'evil.test:3000' }],
  ['a name that only looks local', '127.0.0.1', { host: 'localhost.evil.test' }],
  ['no host', '127.0.0.1', {}],
  ['a request through a proxy', '127.0.0.1', { host: 'localhost:3000', 'x-forwarded-for': '10.0.0.7' }],
  ['a request through a proxy of RFC 7239', '127.0.0.1', { host: 'localhost:3000', forwarded: 'for=10.0.0.7' }],
])('%s is not on the same machine', (_name, address, headers) => expect(ask(address, headers)).toBe(false));
