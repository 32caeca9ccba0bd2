import { createHmac, type KeyObject, sign } from 'node:crypto';
import { promisify } from 'node:util';
import { tokenSignDuration } from '#observability/metrics/tokens.ts';
import { rawOfDer } from '../jws/ecdsa-form.ts';
import type { AsymmetricAlgorithm } from './algorithm-shapes.ts';
import { signingUnavailable } from './errors.ts';
import { ACCESS_PURPOSE, algorithmPurpose, type KeyAlgorithm, sharedSecretPurpose } from './key-timeline.ts';
import type { OpenKeys, Signer } from './open-keys.ts';

/** The threads of Node's pool. More signatures in flight would only queue there, before file and DNS work. */
const POOL_LIMIT = 4;
/** Longest queue: callers in a longer one would time out. */
const WAITING_LIMIT = 8_192;

const signInPool = promisify<string, Buffer, KeyObject, Buffer>(sign);

const durations = {
  RS256: tokenSignDuration.at({ algorithm: 'RS256' }),
  ES256: tokenSignDuration.at({ algorithm: 'ES256' }),
  EdDSA: tokenSignDuration.at({ algorithm: 'EdDSA' }),
  HS256: tokenSignDuration.at({ algorithm: 'HS256' }),
};

type SignJws = (input: string, alg: KeyAlgorithm, key: KeyObject) => Promise<string>;

/**
 * Signs a JWS signing input (RFC 7515 §5.1): `<input>.<signature>`. RS256 takes a third of a millisecond and runs in
 * Node's pool, four at a time, first in, first out. ES256 (R and S side by side, RFC 7518 §3.4), EdDSA and HS256 take
 * some 20 µs and run in place.
 * @returns rejects with `signingUnavailable` (503) when too many wait
 */
export function createSign(): SignJws {
  const waiting: (() => void)[] = [];
  let inFlight = 0;

  async function signRsa(data: Buffer, key: KeyObject): Promise<Buffer> {
    if (inFlight < POOL_LIMIT) inFlight += 1;
    else if (waiting.length < WAITING_LIMIT) await new Promise<void>((resolve) => waiting.push(resolve));
    else throw signingUnavailable({ retryAfterSeconds: 2 });
    try {
      return await signInPool('sha256', data, key);
    } finally {
      const next = waiting.shift();
      // The slot passes to the next in the queue, so that a later call cannot overtake it.
      if (next) next();
      else inFlight -= 1;
    }
  }

  async function signatureOf(data: Buffer, alg: KeyAlgorithm, key: KeyObject): Promise<Buffer> {
    if (alg === 'RS256') return signRsa(data, key);
    if (alg === 'ES256') return rawOfDer(sign('sha256', data, key));
    if (alg === 'EdDSA') return sign(null, data, key);
    return createHmac('sha256', key).update(data).digest();
  }

  return async (input, alg, key) => {
    const startedAt = performance.now();
    const signature = await signatureOf(Buffer.from(input, 'latin1'), alg, key);
    durations[alg].record((performance.now() - startedAt) / 1_000);
    return `${input}.${signature.toString('base64url')}`;
  };
}

const TYPS_KEPT = 16;
const SHARED_SECRET_TYP = 'at+jwt';

const encode = (text: string): string => Buffer.from(text).toString('base64url');

/** The one key of a purpose whose range is current. */
function signerAt(keys: OpenKeys, purpose: string, nowMs: number): Signer | undefined {
  const signers = keys.signers.get(purpose);
  if (signers === undefined) return undefined;
  for (const signer of signers) if (nowMs >= signer.row.signs_from && nowMs < signer.until) return signer;
  return undefined;
}

export type SignerNeeds = {
  readonly typ: string;
  readonly audience: unknown;
  /** The algorithm that the client is registered for; undefined: the default. */
  readonly algorithm: AsymmetricAlgorithm | undefined;
};

/**
 * The key that signs now. In HS256 mode access tokens are signed with the secret shared with their audience, if any. A
 * client's own algorithm comes first; no key of another algorithm replaces it.
 */
export function chooseSigner(
  keys: OpenKeys,
  mode: KeyAlgorithm,
  { typ, audience, algorithm }: SignerNeeds,
  nowMs: number,
): Signer | undefined {
  if (algorithm !== undefined) {
    const signer = signerAt(keys, ACCESS_PURPOSE, nowMs);
    return signer?.row.alg === algorithm ? signer : signerAt(keys, algorithmPurpose(algorithm), nowMs);
  }
  if (mode === 'HS256' && typ === SHARED_SECRET_TYP && typeof audience === 'string') {
    const shared = signerAt(keys, sharedSecretPurpose(audience), nowMs);
    if (shared) return shared;
  }
  return signerAt(keys, ACCESS_PURPOSE, nowMs);
}

function headerOf(signer: Signer, typ: string): string {
  const known = signer.headers.get(typ);
  if (known !== undefined) return known;
  const made = `${encode(JSON.stringify({ alg: signer.row.alg, kid: signer.row.kid, typ }))}.`;
  if (signer.headers.size < TYPS_KEPT) signer.headers.set(typ, made);
  return made;
}

/**
 * What a key signs (RFC 7515 §5.1): protected header and payload.
 * @throws RangeError where the key would leave the key set before this token expires
 */
export function signingInput(signer: Signer, typ: string, claims: object, nowMs: number): string {
  const { exp } = claims as { readonly exp?: unknown };
  const { longest_token_seconds: longestTokenSeconds } = signer.row;
  const longest = nowMs / 1_000 + longestTokenSeconds;
  if (typeof exp === 'number' && exp > longest + 1)
    throw new RangeError(`a token of ${Math.ceil(exp - nowMs / 1_000)} s outlives its key's ${longestTokenSeconds} s`);
  return headerOf(signer, typ) + encode(JSON.stringify(claims));
}
