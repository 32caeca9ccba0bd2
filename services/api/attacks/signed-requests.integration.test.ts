import { createHmac, generateKeyPairSync, hash, type KeyObject, randomBytes, sign } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { API_URL } from '#tools/testing/harness/api.ts';
import { expectProblem, type Received, requestText, send, sendBytes } from '#tools/testing/http-client.ts';
import { hasWings } from '#tools/testing/processes/child-env.ts';
import { type ApiKeyHarness, openApiKeyHarness } from '../routes/api-keys-harness.ts';

const { publicKey, privateKey } = generateKeyPairSync('ed25519');
const { kty, crv, x } = publicKey.export({ format: 'jwk' });
const other = generateKeyPairSync('ed25519');
const PATH = '/v1/keys';

let harness: ApiKeyHarness;
let key: { readonly id: string; readonly secret: string };
/** Another key of the same owner, bound to the same public key. */
let twin: { readonly id: string; readonly secret: string };
beforeAll(async () => {
  harness = await openApiKeyHarness();
  const json = { permissions: ['keys:read', 'signoffs:request'], public_key: { kty, crv, x } };
  key = await harness.makeKey({ bearer: harness.admin.bearer }, json);
  twin = await harness.makeKey({ bearer: harness.admin.bearer }, json);
});
afterAll(() => harness?.close());

const now = (seconds = 0): number => Math.floor(Date.now() / 1_000) + seconds;
const newNonce = (): string => randomBytes(16).toString('hex');

/** What is signed; all of it as it is sent unless changed. */
type Signed = {
  readonly method?: string;
  readonly target?: string;
  readonly digest?: string;
  readonly components?: readonly string[];
  readonly parameters?: string;
  readonly with?: KeyObject;
};

/** Headers of a signature over these values. */
function signed(changes: Signed = {}): Record<string, string> {
  const { method = 'GET', target = API_URL + PATH, digest, with: signer = privateKey } = changes;
  const names = changes.components ?? ['@method', '@target-uri', ...(digest === undefined ? [] : ['content-digest'])];
  const values: Record<string, string | undefined> = {
    '@method': method,
    '@target-uri': target,
    'content-digest': digest,
  };
  const parameters = changes.parameters ?? `;created=${now()};nonce="${newNonce()}";keyid="${key.id}"`;
  const params = `(${names.map((name) => `"${name}"`).join(' ')})${parameters}`;
  const base = [...names.map((name) => `"${name}": ${values[name]}`), `"@signature-params": ${params}`].join('\n');
  const signature = sign(null, Buffer.from(base), signer).toString('base64');
  return {
    'signature-input': `sig1=${params}`,
    signature: `sig1=:${signature}:`,
    ...(digest === undefined ? {} : { 'content-digest': digest }),
  };
}
const digestOf = (body: string): string => `sha-256=:${hash('sha256', body, 'base64')}:`;

const ask = (headers: Record<string, string>, path = PATH, method = 'GET'): Promise<Received> =>
  send(harness.api.url, method, path, { bearer: key.secret, headers });
const refused = (answer: Received | undefined): void =>
  expectProblem(answer as Received, 401, 'api_key_signature_invalid');

