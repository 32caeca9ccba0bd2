import { generateKeyPairSync, hash, type KeyObject, sign } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { nonceKeptUntilMs, type SignedRequest, verifyRequestSignature } from './request-signature.ts';

const NOW = 1_700_000_000;
const KEY_ID = '0192f0c1-2b3c-7d4e-8f50-61728394a5b6';
const NONCE = 'n'.repeat(22);
const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const ed25519 = generateKeyPairSync('ed25519');
const BODY = Buffer.from('{"hello": "world"}');
const digestOf = (body: Buffer, kind: 'sha256' | 'sha512' = 'sha256'): string =>
  `${kind === 'sha256' ? 'sha-256' : 'sha-512'}=:${hash(kind, body, 'base64')}:`;

type Changes = {
  readonly covered?: string;
  readonly tail?: string;
  readonly label?: string;
  readonly body?: Buffer;
  readonly headers?: Record<string, string | undefined>;
  readonly key?: KeyObject;
  /** Values that are signed in place of those that are sent. */
  readonly signed?: Partial<Record<'method' | 'target', string>>;
};

/** A correctly signed request with some changes. */
function requestWith({
  covered,
  tail,
  label = 'sig1',
  body,
  headers = {},
  key = p256.privateKey,
  signed = {},
}: Changes = {}): SignedRequest {
  const components = covered ?? `("@method" "@target-uri"${body === undefined ? '' : ' "content-digest"'})`;
  const params = components + (tail ?? `;created=${NOW};nonce="${NONCE}";keyid="${KEY_ID}"`);
  const sent: Record<string, string | undefined> = {
    ...(body === undefined ? {} : { 'content-digest': digestOf(body) }),
    ...headers,
  };
  const values: Record<string, string | undefined> = {
    '@method': signed.method ?? 'POST',
    '@target-uri': signed.target ?? 'https://auth.test/v1/keys?a=b',
    ...sent,
  };
  const names = [...components.matchAll(/"([^"]+)"/g)].map(([, name = '']) => name);
  const base = [...names.map((name) => `"${name}": ${values[name]}`), `"@signature-params": ${params}`].join('\n');
  const type = key.asymmetricKeyType === 'ec' ? 'sha256' : null;
  const signature = sign(type, Buffer.from(base), { key, dsaEncoding: 'ieee-p1363' }).toString('base64');
  const all: Record<string, string | undefined> = {
    'signature-input': `${label}=${params}`,
    signature: `${label}=:${signature}:`,
    ...sent,
  };
  return { method: 'POST', targetUri: 'https://auth.test/v1/keys?a=b', header: (name) => all[name], body };
}

const verify = (request: SignedRequest, publicKey = p256.publicKey, nowSeconds = NOW) =>
  verifyRequestSignature(request, { id: KEY_ID, publicKey }, nowSeconds * 1_000);

