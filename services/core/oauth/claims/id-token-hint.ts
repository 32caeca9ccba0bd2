import { parsePayload, parseToken } from '#services/core/jws/parse-token.ts';
import { verifySignature } from '#services/core/jws/verify-signature.ts';
import type { KeyRing } from '#services/core/keys/key-ring.ts';
import type { HasTokenSettings } from '#services/core/tokens/token-settings.ts';

export type HintPorts = HasTokenSettings & { readonly keyRing: Pick<KeyRing, 'find'> };

/** User, client and session of an ID token of this issuer. */
export type IdTokenHint = {
  readonly userId: string;
  readonly clientId: string;
  readonly sessionId: string | undefined;
};

const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';

/** Reads an ID token, and no other token, that this issuer signed, whether or not it has expired; null for any other text. */
export function readIdToken(
  { keyRing, tokenSettings }: HintPorts,
  token: string,
): (IdTokenHint & { readonly expiresAt: unknown }) | null {
  const parsed = parseToken(token);
  const { alg, kid, typ } = parsed?.header ?? {};
  const found = typeof kid === 'string' ? keyRing.find(kid) : undefined;
  // A shared secret never signs ID tokens: every service that verifies with it could forge them.
  if (parsed === null || found === undefined || found.compromised || found.key.alg === 'HS256') return null;
  if (alg !== found.key.alg || typ !== 'JWT') return null;
  if (!verifySignature(found.key, parsed.signingInput, parsed.signature)) return null;
  const { iss, sub, aud, sid, exp } = parsePayload(parsed.payload)?.claims ?? {};
  if (iss !== tokenSettings.issuer || !isText(sub) || !isText(aud)) return null;
  return { userId: sub, clientId: aud, sessionId: isText(sid) ? sid : undefined, expiresAt: exp };
}

/**
 * Reads an id_token_hint (OpenID Connect Core §3.1.2.1, RP-Initiated Logout §2). Its expiry is ignored, because the session
 * may outlive it.
 */
export function readIdTokenHint(ports: HintPorts, token: string): IdTokenHint | null {
  const read = readIdToken(ports, token);
  return read === null ? null : { userId: read.userId, clientId: read.clientId, sessionId: read.sessionId };
}

/**
 * The user that the parameter `claims` of a request names (§3.1.2.2), or its ID token. Null for a token that cannot be verified: of another issuer or client,
 * or signed by a key that has been retired. Undefined if the request has none.
 */
export function hintedUser(
  ports: HintPorts,
  {
    client,
    claims,
    idTokenHint,
  }: {
    readonly client: { readonly clientId: string };
    readonly claims: { readonly sub: string | undefined };
    readonly idTokenHint: string | undefined;
  },
): string | null | undefined {
  if (claims.sub !== undefined) return claims.sub;
  if (idTokenHint === undefined) return undefined;
  const hint = readIdTokenHint(ports, idTokenHint);
  return hint !== null && hint.clientId === client.clientId ? hint.userId : null;
}
