import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { API_URL } from '#tools/testing/harness/api.ts';
import type { Sent } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';
import { openApiKeyHarness } from './api-keys-harness.ts';

const harness = opened(() => openApiKeyHarness());
const other = opened(() => harness.startCopy({ hashes: false }));

describe('using a key', () => {
  test('has its own limit, reported in headers', async () => {
    const { secret } = await harness.makeKey(
      { bearer: harness.admin.bearer },
      { permissions: ['keys:read'], requests_per_minute: 2 },
    );
    const limited = await harness.startCopy({ hashes: false, env: { RATE_LIMIT_PROFILE: 'default' } });
    const ask = () => harness.listWith(secret, limited);
    const answers = [await ask(), await ask(), await ask()];
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 429]);
    expect(answers[0]?.headers.get('ratelimit-policy')).toContain('"api-key";q=2;w=60');
    expect(answers[2]?.headers.get('retry-after')).toMatch(/^\d+$/);
  });

  test('its last use is recorded for the list without a write in the request', async () => {
    const user = await harness.newUser('operator');
    const { id, secret } = await harness.makeKey({ bearer: user.bearer }, { permissions: ['keys:read'] });
    for (let count = 0; count < 3; count += 1) expect((await harness.listWith(secret)).status).toBe(200);
    expect((await harness.own(user))[0]).toMatchObject({ uses: 0, last_used_at: null });
    await harness.api.ports.apiKeyUses.write();
    const [view] = await harness.own(user);
    expect(view).toMatchObject({ api_key_id: id, uses: 3 });
    expect(Date.parse(view.last_used_at)).toBeGreaterThan(Date.now() - 600_000);
  });
});

describe('signed requests (RFC 9421)', () => {
  const pairs = { ES256: generateKeyPairSync('ec', { namedCurve: 'P-256' }), Ed25519: generateKeyPairSync('ed25519') };

  function signed(key: KeyObject, keyId: string, method: string, path: string): Sent {
    const nonce = randomBytes(16).toString('hex');
    const params = `("@method" "@target-uri");created=${Math.floor(Date.now() / 1_000)};nonce="${nonce}";keyid="${keyId}"`;
    const base = [`"@method": ${method}`, `"@target-uri": ${API_URL}${path}`, `"@signature-params": ${params}`].join(
      '\n',
    );
    const type = key.asymmetricKeyType === 'ec' ? 'sha256' : null;
    const signature = sign(type, Buffer.from(base), { key, dsaEncoding: 'ieee-p1363' }).toString('base64');
    return { headers: { 'signature-input': `sig1=${params}`, signature: `sig1=:${signature}:` } };
  }

  test.each(Object.keys(pairs) as (keyof typeof pairs)[])(
    '%s: a signed request passes once; unsigned, replayed and altered requests do not',
    async (name) => {
      const { publicKey, privateKey } = pairs[name];
      const { kty, crv, x, y } = publicKey.export({ format: 'jwk' });
      const { id, secret } = await harness.makeKey(
        { bearer: harness.admin.bearer },
        { permissions: ['keys:read', 'tokens:read'], public_key: { kty, crv, x, ...(y === undefined ? {} : { y }) } },
      );
      expect((await harness.listWith(secret)).body.code).toBe('api_key_signature_invalid');
      const request = signed(privateKey, id, 'GET', '/v1/keys');
      expect((await harness.call('GET', '/v1/keys', { ...request, bearer: secret })).status).toBe(200);
      expect((await harness.call('GET', '/v1/keys', { ...request, bearer: secret, copy: other })).status).toBe(401);
      expect(
        (
          await harness.call('GET', '/v1/tokens/stats', {
            ...signed(privateKey, id, 'GET', '/v1/keys'),
            bearer: secret,
          })
        ).status,
      ).toBe(401);
      const once = signed(privateKey, id, 'GET', '/v1/keys');
      const racing = await Promise.all(
        Array.from({ length: 8 }, (_, at) =>
          harness.call('GET', '/v1/keys', { ...once, bearer: secret, copy: at % 2 ? harness.api : other }),
        ),
      );
      expect(racing.filter(({ status }) => status === 200)).toHaveLength(1);
    },
  );

  test('an invalid public key is refused', async () => {
    const point = randomBytes(32).toString('base64url');
    const answer = await harness.call('POST', '/v1/api-keys', {
      bearer: harness.admin.bearer,
      json: { name: 'bad', public_key: { kty: 'EC', crv: 'P-256', x: point, y: point } },
    });
    expect(answer).toMatchObject({ status: 400, body: { code: 'api_key_public_key_invalid' } });
  });
});