describe('request signatures', () => {
  test('by P-256 and Ed25519 keys verify, with and without a body, with either digest', () => {
    const ok = { outcome: 'ok', nonce: NONCE, created: NOW };
    expect([verify(requestWith()), verify(requestWith({ body: BODY }))]).toEqual([ok, ok]);
    expect(verify(requestWith({ body: BODY, headers: { 'content-digest': digestOf(BODY, 'sha512') } }))).toEqual(ok);
    expect(verify(requestWith({ key: ed25519.privateKey }), ed25519.publicKey)).toEqual(ok);
    const more = requestWith({
      covered: '("@target-uri" "content-type" "@method")',
      headers: { 'content-type': 'text/x' },
    });
    expect(verify(more)).toEqual(ok);
    const named = `;keyid="${KEY_ID}";alg="ecdsa-p256-sha256";created=${NOW};expires=${NOW};nonce="${NONCE}"`;
    expect(verify(requestWith({ tail: named }))).toEqual(ok);
  });

  test.each([
    ['no signature', { headers: { signature: undefined } }],
    ['no input', { headers: { 'signature-input': undefined } }],
  ])('%s is reported as missing', (_name, changes) => {
    expect(verify(requestWith(changes))).toMatchObject({ outcome: 'missing' });
  });

  const tail = (change: string): string => change.replaceAll('NONCE', NONCE).replaceAll('KEYID', KEY_ID);
  test.each<[string, Changes]>([
    ['another method', { signed: { method: 'GET' } }],
    ['another address', { signed: { target: 'https://auth.test/v1/keys' } }],
    ['another origin', { signed: { target: 'https://evil.test/v1/keys?a=b' } }],
    ['another key', { key: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey }],
    ['no method', { covered: '("@target-uri")' }],
    ['no address', { covered: '("@method")' }],
    ['a body that is not covered', { body: BODY, covered: '("@method" "@target-uri")' }],
    ['a body without its digest', { body: BODY, headers: { 'content-digest': undefined } }],
    ['the digest of another body', { body: BODY, headers: { 'content-digest': digestOf(Buffer.from('{}')) } }],
    ['a digest by a weak hash', { body: BODY, headers: { 'content-digest': 'md5=:aaaa:' } }],
    ['a header that was not sent', { covered: '("@method" "@target-uri" "x-missing")' }],
    ['an unsupported derived component', { covered: '("@method" "@target-uri" "@status")' }],
    ['a component twice', { covered: '("@method" "@method" "@target-uri")' }],
    ['a parameter of a component', { covered: '("@method";req "@target-uri")' }],
    ['an old signature', { tail: tail(`;created=${NOW - 301};nonce="NONCE";keyid="KEYID"`) }],
    ['a signature from the future', { tail: tail(`;created=${NOW + 31};nonce="NONCE";keyid="KEYID"`) }],
    ['a signature without a time', { tail: tail(';nonce="NONCE";keyid="KEYID"') }],
    ['a time that is text', { tail: tail(`;created="${NOW}";nonce="NONCE";keyid="KEYID"`) }],
    ['an expired signature', { tail: tail(`;created=${NOW};expires=${NOW - 1};nonce="NONCE";keyid="KEYID"`) }],
    ['an expiry that is text', { tail: tail(`;created=${NOW};expires="never";nonce="NONCE";keyid="KEYID"`) }],
    ['no nonce', { tail: tail(`;created=${NOW};keyid="KEYID"`) }],
    ['a short nonce', { tail: tail(`;created=${NOW};nonce="short";keyid="KEYID"`) }],
    ['a nonce that is spaces', { tail: tail(`;created=${NOW};nonce="${' '.repeat(20)}";keyid="KEYID"`) }],
    ['a nonce that is a number', { tail: tail(`;created=${NOW};nonce=123456789012;keyid="KEYID"`) }],
    ['no key id', { tail: tail(`;created=${NOW};nonce="NONCE"`) }],
    ['another key id', { tail: tail(`;created=${NOW};nonce="NONCE";keyid="other"`) }],
    ['another algorithm', { tail: tail(`;created=${NOW};nonce="NONCE";keyid="KEYID";alg="ed25519"`) }],
    ['a symmetric algorithm', { tail: tail(`;created=${NOW};nonce="NONCE";keyid="KEYID";alg="hmac-sha256"`) }],
    ['a parameter twice', { tail: tail(`;created=${NOW};created=${NOW};nonce="NONCE";keyid="KEYID"`) }],
    ['no parameter', { tail: '' }],
    ['labels that differ', { headers: { signature: `sig2=:${'A'.repeat(86)}==:` } }],
    ['two signatures', { headers: { signature: `sig1=:${'A'.repeat(86)}==:, sig2=:${'A'.repeat(86)}==:` } }],
    ['a malformed signature', { headers: { signature: 'sig1=:AAAA:' } }],
    ['a signature of zeros', { headers: { signature: `sig1=:${'A'.repeat(86)}==:` } }],
    ['malformed input', { headers: { 'signature-input': 'sig1=()' } }],
    ['input of 5,000 bytes', { headers: { 'signature-input': `sig1=(${'"a" '.repeat(1_250)})` } }],
    ['a signature of 5,000 bytes', { headers: { signature: 'A'.repeat(5_000) } }],
  ])('%s is rejected', (_name, changes) => {
    const result = verify(requestWith(changes));
    expect(result).toMatchObject({ outcome: 'invalid', why: expect.stringMatching(/./) });
    expect(JSON.stringify(result)).not.toContain(NONCE);
  });

  test('a nonce is kept for as long as its request would be accepted', () => {
    const request = requestWith();
    expect(verify(request, undefined, NOW + 300)).toMatchObject({ outcome: 'ok' });
    expect(verify(request, undefined, NOW + 301)).toMatchObject({ outcome: 'invalid' });
    expect(nonceKeptUntilMs(NOW)).toBeGreaterThan((NOW + 300) * 1_000);
  });
});
