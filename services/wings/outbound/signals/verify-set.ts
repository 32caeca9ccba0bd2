import { canonicalBase64url } from '#services/core/jws/canonical-base64url.ts';
import { type JsonObject, parseStrictObject } from '#services/core/jws/strict-json.ts';
import { verifyAssertionSignature } from '#services/core/oauth/assertions/client-assertion.ts';
import { type ClientKeySets, KeysNotRead } from '#services/core/oauth/assertions/client-key-sets.ts';
import { signalKeysUnavailable } from './errors.ts';
import type { SetErrorCode } from './signal-shapes.ts';
import type { TransmitterRow } from './signals.store.ts';

export type HasSignalKeys = { readonly signalKeys: Pick<ClientKeySets, 'decideByKeys'> };

/** Signatures with keys that only their owner has; the CAEP interoperability profile requires RS256. */
const ALGORITHMS = ['RS256', 'PS256', 'ES256', 'EdDSA'];
/** Clocks may differ by this. */
const SKEW_SECONDS = 300;
/** As long as the ids of earlier ones are kept after their arrival, which their time may be ahead of. */
const OLDEST_SECONDS = 90 * 86_400 - SKEW_SECONDS;

/** A Security Event Token (RFC 8417) whose signature is verified. */
type VerifiedSet = { readonly transmitter: TransmitterRow; readonly claims: JsonObject; readonly jti: string };

export class SetRefused extends Error {
  readonly code: SetErrorCode;
  constructor(code: SetErrorCode, description: string) {
    super(description);
    this.name = 'SetRefused';
    this.code = code;
  }
}

const refuse = (code: SetErrorCode, description: string): never => {
  throw new SetRefused(code, description);
};

function objectOf(segment: string): JsonObject | null {
  const bytes = canonicalBase64url(segment);
  return bytes === null ? null : parseStrictObject(bytes.toString('utf8'));
}

function parsed(text: string): { readonly header: JsonObject; readonly claims: JsonObject } {
  const [first = '', second = '', third, ...more] = text.trim().split('.');
  const header = third === undefined || more.length > 0 ? null : objectOf(first);
  const claims = header && objectOf(second);
  if (header === null || claims === null) return refuse('invalid_request', 'The body is no signed JWT.');
  // Explicit typing (RFC 8417 §2.3): an ID or access token of the same issuer is no event.
  const { typ } = header;
  if (typeof typ !== 'string' || typ.toLowerCase().replace(/^application\//, '') !== 'secevent+jwt')
    return refuse('invalid_request', 'The header does not have the type secevent+jwt.');
  // RFC 7515 §4.1.11: no extension is understood here, `b64` (RFC 7797) neither.
  if (header.crit !== undefined) return refuse('invalid_request', 'The header has critical members (crit).');
  return { header, claims };
}

type Signed = 'ok' | 'unknown-key' | 'invalid';

async function assertSigned(
  { signalKeys }: HasSignalKeys,
  text: string,
  hasKid: boolean,
  { jwks_uri: jwksUri }: TransmitterRow,
): Promise<void> {
  const found = await signalKeys.decideByKeys<Signed>(
    { jwks: null, jwks_uri: jwksUri, origin: 'admin' },
    (keys) => verifyAssertionSignature(text.trim(), keys, ALGORITHMS),
    // Without a kid, a new key shows only as a signature that does not verify.
    (signed) => signed === 'unknown-key' || (signed === 'invalid' && !hasKid),
  );
  // RFC 8935 §2.4: a transmitter does not send again what is answered with 400.
  if (found instanceof KeysNotRead) throw signalKeysUnavailable({ retryAfterSeconds: found.retryAfterSeconds });
  if (found === 'unknown-key') refuse('invalid_key', 'No key of the issuer has made this signature.');
  if (found !== 'ok') refuse('authentication_failed', 'The signature is not valid.');
}

const namesAudience = (aud: unknown, audience: string): boolean =>
  Array.isArray(aud) ? aud.includes(audience) : aud === audience;

function assertTimes({ iat }: JsonObject, nowSeconds: number): void {
  if (typeof iat !== 'number' || iat > nowSeconds + SKEW_SECONDS || iat < nowSeconds - OLDEST_SECONDS)
    refuse('invalid_request', 'The time iat is missing, in the future, or more than 90 days ago.');
}

/**
 * Verifies a Security Event Token: its form, issuer, signature, audience and time, in this order.
 * Throws `SetRefused`; `signal_keys_unavailable` (503) if the keys of its issuer cannot be read.
 */
export async function verifySet(
  ports: HasSignalKeys,
  text: string,
  {
    findTransmitter,
    nowSeconds,
  }: { readonly findTransmitter: (issuer: string) => Promise<TransmitterRow | undefined>; readonly nowSeconds: number },
): Promise<VerifiedSet> {
  const { header, claims } = parsed(text);
  const { iss, aud, jti } = claims;
  const transmitter =
    typeof iss === 'string' && iss.length <= 512 && !iss.includes('\0') ? await findTransmitter(iss) : undefined;
  if (transmitter === undefined) return refuse('invalid_issuer', 'No transmitter of this issuer is accepted here.');
  if (typeof header.alg !== 'string' || !ALGORITHMS.includes(header.alg))
    return refuse('invalid_key', `The algorithm must be one of ${ALGORITHMS.join(', ')}.`);
  await assertSigned(ports, text, header.kid !== undefined, transmitter);
  if (!namesAudience(aud, transmitter.audience))
    return refuse('invalid_audience', 'The event is for another audience.');
  assertTimes(claims, nowSeconds);
  if (typeof jti !== 'string' || jti === '' || jti.length > 255)
    return refuse('invalid_request', 'The event has no jti.');
  return { transmitter, claims, jti };
}
