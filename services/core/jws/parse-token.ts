import { isUtf8 } from 'node:buffer';
import { canonicalBase64url } from './canonical-base64url.ts';
import { type JsonObject, parseStrictObject } from './strict-json.ts';

/** Longest token that is parsed, in characters. */
export const MAXIMUM_TOKEN_LENGTH = 8_192;

/** The parts of a token. Nothing in them is verified yet. */
export type ParsedToken = {
  readonly header: JsonObject;
  readonly payload: Buffer;
  readonly signingInput: string;
  readonly signature: Buffer;
};

/** Header members we write. Any other (crit, b64, jku, jwk, x5u, x5c, zip, p2c …) means another issuer or an attack. */
const HEADER_MEMBERS: ReadonlySet<string> = new Set(['alg', 'kid', 'typ']);
const MAXIMUM_HEADER_LENGTH = 512;

function parseHeader(segment: string): JsonObject | null {
  const bytes = segment.length > MAXIMUM_HEADER_LENGTH ? null : canonicalBase64url(segment);
  const header = bytes && parseStrictObject(bytes.toString('utf8'));
  if (header === null) return null;
  for (const name of Object.keys(header)) if (!HEADER_MEMBERS.has(name)) return null;
  return header;
}

/**
 * Splits a compact JWS into three non-empty parts of canonical base64url, with a header of our own members. Verifies
 * nothing.
 * @returns null for any other text, whatever its size or nesting
 */
export function parseToken(token: string): ParsedToken | null {
  if (token.length > MAXIMUM_TOKEN_LENGTH) return null;
  const first = token.indexOf('.');
  const second = token.indexOf('.', first + 1);
  if (first <= 0 || second < 0 || token.indexOf('.', second + 1) >= 0) return null;
  const header = parseHeader(token.slice(0, first));
  if (header === null) return null;
  const payload = canonicalBase64url(token.slice(first + 1, second));
  const signature = canonicalBase64url(token.slice(second + 1));
  if (payload === null || signature === null) return null;
  return { header, payload, signingInput: token.slice(0, second), signature };
}

/** The claim set as text and object; null unless it is UTF-8 and a JSON object with unique member names. */
export function parsePayload(payload: Buffer): { readonly text: string; readonly claims: JsonObject } | null {
  if (!isUtf8(payload)) return null;
  const text = payload.toString('utf8');
  const claims = parseStrictObject(text);
  return claims === null ? null : { text, claims };
}
