import { createHmac, hash, timingSafeEqual } from 'node:crypto';
import { hmacKey } from '#services/core/audit/hmac-key.ts';

/**
 * Refresh tokens: `sp_rt_<kv>.<family>.<generation>.<nonce>.<mac>`, opaque to clients and not stored.
 * `family` is the 16 bytes of a UUID and `nonce` 32 random bytes, fixed for the life of the family, both canonical
 * base64url; `mac` is HMAC-SHA-256 under server key `kv`. All checks are in memory, so an invalid token costs no query.
 */

/** The part of the key ring that refresh tokens use: one symmetric secret per version. */
export type RefreshSecrets = {
  /** The newest active version, which new tokens are made with. */
  secret(purpose: 'refresh'): { readonly version: number; readonly key: Buffer };
  /** Any version that a live token may carry; undefined when unknown. */
  secretVersion(purpose: 'refresh', version: number): Buffer | undefined;
};

export type RefreshTokenParts = {
  /** Version of the server key, 1 to 32767. */
  readonly kv: number;
  readonly familyBytes: Buffer;
  readonly generation: number;
  readonly nonce: Buffer;
};

/** A token with a verified MAC. */
export type CheckedRefreshToken = RefreshTokenParts & {
  /** SHA-256 of the nonce, as stored in the family's row. */
  readonly nonceHash: Buffer;
  /** The client in the MAC; '' for a family that is not client-bound. */
  readonly boundClientId: string;
};

/** The next generation must still fit into `integer`. */
export const GENERATION_MAX = 2 ** 31 - 2;
const KEY_VERSION_MAX = 2 ** 15 - 1;
/** The longest possible token: prefix, five digits, 22, ten digits, 43, 43 and four dots. */
export const REFRESH_TOKEN_LENGTH_MAX = 133;

// The last character of 16 bytes carries two bits, and of 32 bytes four. Any other character is a second encoding of the
// same bytes.
const FORM =
  /^sp_rt_([1-9]\d{0,4})\.([\w-]{21}[AQgw])\.(0|[1-9]\d{0,9})\.([\w-]{42}[AEIMQUYcgkosw048])\.([\w-]{42}[AEIMQUYcgkosw048])$/;

const UUID_FORM = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** The 16 bytes of a lower-case UUID. Throws on any other text. */
export function uuidToBytes(uuid: string): Buffer {
  if (!UUID_FORM.test(uuid)) throw new RangeError('not a lower-case UUID');
  return Buffer.from(uuid.replaceAll('-', ''), 'hex');
}

/** Lower-case text of 16 bytes. */
export function uuidFromBytes(bytes: Buffer): string {
  const hex = bytes.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

const DOMAIN = Buffer.from('sp_rt');
const CLIENT_AT = DOMAIN.length + 2 + 16 + 16 + 4 + 32;

/**
 * Every part but the last has a fixed length, so no two inputs have the same bytes:
 * "sp_rt" ‖ uint16 kv ‖ incarnation (16) ‖ family (16) ‖ uint32 generation ‖ nonce (32) ‖ client id (UTF-8, the rest).
 */
function macOf(key: Buffer, incarnation: string, parts: RefreshTokenParts, clientId: string): Buffer {
  const message = Buffer.allocUnsafe(CLIENT_AT + Buffer.byteLength(clientId));
  let at = DOMAIN.copy(message);
  at = message.writeUInt16BE(parts.kv, at);
  at += uuidToBytes(incarnation).copy(message, at);
  at += parts.familyBytes.copy(message, at);
  at = message.writeUInt32BE(parts.generation, at);
  parts.nonce.copy(message, at);
  if (clientId !== '') message.write(clientId, CLIENT_AT);
  return createHmac('sha256', hmacKey(key)).update(message).digest();
}

/**
 * The token of a generation; the same parts always give the same token.
 * @param clientId '' for families that are not client-bound
 */
export function mintRefreshToken(key: Buffer, incarnation: string, parts: RefreshTokenParts, clientId: string): string {
  const { kv, familyBytes, generation, nonce } = parts;
  const inRange = kv >= 1 && kv <= KEY_VERSION_MAX && generation >= 0 && generation <= GENERATION_MAX + 1;
  if (!inRange || familyBytes.length !== 16 || nonce.length !== 32) throw new RangeError('refresh token out of range');
  const mac = macOf(key, incarnation, parts, clientId).toString('base64url');
  return `sp_rt_${kv}.${familyBytes.toString('base64url')}.${generation}.${nonce.toString('base64url')}.${mac}`;
}

/** SHA-256 of a nonce, as stored in the family's row. */
export const nonceHashOf = (nonce: Uint8Array): Buffer => hash('sha256', nonce, 'buffer');

/**
 * Parses strictly and verifies the MAC in constant time; null for a token that was not issued here.
 * @param boundClientIds clients that the MAC may name, in order; '' for families that are not client-bound
 */
export function checkRefreshToken(
  token: string,
  boundClientIds: readonly string[],
  secrets: RefreshSecrets,
  incarnation: string,
): CheckedRefreshToken | null {
  if (token.length > REFRESH_TOKEN_LENGTH_MAX) return null;
  const match = FORM.exec(token);
  if (match === null) return null;
  const kv = Number(match[1]);
  const generation = Number(match[3]);
  if (kv > KEY_VERSION_MAX || generation > GENERATION_MAX) return null;
  const key = secrets.secretVersion('refresh', kv);
  if (key === undefined) return null;
  const nonce = Buffer.from(match[4] as string, 'base64url');
  const parts = { kv, familyBytes: Buffer.from(match[2] as string, 'base64url'), generation, nonce };
  const mac = Buffer.from(match[5] as string, 'base64url');
  for (const boundClientId of boundClientIds) {
    if (timingSafeEqual(mac, macOf(key, incarnation, parts, boundClientId)))
      return { ...parts, nonceHash: nonceHashOf(nonce), boundClientId };
  }
  return null;
}

/** The family that a token in our format names. The token may be forged. */
export function familyNamedIn(token: string): string | null {
  const match = token.length > REFRESH_TOKEN_LENGTH_MAX ? null : FORM.exec(token);
  return match === null ? null : uuidFromBytes(Buffer.from(match[2] as string, 'base64url'));
}

/** True for a token in our format under a newer server key than this copy has: another copy may have issued it. */
export function isOfNewerKey(token: string, secrets: RefreshSecrets): boolean {
  const kv = Number(token.length > REFRESH_TOKEN_LENGTH_MAX ? NaN : FORM.exec(token)?.[1]);
  return (
    kv <= KEY_VERSION_MAX &&
    kv > secrets.secret('refresh').version &&
    secrets.secretVersion('refresh', kv) === undefined
  );
}
