import { randomBytes } from 'node:crypto';
import { decodeProtectedHeader, SignJWT, UnsecuredJWT } from 'jose';
import { describe, expect, test } from 'vitest';
import { loadConfig } from '#services/platform/config/load.ts';
import { guardedFetch } from '#services/platform/http/outbound.ts';
import { LEGACY_AUDIENCE, startLegacyProvider } from '#tools/testing/fakes/legacy-provider.ts';
import { openPeopleHarness } from '#tools/testing/harness/people.ts';
import { opened } from '#tools/testing/opened.ts';
import { createLegacyIssuer } from './legacy-issuer.ts';
import { type LegacyTokenPorts, validateLegacySession } from './validate-legacy-session.ts';

const provider = opened(startLegacyProvider);
const harness = opened(openPeopleHarness);

let aheadMs = 0;
const clock = { now: () => Date.now() + aheadMs, monotonic: () => performance.now() + aheadMs };
const KEYS = () => ({ LEGACY_ISSUER: provider.issuer, LEGACY_JWKS_URI: provider.jwksUri, LEGACY_AUDIENCE });
const portsOf = (env: Record<string, string> = KEYS()): LegacyTokenPorts => ({
  ...harness.deps,
  clock,
  legacyIssuer: createLegacyIssuer(loadConfig(env).legacy, { clock }, guardedFetch),
});
const codeOf = async (token: string, ports = portsOf()): Promise<string> => {
  const verdict = await validateLegacySession(ports, { token });
  return verdict.valid ? 'valid' : verdict.code;
};

describe('a token is refused, each with its own code:', () => {
  test('changed, unsigned, by another algorithm, without a known key, or with a key of ours', async () => {
    const token = await provider.token({ sub: 'u' });
    expect(await codeOf(token)).toBe('valid');
    const [header, , signature] = token.split('.');
    const forged = Buffer.from(JSON.stringify({ iss: provider.issuer, sub: 'admin', exp: 4e9, aud: LEGACY_AUDIENCE }));
    expect(await codeOf(`${header}.${forged.toString('base64url')}.${signature}`)).toBe(
      'legacy_token_signature_invalid',
    );
    expect(await codeOf('no token')).toBe('legacy_token_malformed');
    const unsigned = new UnsecuredJWT({ sub: 'u' }).setIssuer(provider.issuer).encode();
    expect(await codeOf(unsigned)).toBe('legacy_token_algorithm_refused');
    // The public key as an HMAC secret.
    const hmac = await new SignJWT({ sub: 'u' }).setProtectedHeader({ alg: 'HS256' }).sign(randomBytes(32));
    expect(await codeOf(hmac)).toBe('legacy_token_algorithm_refused');
    expect(await codeOf(await provider.token({ sub: 'u' }, { kid: 'none' }))).toBe('legacy_token_key_refused');
    const now = Math.floor(Date.now() / 1_000);
    const own = decodeProtectedHeader(await harness.keyRing.sign({ typ: 'at+jwt' }, { iat: now, exp: now + 60 }));
    expect(await codeOf(await provider.token({ sub: 'u' }, { kid: own.kid }))).toBe('legacy_token_key_refused');
  });

  test('of another issuer, for another audience, expired, not yet valid, without a subject, after the bridge', async () => {
    const now = Math.floor(Date.now() / 1_000);
    expect(await codeOf(await provider.token({ sub: 'u', iss: 'https://evil.example' }))).toBe(
      'legacy_token_issuer_refused',
    );
    expect(await codeOf(await provider.token({ sub: 'u', aud: 'other' }))).toBe('legacy_token_audience_refused');
    expect(await codeOf(await provider.token({ sub: 'u', exp: now - 120 }))).toBe('legacy_token_expired');
    expect(await codeOf(await provider.token({ sub: 'u', nbf: now + 120 }))).toBe('legacy_token_not_yet_valid');
    expect(await codeOf(await provider.token({}))).toBe('legacy_token_malformed');
    const until = (at: string) => portsOf({ ...KEYS(), LEGACY_BRIDGE_UNTIL: at });
    const token = await provider.token({ sub: 'u' });
    expect(await codeOf(token, until('2020-01-01T00:00:00Z'))).toBe('legacy_bridge_ended');
    expect(await codeOf(token, until('2099-01-01T00:00:00Z'))).toBe('valid');
    expect(await codeOf(token, portsOf({}))).toBe('legacy_not_configured');
  });

  test('with a shared secret, by every other secret and algorithm', async () => {
    const secret = randomBytes(32).toString('hex');
    const env = { LEGACY_ISSUER: 'https://old.example', LEGACY_SHARED_SECRET: secret, LEGACY_AUDIENCE };
    const signed = (key: string, alg = 'HS256') =>
      new SignJWT({ sub: 'u', iss: 'https://old.example', aud: LEGACY_AUDIENCE, exp: 4e9 })
        .setProtectedHeader({ alg })
        .sign(Buffer.from(key));
    expect(await codeOf(await signed(secret), portsOf(env))).toBe('valid');
    expect(await codeOf(await signed(`${secret}0`), portsOf(env))).toBe('legacy_token_signature_invalid');
    expect(await codeOf(await signed(secret, 'HS384'), portsOf(env))).toBe('legacy_token_algorithm_refused');
    expect(await codeOf(await provider.token({ sub: 'u' }), portsOf(env))).toBe('legacy_token_algorithm_refused');
  });
});

describe('the keys of the old provider', () => {
  test('are read once for many tokens, again for a new key, and at most every half minute', async () => {
    const ports = portsOf();
    const before = provider.reads();
    const tokens = await Promise.all(Array.from({ length: 10 }, (_, at) => provider.token({ sub: `u${at}` })));
    await Promise.all(tokens.map((token) => codeOf(token, ports)));
    expect(provider.reads() - before).toBe(1);
    await provider.rotate();
    const next = await provider.token({ sub: 'u' });
    await expect(codeOf(next, ports), 'not known yet').rejects.toMatchObject({ code: 'legacy_keys_unavailable' });
    expect(provider.reads() - before).toBe(1);
    aheadMs += 31_000;
    expect(await codeOf(await provider.token({ sub: 'u' }, { kid: undefined }), ports)).toBe('valid');
    expect(await codeOf(next, ports)).toBe('valid');
    expect(provider.reads() - before).toBe(2);
  });

  test('stay in use while the provider is away; without any, the answer is 503', async () => {
    const ports = portsOf();
    const token = await provider.token({ sub: 'u', exp: Math.floor(Date.now() / 1_000) + 7_200 });
    expect(await codeOf(token, ports)).toBe('valid');
    await provider.close();
    aheadMs += 1_200_000;
    expect(await codeOf(token, ports)).toBe('valid');
    await expect(codeOf(token)).rejects.toMatchObject({ code: 'legacy_keys_unavailable' });
    aheadMs += 3_600_000;
    await expect(codeOf(token, ports)).rejects.toMatchObject({ code: 'legacy_keys_unavailable' });
  });
});
