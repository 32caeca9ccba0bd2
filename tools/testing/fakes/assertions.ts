// For tests only: clients that authenticate by assertions they sign (RFC 7523), and a server that accepts none.
import { generateKeyPairSync, type JsonWebKey, type KeyObject, randomUUID } from 'node:crypto';
import { SignJWT } from 'jose';
import { ASSERTION_TYPE } from '#services/core/access/assertion-shapes.ts';
import { clientUnauthenticated } from '#services/platform/errors.ts';

type AssertionAlgorithm = 'ES256' | 'EdDSA' | 'PS256' | 'RS256';

export type AssertionChanges = {
  readonly header?: Readonly<Record<string, unknown>>;
  /** `undefined` leaves a claim out. */
  readonly claims?: Readonly<Record<string, unknown>>;
  readonly key?: KeyObject | Uint8Array;
};

export type AssertionMaker = {
  readonly jwk: JsonWebKey & { readonly kid: string };
  readonly privateKey: KeyObject;
  /** An assertion of the client for the issuer, valid for a minute. */
  assertion(clientId: string, issuer: string, changes?: AssertionChanges): Promise<string>;
  /** The form parameters with which the client authenticates. */
  form(clientId: string, issuer: string, changes?: AssertionChanges): Promise<Record<string, string>>;
};

const pairOf = (alg: AssertionAlgorithm) => {
  if (alg === 'ES256') return generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return alg === 'EdDSA' ? generateKeyPairSync('ed25519') : generateKeyPairSync('rsa', { modulusLength: 2_048 });
};

/** @param now Unix seconds */
export function newAssertionMaker(
  alg: AssertionAlgorithm = 'ES256',
  now: () => number = () => Math.floor(Date.now() / 1_000),
): AssertionMaker {
  const { publicKey, privateKey } = pairOf(alg);
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid: randomUUID(), use: 'sig' };
  const assertion: AssertionMaker['assertion'] = (clientId, issuer, { header = {}, claims = {}, key } = {}) => {
    const seconds = now();
    const all = { iss: clientId, sub: clientId, aud: issuer, iat: seconds, exp: seconds + 60, jti: randomUUID() };
    const sent = Object.fromEntries(Object.entries({ ...all, ...claims }).filter(([, value]) => value !== undefined));
    const protectedHeader = Object.fromEntries(
      Object.entries({ alg, kid: jwk.kid, ...header }).filter(([, value]) => value !== undefined),
    ) as { alg: string };
    return new SignJWT(sent).setProtectedHeader(protectedHeader).sign(key ?? privateKey);
  };
  return {
    jwk,
    privateKey,
    assertion,
    form: async (...made) => ({ client_assertion_type: ASSERTION_TYPE, client_assertion: await assertion(...made) }),
  };
}

/** An authenticator that accepts no assertion. */
export const refusesAssertions = (): Promise<never> => Promise.reject(clientUnauthenticated());
