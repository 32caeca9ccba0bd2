import { decodeBase64url, isCanonicalBase64url } from './encoding.ts';
import { LIMITS } from './generated/contract.ts';
import { type JsonObject, parseStrictObject } from './strict-json.ts';

/** Header members that Sallyport writes. Any other (crit, jku, jwk, x5u, zip …) means another issuer or an attack. */
const HEADER_MEMBERS: ReadonlySet<string> = new Set(['alg', 'kid', 'typ']);
const lenient = new TextDecoder('utf-8', { ignoreBOM: true });

/** The parts of a compact JWS. Nothing in them is verified yet. */
export type ParsedToken = {
  readonly alg: string;
  readonly kid: string;
  readonly typ: unknown;
  /** Base64url, in canonical form. */
  readonly payload: string;
  readonly signature: string;
  /** What was signed: header and payload as they were sent (RFC 7515 §5.2). */
  readonly signingInput: string;
};

/** Headers by their text: the tokens of one key have the same. Bounded; parsing is the same for every verifier. */
const parsedHeaders = new Map<string, JsonObject>();
const MAXIMUM_HEADERS = 64;

function headerOf(segment: string): JsonObject | null {
  const known = parsedHeaders.get(segment);
  if (known !== undefined) return known;
  const header = parseHeader(segment);
  if (header === null) return null;
  if (parsedHeaders.size >= MAXIMUM_HEADERS) parsedHeaders.clear();
  parsedHeaders.set(segment, header);
  return header;
}

function readHeader(segment: string): JsonObject | null {
  const bytes = segment.length > LIMITS.headerCharacters ? null : decodeBase64url(segment);
  return bytes && parseStrictObject(lenient.decode(bytes));
}

function parseHeader(segment: string): JsonObject | null {
  const header = readHeader(segment);
  if (header === null) return null;
  for (const name of Object.keys(header)) if (!HEADER_MEMBERS.has(name)) return null;
  return header;
}

/** Other members of another issuer are ignored; `crit` names those that must be understood (RFC 7515 §4.1.11). */
function foreignHeaderOf(segment: string): JsonObject | null {
  const header = readHeader(segment);
  return header === null || 'crit' in header ? null : header;
}

/** Splits a compact JWS of our own form; null for any other text, whatever its size or nesting. Verifies nothing. */
export const parseToken = (token: string, maximumLength: number): ParsedToken | null =>
  split(token, maximumLength, headerOf);

/** Splits a compact JWS of another issuer. */
export const parseForeignToken = (token: string, maximumLength: number): ParsedToken | null =>
  split(token, maximumLength, foreignHeaderOf);

function split(token: string, maximumLength: number, readFirst: typeof headerOf): ParsedToken | null {
  if (token.length > maximumLength) return null;
  const first = token.indexOf('.');
  const second = token.indexOf('.', first + 1);
  if (first <= 0 || second < 0 || token.indexOf('.', second + 1) >= 0) return null;
  const header = readFirst(token.slice(0, first));
  if (header === null) return null;
  const { alg, kid, typ } = header;
  if (typeof kid !== 'string' || typeof alg !== 'string') return null;
  const payload = token.slice(first + 1, second);
  const signature = token.slice(second + 1);
  if (!isCanonicalBase64url(payload) || !isCanonicalBase64url(signature)) return null;
  return { alg, kid, typ, payload, signature, signingInput: token.slice(0, second) };
}
