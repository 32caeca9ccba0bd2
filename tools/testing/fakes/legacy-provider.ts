// For tests only: another issuer with its own keys, and the tokens of its sessions.
import { createServer } from 'node:http';
import { setTimeout } from 'node:timers/promises';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import { listening } from '../listening.ts';

type SigningKey = { readonly kid: string; readonly privateKey: Parameters<SignJWT['sign']>[0]; readonly jwk: JWK };

async function newKey(): Promise<SigningKey> {
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
  const jwk = await exportJWK(publicKey);
  const kid = await calculateJwkThumbprint(jwk);
  return { kid, privateKey, jwk: { ...jwk, kid, alg: 'ES256', use: 'sig' } };
}

export type LegacyProvider = Awaited<ReturnType<typeof startLegacyProvider>>;

export const LEGACY_AUDIENCE = 'https://app.example.com';

/** Serves its key set on this machine. */
export async function startLegacyProvider() {
  let keys = [await newKey()];
  let reads = 0;
  let [delayMs, isAway] = [0, false];
  const server = createServer(async (request, response) => {
    reads += 1;
    if (isAway) return void request.socket.destroy();
    await setTimeout(delayMs, undefined, { ref: false });
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ keys: keys.map(({ jwk }) => jwk) }));
  });
  const { url: issuer, close } = await listening(server);
  return {
    issuer,
    jwksUri: `${issuer}/jwks`,
    /** How often the key set was read. */
    reads: () => reads,
    /** A token of five minutes, signed by its newest key. */
    token(claims: Readonly<Record<string, unknown>>, header: Readonly<Record<string, unknown>> = {}): Promise<string> {
      const { kid, privateKey } = keys.at(-1) as SigningKey;
      const now = Math.floor(Date.now() / 1_000);
      return new SignJWT({ iss: issuer, aud: LEGACY_AUDIENCE, iat: now, exp: now + 300, ...claims })
        .setProtectedHeader({ alg: 'ES256', kid, typ: 'JWT', ...header })
        .sign(privateKey);
    },
    /** Signs with a new key from now on, and no longer publishes the former ones. */
    async rotate(): Promise<void> {
      keys = [await newKey()];
    },
    /** Answers so much later from now on. */
    slow(ms: number): void {
      delayMs = ms;
    },
    /** Breaks every connection off from now on, or no longer. */
    goAway(isGone = true): void {
      isAway = isGone;
    },
    close,
  };
}
