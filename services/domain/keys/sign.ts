import { createHmac, type KeyObject, sign } from 'node:crypto';
import { promisify } from 'node:util';
import { tokenSignDuration } from '#observability/metrics/tokens.ts';
import { rawOfDer } from '../jws/ecdsa-form.ts';
import { signingUnavailable } from './errors.ts';
import type { KeyAlgorithm } from './key-timeline.ts';

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

export type SignJws = (input: string, alg: KeyAlgorithm, key: KeyObject) => Promise<string>;

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
