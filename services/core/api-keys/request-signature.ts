import { hash, type KeyObject, timingSafeEqual, verify } from 'node:crypto';

/**
 * HTTP Message Signatures (RFC 9421) as API keys require them: one recent signature by the registered key, with a nonce,
 * over method, target and, for a request with a body, its digest (RFC 9530).
 */
export type SignedRequest = {
  readonly method: string;
  /** `@target-uri`: the configured origin, never the Host header, with path and query as sent. */
  readonly targetUri: string;
  readonly header: (name: string) => string | undefined;
  /** The bytes as sent; undefined without a body. */
  readonly body: Buffer | undefined;
};

export type SignatureResult =
  | { readonly outcome: 'ok'; readonly nonce: string; readonly created: number }
  | { readonly outcome: 'missing' | 'invalid'; readonly why: string };

const HEADER_MAX = 4_096;
const AGE_SECONDS_MAX = 300;
const AHEAD_SECONDS_MAX = 30;
/** A nonce must be kept until then; later its request is too old. */
export const nonceKeptUntilMs = (created: number): number => (created + AGE_SECONDS_MAX + AHEAD_SECONDS_MAX) * 1_000;

// One dictionary member. The signature base repeats its components and parameters byte for byte.
const INPUT =
  /^([a-z*][a-z0-9_.*-]{0,63})=(\((?:"[a-z@-]{1,40}"(?: "[a-z@-]{1,40}"){0,15})\)((?:;[a-z]{1,16}=(?:\d{1,12}|"[\x20-\x21\x23-\x5b\x5d-\x7e]{0,256}")){1,8}))$/;
const SIGNATURE = /^([a-z*][a-z0-9_.*-]{0,63})=:([A-Za-z0-9+/]{86}==):$/;
const PARAMETER = /;([a-z]+)=(?:(\d+)|"([^"]*)")/g;
const DIGEST = /^(?:sha-256=:([A-Za-z0-9+/]{43}=):|sha-512=:([A-Za-z0-9+/]{86}==):)$/;
const NONCE = /^[\x21-\x7e]{16,128}$/;

const ALGORITHMS: Readonly<Record<string, string>> = { ec: 'ecdsa-p256-sha256', ed25519: 'ed25519' };
const DERIVED: Readonly<Record<string, (request: SignedRequest) => string>> = {
  '@method': ({ method }) => method,
  '@target-uri': ({ targetUri }) => targetUri,
};

const invalid = (why: string): SignatureResult => ({ outcome: 'invalid', why });

/**
 * Verifies the signature of a request. The caller must check that the nonce is new.
 * @param key.id required value of `keyid`
 * @param nowMs milliseconds since 1970
 */
export function verifyRequestSignature(
  request: SignedRequest,
  key: { readonly id: string; readonly publicKey: KeyObject },
  nowMs: number,
): SignatureResult {
  const [input, signature] = [request.header('signature-input'), request.header('signature')];
  if (input === undefined || signature === undefined)
    return { outcome: 'missing', why: 'The headers Signature-Input and Signature are required.' };
  if (input.length > HEADER_MAX || signature.length > HEADER_MAX) return invalid('The signature headers are too long.');
  const [stated, signed] = [INPUT.exec(input), SIGNATURE.exec(signature)];
  if (!stated || !signed || stated[1] !== signed[1])
    return invalid('Send one signature under one label, with components and parameters in the format of RFC 9421.');
  const [, , params = '', tail = ''] = stated;
  const parameters = readParameters(tail);
  const problem = parameters && parameterProblem(parameters, key, nowMs);
  if (!parameters || problem) return invalid(problem || 'A parameter is repeated.');
  const components = [...params.slice(0, params.indexOf(')')).matchAll(/"([^"]+)"/g)].map(([, name = '']) => name);
  const uncovered = coverageProblem(components, request);
  if (uncovered !== null) return invalid(uncovered);
  const base = signatureBase(request, components, params);
  if (base === null) return invalid('A signed component is not in the request.');
  const isValid = verify(
    key.publicKey.asymmetricKeyType === 'ec' ? 'sha256' : null,
    Buffer.from(base, 'latin1'),
    { key: key.publicKey, dsaEncoding: 'ieee-p1363' },
    Buffer.from(signed[2] as string, 'base64'),
  );
  if (!isValid) return invalid('The signature does not verify.');
  return { outcome: 'ok', nonce: String(parameters.get('nonce')), created: Number(parameters.get('created')) };
}

/** Null when a parameter is repeated. */
function readParameters(tail: string): ReadonlyMap<string, number | string> | null {
  const parameters = new Map<string, number | string>();
  for (const [, name = '', number, text = ''] of tail.matchAll(PARAMETER)) {
    if (parameters.has(name)) return null;
    parameters.set(name, number === undefined ? text : Number(number));
  }
  return parameters;
}

function parameterProblem(
  parameters: ReadonlyMap<string, number | string>,
  { id, publicKey }: { readonly id: string; readonly publicKey: KeyObject },
  nowMs: number,
): string | null {
  const [created, expires, algorithm] = [parameters.get('created'), parameters.get('expires'), parameters.get('alg')];
  const now = nowMs / 1_000;
  if (typeof created !== 'number' || created < now - AGE_SECONDS_MAX || created > now + AHEAD_SECONDS_MAX)
    return `created must be within the last ${AGE_SECONDS_MAX} seconds.`;
  if (expires !== undefined && (typeof expires !== 'number' || expires < now)) return 'The signature has expired.';
  if (typeof parameters.get('nonce') !== 'string' || !NONCE.test(String(parameters.get('nonce'))))
    return 'nonce must be 16 to 128 visible ASCII characters.';
  if (parameters.get('keyid') !== id) return 'keyid must be the id of the API key.';
  if (algorithm !== undefined && algorithm !== ALGORITHMS[publicKey.asymmetricKeyType as string])
    return 'alg does not match the registered public key.';
  return null;
}

function coverageProblem(components: readonly string[], request: SignedRequest): string | null {
  if (new Set(components).size !== components.length) return 'A component is repeated.';
  for (const needed of ['@method', '@target-uri', ...(request.body === undefined ? [] : ['content-digest'])])
    if (!components.includes(needed)) return `${needed} must be signed.`;
  if (request.body !== undefined && !isDigestOf(request.header('content-digest') ?? '', request.body))
    return 'content-digest is not the SHA-256 or SHA-512 of the body.';
  return null;
}

function isDigestOf(header: string, body: Buffer): boolean {
  const found = DIGEST.exec(header);
  if (!found) return false;
  const [, sha256, sha512] = found;
  const stated = Buffer.from((sha256 ?? sha512) as string, 'base64');
  return timingSafeEqual(stated, hash(sha256 === undefined ? 'sha512' : 'sha256', body, 'buffer'));
}

/** RFC 9421 §2.5. Null when a signed header is missing. */
function signatureBase(request: SignedRequest, components: readonly string[], params: string): string | null {
  const lines: string[] = [];
  for (const name of components) {
    const value = name.startsWith('@') ? DERIVED[name]?.(request) : request.header(name)?.trim();
    if (value === undefined) return null;
    lines.push(`"${name}": ${value}`);
  }
  return [...lines, `"@signature-params": ${params}`].join('\n');
}