describe('a thief of the secret, who saw signed requests', () => {
  test('is served with a signature by the registered key alone', async () => {
    expect((await ask(signed())).status).toBe(200);
    refused(await ask({}));
    refused(await ask(signed({ with: other.privateKey })));
  });

  test.each<[string, Signed]>([
    ['another method', { method: 'POST' }],
    ['another path', { target: `${API_URL}/v1/tokens/stats` }],
    ['another query', { target: `${API_URL}${PATH}?a=b` }],
    ['another authority', { target: `http://evil.test${PATH}` }],
    ['the same path over another scheme', { target: `${API_URL.replace('http:', 'https:')}${PATH}` }],
    ['the path in another spelling', { target: `${API_URL}/v1/%6beys` }],
    ['no method', { components: ['@target-uri'] }],
    ['no address', { components: ['@method'] }],
    ['nothing', { components: [] }],
  ])('cannot use one that signs %s', async (_what, changes) => refused(await ask(signed(changes))));

  test('cannot replay one, nor move it to another key of the same owner and public key', async () => {
    const headers = signed();
    expect((await ask(headers)).status).toBe(200);
    refused(await ask(headers));
    refused(await send(harness.api.url, 'GET', PATH, { bearer: twin.secret, headers: signed() }));
    const forTwin = signed({ parameters: `;created=${now()};nonce="${newNonce()}";keyid="${twin.id}"` });
    refused(await ask(forTwin));
    expect((await send(harness.api.url, 'GET', PATH, { bearer: twin.secret, headers: forTwin })).status).toBe(200);
  });

  test.each([
    ['too old', () => `;created=${now(-302)};nonce="${newNonce()}";keyid="${key.id}"`],
    ['from the future', () => `;created=${now(120)};nonce="${newNonce()}";keyid="${key.id}"`],
    ['expired', () => `;created=${now(-10)};expires=${now(-5)};nonce="${newNonce()}";keyid="${key.id}"`],
    ['without a time', () => `;nonce="${newNonce()}";keyid="${key.id}"`],
    ['without a nonce', () => `;created=${now()};keyid="${key.id}"`],
    ['without a key id', () => `;created=${now()};nonce="${newNonce()}"`],
    ['of another algorithm', () => `;created=${now()};nonce="${newNonce()}";keyid="${key.id}";alg="hmac-sha256"`],
    ['with two times', () => `;created=${now()};created=${now()};nonce="${newNonce()}";keyid="${key.id}"`],
  ])('cannot use one that is %s', async (_what, parameters) => {
    refused(await ask(signed({ parameters: parameters() })));
  });

  test('algorithm confusion: an HMAC with the public key, which everyone may know, is no signature', async () => {
    const headers = signed({ parameters: `;created=${now()};nonce="${newNonce()}";keyid="${key.id}";alg="ed25519"` });
    const mac = createHmac('sha512', publicKey.export({ format: 'der', type: 'spki' }))
      .update('x')
      .digest('base64');
    refused(await ask({ ...headers, signature: `sig1=:${mac}:` }));
  });

  test('cannot add a second signature, in one header or in two lines', async () => {
    const [one, two] = [signed(), signed({ method: 'POST' })];
    const renamed = Object.fromEntries(
      Object.entries(two).map(([name, value]) => [name, value.replace('sig1=', 'sig2=')]),
    );
    for (const [first, second] of [
      [one, renamed],
      [renamed, one],
    ] as const) {
      const both = Object.fromEntries(Object.keys(first).map((name) => [name, `${first[name]}, ${second[name]}`]));
      refused(await ask(both));
    }
    const lines = [one, renamed].flatMap((each) => Object.entries(each).map(([name, value]) => `${name}: ${value}`));
    const text = requestText('GET', PATH, [`authorization: Bearer ${key.secret}`, ...lines]);
    refused(await sendBytes(harness.api.url, text));
  });
});

describe('a body', () => {
  const SIGNOFFS = '/v1/handoff/signoffs';
  const target = API_URL + SIGNOFFS;
  const bodyOf = (version: string): string =>
    JSON.stringify({
      act: 'release.deploy',
      arguments: { version },
      title: 'Deploy',
      required_roles: ['qa'],
      quorum: 1,
    });
  const body = bodyOf('1.4');
  const swapped = bodyOf('1.5');
  const post = (sent: string, headers: Record<string, string>): Promise<Received> =>
    send(harness.api.url, 'POST', SIGNOFFS, {
      bearer: key.secret,
      body: sent,
      headers: { 'content-type': 'application/json', ...headers },
    });

  test.runIf(hasWings)('is accepted with its digest signed, and with no other', async () => {
    const answer = await post(body, signed({ method: 'POST', target, digest: digestOf(body) }));
    expect(answer.status, answer.text).toBe(201);
    refused(await post(swapped, signed({ method: 'POST', target, digest: digestOf(body) })));
    const unsigned = signed({ method: 'POST', target });
    refused(await post(body, unsigned));
    refused(await post(body, { ...unsigned, 'content-digest': digestOf(body) }));
    const two = `${digestOf(swapped)}, ${digestOf(body)}`;
    refused(await post(body, signed({ method: 'POST', target, digest: two })));
    refused(await post(body, signed({ method: 'POST', target, digest: `sha-256=:${'A'.repeat(43)}=:` })));
    expect(await harness.rows`SELECT 1 FROM signoffs`).toHaveLength(1);
  });

  test('beside a signature of a request without one is never acted on', async () => {
    // A GET has no body that an endpoint reads; one that carries some is refused or answered as if it had none.
    const { 'signature-input': input = '', signature = '' } = signed();
    const plain = await ask(signed());
    const lines = [
      `authorization: Bearer ${key.secret}`,
      `signature-input: ${input}`,
      `signature: ${signature}`,
      'content-type: application/json',
    ];
    const smuggled = await sendBytes(harness.api.url, requestText('GET', PATH, lines, '{"limit":1}'));
    if (smuggled?.status === 200) expect(smuggled.body).toEqual(plain.body);
    else expect([400, 401, 413, 415]).toContain(smuggled?.status);
  });
});
