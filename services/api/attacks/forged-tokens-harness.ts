// For tests only: forged tokens, and the products that must reject them.
import { createHmac, generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import { expect } from 'vitest';
import { encoded, openSigningKey, type SigningKey, signAs } from '#tools/testing/fixtures/signing-key.ts';
import { claimsIn, signIn, type TestUser } from '#tools/testing/flows/flows.ts';
import { type Product, type ProductHarness, startProductHarness } from '#tools/testing/harness/product.ts';
import { type Json, send } from '#tools/testing/http-client.ts';
import { listening } from '#tools/testing/listening.ts';

/** A product, its signing key, and an administrator's valid token with its claims. */
export type Target = {
  readonly product: Product;
  readonly key: SigningKey;
  readonly claims: Json;
  readonly good: string;
  readonly admin: TestUser;
};

export async function targetOf(product: Product): Promise<Target> {
  const admin = await signIn(product, product.credentials.admin);
  const good = admin.tokens.access_token;
  return { product, key: await openSigningKey(product), claims: claimsIn(good), good, admin };
}

export const attacker = generateKeyPairSync('rsa', { modulusLength: 2_048 });

/** The attacker's key server: it waits for a verifier to fetch the attacker's keys. */
export type Listener = { readonly url: string; connections(): number; close(): void };

export async function startListener(): Promise<Listener> {
  let connections = 0;
  const server = createServer((_request, response) => {
    const jwk = { ...attacker.publicKey.export({ format: 'jwk' }), kid: 'attacker', alg: 'RS256', use: 'sig' };
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys: [jwk] }));
  });
  server.on('connection', () => {
    connections += 1;
  });
  const { url, close } = await listening(server);
  return { url, connections: () => connections, close: () => void close() };
}

/** The header of the product's tokens, with changes. */
export const headerOf = ({ key }: Target, changes: object = {}): object => ({
  alg: key.alg,
  kid: key.kid,
  typ: 'at+jwt',
  ...changes,
});
/** A token signed with the product's key, invalid only by its content. */
export const own = (target: Target, changes: object, header: object = {}): string =>
  signAs(target.key, headerOf(target, header), { ...target.claims, ...changes });
export const byAttacker = (header: object, claims: Json): string =>
  signAs({ kid: 'attacker', alg: 'RS256', privateKey: attacker.privateKey }, header, claims);
export const withHmac = (header: object, claims: Json, key: string | Buffer, digest = 'sha256'): string => {
  const input = `${encoded(header)}.${encoded(claims)}`;
  return `${input}.${createHmac(digest, key).update(input).digest('base64url')}`;
};

/** Rejected everywhere: validate gives the reason, introspection nothing, and a protected route 401 invalid_token. */
export async function expectRejected(
  { product }: Target,
  label: unknown,
  token: string,
  reason?: string,
): Promise<void> {
  const validated = await send(product.api, 'POST', '/v1/tokens/validate', { json: { token } });
  expect([label, validated.status, validated.body]).toEqual([
    label,
    200,
    { active: false, reason: reason ?? expect.any(String) },
  ]);
  const introspected = await send(product.api, 'POST', '/oauth2/introspect', {
    basic: product.credentials.client,
    form: { token },
  });
  expect([label, introspected.status, introspected.text]).toEqual([label, 200, '{"active":false}']);
  if (!/^[\x21-\x7e]+$/.test(token)) return;
  const route = await send(product.api, 'GET', '/v1/keys', { bearer: token });
  expect([label, route.status]).toEqual([label, 401]);
  // A value that does not have the form of a bearer token is treated as no credential (RFC 6750 §3.1).
  if (/^[\w.~+/-]+=*$/.test(token)) expect(route.headers.get('www-authenticate')).toContain('error="invalid_token"');
}

/** Two products without clock leeway, one that signs with RSA and one with an elliptic curve: one harness per test file. */
export async function openForgedHarness() {
  const start = (algorithm: 'RS256' | 'ES256'): Promise<ProductHarness> =>
    startProductHarness({ JWT_ALGORITHM: algorithm, JWT_LEEWAY: '0' });
  const started = await Promise.allSettled([start('RS256'), start('ES256')]);
  const harnesses = started.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
  const close = async (): Promise<void> => {
    await Promise.all(harnesses.map((harness) => harness.close()));
  };
  try {
    for (const each of started) if (each.status === 'rejected') throw each.reason;
    const [rsa, ec] = (await Promise.all(harnesses.map(({ product }) => targetOf(product)))) as [Target, Target];
    const expectUnharmed = async (): Promise<void> => {
      for (const harness of harnesses) await harness.expectUnharmed();
    };
    return { rsa, ec, expectUnharmed, close };
  } catch (err) {
    await close();
    throw err;
  }
}
