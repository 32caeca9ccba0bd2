import { createPrivateKey, generateKeyPairSync, hash, type JsonWebKey } from 'node:crypto';
import { SignJWT } from 'jose';
import type { Ports } from '#services/core/ports.ts';
import { dpopNonce } from '#services/core/tokens/dpop/dpop-nonce.ts';
import type { DpopPorts } from '#services/core/tokens/dpop/use-dpop-proof.ts';

/** An Ed25519 key by the members of RFC 8037; it exists only inside the console's encrypted cookie. */
export type ProofKey = { readonly x: string; readonly d: string };

const publicJwk = ({ x }: ProofKey) => ({ crv: 'Ed25519', kty: 'OKP', x });

export function newProofKey(): ProofKey {
  const { privateKey } = generateKeyPairSync('ed25519');
  const { x, d } = privateKey.export({ format: 'jwk' }) as JsonWebKey & ProofKey;
  return { x, d };
}

/** RFC 7638. */
export const thumbprintOf = (key: ProofKey): string => hash('sha256', JSON.stringify(publicJwk(key)), 'base64url');

type Proved = {
  readonly htm: string;
  /** Without query (RFC 9449 §4.2). */
  readonly htu: string;
  readonly accessToken?: string;
};

/** A DPoP proof of the console for one request (RFC 9449 §4.2). */
export const proofOf = (ports: DpopPorts & Pick<Ports, 'random'>, key: ProofKey, proved: Proved): Promise<string> =>
  new SignJWT({
    htm: proved.htm,
    htu: proved.htu,
    jti: ports.random.uuid(),
    ...(proved.accessToken === undefined ? {} : { ath: hash('sha256', proved.accessToken, 'base64url') }),
    ...(ports.tokenSettings.requireDpopNonce ? { nonce: dpopNonce(ports) } : {}),
  })
    .setProtectedHeader({ typ: 'dpop+jwt', alg: 'EdDSA', jwk: publicJwk(key) })
    .setIssuedAt(Math.floor(ports.clock.now() / 1_000))
    .sign(createPrivateKey({ key: { ...publicJwk(key), d: key.d }, format: 'jwk' }));
