import { randomUUID } from 'node:crypto';
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose';
import { CAEP_EVENTS } from '#services/wings/outbound/signals/signal-shapes.ts';

/** Another system that tells the product that sessions were revoked there. */
export type Transmitter = {
  readonly issuer: string;
  readonly jwks: object;
  /** A Security Event Token for the product, about one of its users. @param more another issuer, time, or claims */
  sessionRevoked(product: string, userId: string, more?: JWTPayload): Promise<string>;
};

export async function createTransmitter(): Promise<Transmitter> {
  const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true });
  const header = { alg: 'RS256', kid: 'chaos', typ: 'secevent+jwt' };
  const issuer = 'https://signals.chaos.test';
  return {
    issuer,
    jwks: { keys: [{ ...(await exportJWK(publicKey)), alg: header.alg, kid: header.kid, use: 'sig' }] },
    sessionRevoked: (product, sub, more) =>
      new SignJWT({
        ...{ iss: issuer, aud: product, jti: randomUUID(), iat: Math.floor(Date.now() / 1_000) },
        sub_id: { format: 'iss_sub', iss: product, sub },
        events: { [CAEP_EVENTS['session-revoked']]: {} },
        ...more,
      })
        .setProtectedHeader(header)
        .sign(privateKey),
  };
}
