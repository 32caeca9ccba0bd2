import { hash } from 'node:crypto';
import type { AsymmetricAlgorithm } from '#services/core/keys/algorithm-shapes.ts';
import type { HasKeyRing } from '#services/core/keys/key-ring.ts';
import type { Ports } from '#services/core/ports.ts';
import type { HasTokenSettings } from '#services/core/tokens/token-settings.ts';

/** RFC 9421 §3.3, of the algorithms of our keys. */
const ALGORITHMS: Readonly<Record<AsymmetricAlgorithm, string>> = {
  RS256: 'rsa-v1_5-sha256',
  ES256: 'ecdsa-p256-sha256',
  EdDSA: 'ed25519',
};
/** A receiver accepts a signature for this time, so its key must be published for longer. */
const SIGNATURE_SECONDS = 300;
const LABEL = 'sallyport';

export type SignHandoffPorts = Pick<Ports, 'clock'> &
  HasKeyRing & { readonly tokenSettings: Pick<HasTokenSettings['tokenSettings'], 'accessTokenSeconds'> };

/**
 * The headers of a request that pushes events: digest of the body (RFC 9530), the id of the event as idempotency key,
 * and a signature (RFC 9421) over both, the method and the URL, by the key that signs tokens.
 */
export async function signHandoff(
  { clock, keyRing, tokenSettings }: SignHandoffPorts,
  {
    url,
    eventId,
    body,
    contentType = 'application/cloudevents+json',
  }: { readonly url: string; readonly eventId: string; readonly body: string; readonly contentType?: string },
): Promise<Readonly<Record<string, string>>> {
  const signed = {
    'content-type': contentType,
    'content-digest': `sha-256=:${hash('sha256', body, 'base64')}:`,
    'idempotency-key': `"${eventId}"`,
  };
  const components = { '@method': 'POST', '@target-uri': new URL(url).href, ...signed };
  const covered = Object.keys(components).map((name) => `"${name}"`);
  const created = Math.floor(clock.now() / 1_000);
  const expires = created + Math.min(SIGNATURE_SECONDS, tokenSettings.accessTokenSeconds);
  const { kid, alg, signature } = await keyRing.signMessage((key) => {
    const params = paramsOf(key);
    return [
      ...Object.entries(components).map(([name, value]) => `"${name}": ${value}`),
      `"@signature-params": ${params}`,
    ].join('\n');
  });
  function paramsOf(key: { readonly kid: string; readonly alg: AsymmetricAlgorithm }): string {
    return `(${covered.join(' ')});created=${created};expires=${expires};keyid="${key.kid}";alg="${ALGORITHMS[key.alg]}";tag="sallyport-handoff"`;
  }
  return {
    ...signed,
    'signature-input': `${LABEL}=${paramsOf({ kid, alg })}`,
    signature: `${LABEL}=:${signature.toString('base64')}:`,
  };
}
