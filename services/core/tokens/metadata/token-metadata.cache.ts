import { createHmac, timingSafeEqual } from 'node:crypto';
import { decodeProtectedHeader } from 'jose';
import { runDetached } from '#observability/http-span.ts';
import { hmacKey } from '#services/core/audit/hmac-key.ts';
import type { HasKeyRing } from '#services/core/keys/key-ring.ts';
import type { Ports } from '#services/core/ports.ts';
import type { TokenOrigin } from '#services/core/revocations/revocation-set.ts';
import type { AccessTokenClaims } from '../access-token.ts';

/** Facts about an issued access token, kept for its lifetime. They grant no access. */
export type TokenMetadata = {
  readonly type: 'access';
  /** User id; null for client credentials. */
  readonly userId: string | null;
  readonly subject: string;
  readonly clientId: string;
  readonly audience: string;
  readonly sessionId: string | null;
  readonly familyId: string | null;
  readonly scope: string;
  /** The first of the user's roles. */
  readonly role: string | null;
  /** Unix seconds. */
  readonly issuedAt: number;
  readonly expiresAt: number;
  readonly ipHash: string | null;
  readonly userAgentHash: string | null;
  /** kid of the key that signed it. */
  readonly keyVersion: string | null;
  readonly userEpoch: number;
  readonly clientEpoch: number;
  /** Only of an exchanged token. */
  readonly origins?: readonly TokenOrigin[];
};

export type TokenMetadataPorts = Pick<Ports, 'redis'> & HasKeyRing;

const keyOf = (tokenId: string): string => `sallyport:token:${tokenId}`;

const macOf = (key: Buffer, tokenId: string, text: string): string =>
  createHmac('sha256', hmacKey(key)).update(`token metadata\0${tokenId}\0${text}`).digest('base64url');

/**
 * `<key version>.<mac>.<JSON>`. The MAC covers the token id: an attacker who can write to Redis can delete metadata, but
 * cannot invent a token or change the family and epochs by which a live token is revoked.
 */
function signed({ keyRing }: HasKeyRing, tokenId: string, metadata: TokenMetadata): string {
  const { version, key } = keyRing.secret('identifier');
  const text = JSON.stringify(metadata);
  return `${version}.${macOf(key, tokenId, text)}.${text}`;
}

const SIGNED = /^(\d{1,5})\.([\w-]{43})\.(.*)$/s;

/** Null for a value that this server did not write for this token, as for missing metadata. */
function opened({ keyRing }: HasKeyRing, tokenId: string, value: string | null): TokenMetadata | null {
  const [, version, mac, text] = SIGNED.exec(value ?? '') ?? [];
  const key = version === undefined ? undefined : keyRing.secretVersion('identifier', Number(version));
  if (key === undefined || mac === undefined || text === undefined) return null;
  if (!timingSafeEqual(Buffer.from(mac), Buffer.from(macOf(key, tokenId, text)))) return null;
  return JSON.parse(text) as TokenMetadata;
}

/** Stores metadata for `ttlSeconds`. Rejects when Redis is unreachable. */
export async function writeTokenMetadata(
  ports: TokenMetadataPorts,
  tokenId: string,
  metadata: TokenMetadata,
  ttlSeconds: number,
): Promise<void> {
  await ports.redis.set(keyOf(tokenId), signed(ports, tokenId, metadata), ttlSeconds);
}

type Entry = Parameters<Ports['redis']['setMany']>[0][number];

/** How long metadata waits for more in one batch: a separate command costs half as much as the token's signature. */
const BATCH_MS = 10;
const BATCH_MAXIMUM = 256;
const waiting = new WeakMap<Ports['redis'], Entry[]>();

function flush(redis: Ports['redis']): void {
  const entries = waiting.get(redis);
  if (entries === undefined) return;
  waiting.delete(redis);
  redis.setMany(entries).catch(() => {});
}

/**
 * Stores metadata without waiting: entries of a few milliseconds share one round trip, which is sent before any read of
 * this copy. They are lost while Redis is unreachable.
 */
export function postTokenMetadata(
  ports: TokenMetadataPorts,
  tokenId: string,
  metadata: TokenMetadata,
  ttlSeconds: number,
): void {
  const { redis } = ports;
  const entry = { key: keyOf(tokenId), value: signed(ports, tokenId, metadata), ttlSeconds };
  const others = waiting.get(redis);
  if (others === undefined) {
    waiting.set(redis, [entry]);
    runDetached(() => setTimeout(flush, BATCH_MS, redis));
  } else if (others.push(entry) >= BATCH_MAXIMUM) flush(redis);
}

/** Metadata of many ids in one round trip, in order; null for an unknown id. */
export async function readTokenMetadata(
  ports: TokenMetadataPorts,
  tokenIds: readonly string[],
): Promise<(TokenMetadata | null)[]> {
  flush(ports.redis);
  const values = await ports.redis.getMany(tokenIds.map(keyOf));
  return tokenIds.map((tokenId, index) => opened(ports, tokenId, values[index] ?? null));
}

/** `kid` of a compact token that this server signed. */
const kidOf = (token: string): string | null => decodeProtectedHeader(token).kid ?? null;

export function metadataOf(
  token: string,
  claims: AccessTokenClaims,
  hashes: { readonly ip: string | null; readonly agent: string | null },
): TokenMetadata {
  return {
    type: 'access',
    userId: claims.fid === undefined ? null : claims.sub,
    subject: claims.sub,
    clientId: claims.client_id,
    audience: typeof claims.aud === 'string' ? claims.aud : claims.aud.join(' '),
    sessionId: claims.sid ?? null,
    familyId: claims.fid ?? null,
    scope: claims.scope ?? '',
    role: claims.roles?.[0] ?? null,
    issuedAt: claims.iat,
    expiresAt: claims.exp,
    ipHash: hashes.ip,
    userAgentHash: hashes.agent,
    keyVersion: kidOf(token),
    userEpoch: claims.ue ?? 0,
    clientEpoch: claims.ce ?? 0,
    ...(claims.origins === undefined ? {} : { origins: claims.origins }),
  };
}
