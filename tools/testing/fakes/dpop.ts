// For tests only: DPoP proofs of honest clients and of attackers.
import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';

export type ProofMaker = {
  readonly jwk: Record<string, unknown>;
  readonly privateKey: KeyObject;
  /** A proof for this request; members of header and claims can be changed, `undefined` leaves one out. */
  proof(htm: string, htu: string, changes?: ProofChanges): string;
};

export type ProofChanges = {
  readonly header?: Readonly<Record<string, unknown>>;
  readonly claims?: Readonly<Record<string, unknown>>;
  readonly accessToken?: string;
  readonly nonce?: string;
};

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const pairs = {
  ES256: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  EdDSA: () => generateKeyPairSync('ed25519'),
  RS256: () => generateKeyPairSync('rsa', { modulusLength: 2_048 }),
};

export function newProofMaker(
  alg: keyof typeof pairs = 'ES256',
  now = () => Math.floor(Date.now() / 1_000),
): ProofMaker {
  const { publicKey, privateKey } = pairs[alg]();
  const jwk = publicKey.export({ format: 'jwk' }) as Record<string, unknown>;
  let made = 0;
  return {
    jwk,
    privateKey,
    proof(htm, htu, { header = {}, claims = {}, accessToken, nonce } = {}) {
      made += 1;
      const input = `${encode({ typ: 'dpop+jwt', alg, jwk, ...header })}.${encode({
        jti: `proof-${made}-${Math.random()}`,
        htm,
        htu,
        iat: now(),
        ...(accessToken === undefined ? {} : { ath: createHash('sha256').update(accessToken).digest('base64url') }),
        ...(nonce === undefined ? {} : { nonce }),
        ...claims,
      })}`;
      const bytes = Buffer.from(input);
      const signature =
        alg === 'ES256'
          ? sign('sha256', bytes, { key: privateKey, dsaEncoding: 'ieee-p1363' })
          : sign(alg === 'EdDSA' ? null : 'sha256', bytes, privateKey);
      return `${input}.${signature.toString('base64url')}`;
    },
  };
}
