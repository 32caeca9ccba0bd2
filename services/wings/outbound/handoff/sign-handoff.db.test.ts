import { createPublicKey, verify } from 'node:crypto';
import { beforeEach, expect, test } from 'vitest';
import { openKeyHarness } from '#services/core/keys/key-harness.ts';
import { opened } from '#tools/testing/opened.ts';
import { signHandoff } from './sign-handoff.ts';

const harness = opened(openKeyHarness);
beforeEach(() => harness.empty());

const URL_SIGNED = 'https://siem.example.test/events?source=auth';
const event = { url: URL_SIGNED, eventId: 'e1', body: '{"id":"e1"}' };
const tokenSettings = { accessTokenSeconds: 900 };

test.each([
  ['EdDSA', 'ed25519', null],
  ['ES256', 'ecdsa-p256-sha256', 'sha256'],
  ['RS256', 'rsa-v1_5-sha256', 'sha256'],
] as const)('a key of %s signs the base of RFC 9421 as %s', async (algorithm, registered, digest) => {
  const keyRing = await harness.startRing(algorithm);
  const headers = await signHandoff({ ...harness.ports, keyRing, tokenSettings }, event);
  const params = (headers['signature-input'] as string).replace('sallyport=', '');
  const kid = /keyid="([^"]+)"/.exec(params)?.[1];
  expect(params).toContain(`;alg="${registered}";tag="sallyport-handoff"`);
  const base = [
    '"@method": POST',
    `"@target-uri": ${URL_SIGNED}`,
    '"content-type": application/cloudevents+json',
    `"content-digest": ${headers['content-digest']}`,
    '"idempotency-key": "e1"',
    `"@signature-params": ${params}`,
  ].join('\n');
  const jwk = JSON.parse(keyRing.jwks().body).keys.find((each: { kid: string }) => each.kid === kid);
  const key = { key: createPublicKey({ key: jwk, format: 'jwk' }), dsaEncoding: 'ieee-p1363' } as const;
  const signature = Buffer.from((headers.signature as string).slice('sallyport=:'.length, -1), 'base64');
  expect(verify(digest, Buffer.from(base), key, signature)).toBe(true);
});

test('a signature is accepted for five minutes at most, and never for longer than its key is published', async () => {
  const keyRing = await harness.startRing();
  const lasts = async (accessTokenSeconds: number) => {
    const settings = { accessTokenSeconds };
    const headers = await signHandoff({ ...harness.ports, keyRing, tokenSettings: settings }, event);
    const [, created, expires] = /created=(\d+);expires=(\d+)/.exec(headers['signature-input'] as string) ?? [];
    return Number(expires) - Number(created);
  };
  expect([await lasts(900), await lasts(60)]).toEqual([300, 60]);
});

test('token confusion: no message is signed that could be the signing input of a token', async () => {
  const keyRing = await harness.startRing();
  await expect(keyRing.signMessage(() => 'eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJldmUifQ')).rejects.toThrow('signing input');
  await expect(keyRing.signMessage(() => '')).rejects.toThrow('signing input');
});
