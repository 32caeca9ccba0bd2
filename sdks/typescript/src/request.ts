import { type Refusal, refuse } from './codes.ts';
import type { Proof } from './dpop.ts';
import { createUsedProofs, type UsedProofs } from './used-proofs.ts';
import type { Accepted, Requirements, Verifier } from './verifier.ts';

/** What a route requires, beside the options of the verifier. */
export type RouteRequirements = Pick<Requirements, 'scopes' | 'permissions'>;

/** What is read of a request. */
export type RequestFacts = {
  readonly method: string;
  /** The URL that the client used: public origin and whole path. */
  readonly url: string;
  readonly authorization?: string | null | undefined;
  /** The DPoP header. */
  readonly dpop?: string | null | undefined;
  /** SHA-256 thumbprint of the client certificate of the connection, base64url (RFC 8705 §3). */
  readonly certificate?: string | undefined;
};

/** The response to a request that is not accepted: problem details (RFC 9457). */
export type RefusalResponse = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: {
    readonly title: string;
    readonly status: number;
    readonly detail?: string;
    readonly fix: string;
    readonly code: Refusal['code'];
    readonly retryable: boolean;
  };
};

export type Authenticated = Accepted | (Refusal & { readonly response: RefusalResponse });

type Scheme = 'Bearer' | 'DPoP';
type Credential = { readonly scheme: Scheme; readonly token: string };

/** RFC 6750 §2.1: b64token. */
const TOKEN = /^[\w.~+/-]+=*$/;
const PROOF_ALGORITHMS = 'ES256 RS256 EdDSA';
const RETRY_AFTER_SECONDS = '1';

/** The token of an Authorization header; null for none or another scheme, undefined when it is malformed. */
function credentialOf(authorization: string | null | undefined): Credential | null | undefined {
  const text = authorization ?? '';
  const space = text.indexOf(' ');
  const name = (space < 0 ? text : text.slice(0, space)).toLowerCase();
  if (name !== 'bearer' && name !== 'dpop') return null;
  const token = space < 0 ? '' : text.slice(space).trim();
  return TOKEN.test(token) ? { scheme: name === 'dpop' ? 'DPoP' : 'Bearer', token } : undefined;
}

const quoted = (name: string, value: string): string => `${name}="${value.replace(/["\\]/g, '')}"`;

/** RFC 6750 §3 and RFC 9449 §7.1: a challenge names an error only if a token was sent. */
function challengeOf({ code, status, title }: Refusal, scheme: Scheme | undefined, scopes: string): string | undefined {
  if (status !== 401 && code !== 'insufficient_scope') return undefined;
  if (scheme === undefined) return 'Bearer';
  const isProof = code === 'binding_mismatch';
  const error = (name: string): string => `${quoted('error', name)}, ${quoted('error_description', title)}`;
  const dpop = (name: string): string => `DPoP ${quoted('algs', PROOF_ALGORITHMS)}, ${error(name)}`;
  if (code === 'insufficient_scope') return `${scheme} ${error(code)}, ${quoted('scope', scopes)}`;
  if (scheme === 'DPoP') return dpop(isProof ? 'invalid_dpop_proof' : 'invalid_token');
  // A bound token under Bearer: its client must use the scheme DPoP, or its certificate.
  return `Bearer ${error('invalid_token')}${isProof ? `, DPoP ${quoted('algs', PROOF_ALGORITHMS)}` : ''}`;
}

function detailOf({ code }: Refusal, scopes: string, { permissions = [] }: RouteRequirements): string | undefined {
  if (code === 'insufficient_scope') return `Required scopes: ${scopes}`;
  return code === 'permission_missing' ? `Required permissions: ${permissions.join(' ')}` : undefined;
}

function responseOf(
  refusal: Refusal,
  verifier: Verifier,
  scheme: Scheme | undefined,
  requirements: RouteRequirements,
): RefusalResponse {
  const { code, status, title, fix, retryable } = refusal;
  const scopes = [...new Set([...verifier.settings.requiredScopes, ...(requirements.scopes ?? [])])].join(' ');
  const challenge = challengeOf(refusal, scheme, scopes);
  const detail = detailOf(refusal, scopes, requirements);
  return {
    status,
    headers: {
      'content-type': 'application/problem+json; charset=utf-8',
      'cache-control': 'no-store',
      ...(challenge === undefined ? {} : { 'www-authenticate': challenge }),
      ...(status === 503 ? { 'retry-after': RETRY_AFTER_SECONDS } : {}),
    },
    body: { title, status, ...(detail === undefined ? {} : { detail }), fix, code, retryable },
  };
}

const usedProofs = new WeakMap<Verifier, UsedProofs>();

function useProof(verifier: Verifier, proof: Proof): ReturnType<UsedProofs> {
  const use = usedProofs.get(verifier) ?? createUsedProofs(verifier.settings);
  usedProofs.set(verifier, use);
  return use(proof);
}

async function decide(
  verifier: Verifier,
  { method, url, dpop, certificate }: RequestFacts,
  credential: Credential | null | undefined,
  { scopes, permissions }: RouteRequirements,
): Promise<Accepted | Refusal> {
  if (credential === null) return refuse('unauthenticated');
  if (credential === undefined) return refuse('request_invalid');
  const { scheme, token } = credential;
  const result = await verifier.verify(token, {
    ...(scopes ? { scopes } : {}),
    ...(permissions ? { permissions } : {}),
    // Under Bearer no proof is read, so a token that is bound to a key is refused there (RFC 9449 §7.1).
    dpop: scheme === 'DPoP' ? { proof: dpop ?? '', method, url } : undefined,
    certificate,
  });
  const code = result.ok && result.proof !== undefined ? await useProof(verifier, result.proof) : null;
  return code === null ? result : refuse(code);
}

/**
 * Verifies the token of a request, with its proof of possession, and makes the response if it is not accepted. For
 * frameworks that have no subpath of their own. Never rejects. A DPoP proof is accepted once.
 * @example const result = await authenticate(verifier, { method, url, authorization }, { permissions: ['tasks:read'] });
 */
export async function authenticate(
  verifier: Verifier,
  facts: RequestFacts,
  requirements: RouteRequirements = {},
): Promise<Authenticated> {
  const credential = credentialOf(facts.authorization);
  const result = await decide(verifier, facts, credential, requirements);
  return result.ok ? result : { ...result, response: responseOf(result, verifier, credential?.scheme, requirements) };
}

const accepted = new WeakMap<object, Accepted>();

/** Keeps the result for `authOf`. */
export function setAuth(request: object, result: Accepted): void {
  accepted.set(request, result);
}

/** The accepted token of a request that `protect` let through. Throws for any other request. */
export function authOf(request: object): Accepted {
  const found = accepted.get(request);
  if (found === undefined) throw new Error('authOf: no protect of @sallyport/verifier has seen this request');
  return found;
}
