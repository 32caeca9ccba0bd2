import { isUtf8 } from 'node:buffer';
import { canonicalBase64url } from './canonical-base64url.ts';
import { type JsonObject, parseStrictObject } from './strict-json.ts';

/** Longest token looked at, in characters. */
export const MAXIMUM_TOKEN_LENGTH = 8_192;

/** A token taken apart; nothing in it is believed yet. */
export type ParsedToken = {
  readonly header: JsonObject;
  /** The header's segment where it was read for the first time; null where a token before had the same. */
  readonly newHeader: string | null;
  readonly payload: Buffer;
  readonly signingInput: string;
  readonly signature: Buffer;
};

/** Header members we write. Any other (crit, b64, jku, jwk, x5u, x5c, zip, p2c …) makes it somebody else's token. */
const HEADER_MEMBERS: ReadonlySet<string> = new Set(['alg', 'kid', 'typ']);
const MAXIMUM_HEADER_LENGTH = 512;

/** Header segments of tokens whose signature held, already read: every token of a key has the same one. */
const knownHeaders = new Map<string, JsonObject>();
const KNOWN_HEADERS_MAXIMUM = 64;

function parseHeader(segment: string): JsonObject | null {
  const bytes = segment.length > MAXIMUM_HEADER_LENGTH ? null : canonicalBase64url(segment);
  const header = bytes && parseStrictObject(bytes.toString('utf8'));
  if (header === null) return null;
  for (const name of Object.keys(header)) if (!HEADER_MEMBERS.has(name)) return null;
  return header;
}

/** Saves reading the header of a verified token again; strangers' headers are never remembered. */
export function rememberHeader({ newHeader, header }: ParsedToken): void {
  if (newHeader !== null && knownHeaders.size < KNOWN_HEADERS_MAXIMUM) knownHeaders.set(newHeader, header);
}

/**
 * Takes a compact JWS apart without believing any of it: three non-empty canonical parts, a plain header.
 * @returns null for anything else, whatever its size or nesting
 */
export function parseToken(token: string): ParsedToken | null {
  if (token.length > MAXIMUM_TOKEN_LENGTH) return null;
  const first = token.indexOf('.');
  const second = token.indexOf('.', first + 1);
  if (first <= 0 || second < 0 || token.indexOf('.', second + 1) >= 0) return null;
  const segment = token.slice(0, first);
  const known = knownHeaders.get(segment);
  const header = known ?? parseHeader(segment);
  if (header === null) return null;
  const payload = canonicalBase64url(token.slice(first + 1, second));
  const signature = canonicalBase64url(token.slice(second + 1));
  if (payload === null || signature === null) return null;
  const newHeader = known === undefined ? segment : null;
  return { header, newHeader, payload, signingInput: token.slice(0, second), signature };
}

/** The claim set as text and object; null unless UTF-8 JSON of an object with unique names. */
export function parsePayload(payload: Buffer): { readonly text: string; readonly claims: JsonObject } | null {
  if (!isUtf8(payload)) return null;
  const text = payload.toString('utf8');
  const claims = parseStrictObject(text);
  return claims === null ? null : { text, claims };
}
