import { LONGEST } from '../oauth-shapes.ts';

/** Errors in an authorization request (RFC 6749 §4.1.2.1, RFC 8707 §2, RFC 9101 §6.2, RFC 9396 §5). */
export type RequestErrorCode =
  | 'invalid_request'
  | 'unauthorized_client'
  | 'unsupported_response_type'
  | 'invalid_scope'
  | 'invalid_target'
  | 'invalid_authorization_details'
  | 'request_not_supported'
  | 'request_uri_not_supported';

const RESPONSE_MODES = ['query', 'form_post'] as const;
/** How the response reaches the client (OAuth 2.0 Multiple Response Types §2.1, OAuth 2.0 Form Post Response Mode). */
export type ResponseMode = (typeof RESPONSE_MODES)[number];

const prompts = ['none', 'login', 'consent', 'select_account'] as const;
export type Prompt = (typeof prompts)[number];

/** Maximum length of a query, in characters. */
const LONGEST_QUERY = 8_192;
const PLAIN = /^[^\p{Cc}\p{Cs}]*$/u;
/** SHA-256 in unpadded base64url. */
const DIGEST = /^[\w-]{43}$/;

export type Parameters = {
  readonly values: ReadonlyMap<string, string>;
  /** Parameters that are repeated, too long or contain control characters. */
  readonly bad: readonly string[];
};

/** The supported parameters of an authorization request; null if its query is too long. */
export function readParameters(query: string): Parameters | null {
  if (query.length > LONGEST_QUERY) return null;
  const sent = new URLSearchParams(query);
  const values = new Map<string, string>();
  const bad: string[] = [];
  for (const [name, longest] of Object.entries(LONGEST)) {
    const given = sent.getAll(name);
    const [value = ''] = given;
    // JSON may have line breaks.
    const isPlain = PLAIN.test(value) || name === 'authorization_details';
    if (given.length > 1 || value.length > longest || !isPlain) bad.push(name);
    else if (value !== '') values.set(name, value);
  }
  return { values, bad };
}

/** Where the payload of a request object (RFC 9101 §4) is, signed or not. */
const REQUEST_OBJECT = /^[\w-]+\.([\w-]+)\.[\w-]*$/;
const DELIVERY = ['response_mode', 'state'] as const;

/**
 * How the client wants the refusal of its request object: `response_mode` and `state` that are only inside the object.
 * Nothing verifies the object, so nothing else of it is read, and the redirect URI is never one of it.
 */
export function deliveryOf(values: Parameters['values']): Parameters['values'] {
  const [, payload] = REQUEST_OBJECT.exec(values.get('request') ?? '') ?? [];
  if (payload === undefined) return values;
  let claims: unknown;
  try {
    claims = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'));
  } catch {
    return values;
  }
  const inside = DELIVERY.flatMap((name) => {
    const value = (claims as Readonly<Record<string, unknown>> | null)?.[name];
    const isUsable = typeof value === 'string' && value !== '' && value.length <= (LONGEST[name] as number);
    return isUsable && PLAIN.test(value) ? [[name, value] as const] : [];
  });
  return new Map([...inside, ...values]);
}

/** Returns the supported parameters of a form as a query; all others, such as a secret or token, are left out. */
export function queryOfForm(form: Readonly<Record<string, unknown>>): string {
  const query = new URLSearchParams();
  for (const name of Object.keys(LONGEST))
    for (const value of [form[name] ?? []].flat()) query.append(name, String(value));
  return query.toString();
}

/** OpenID Connect Core §3.1.2.1; null for an unknown prompt, or for `none` with another one. */
export function promptsOf(text: string | undefined): ReadonlySet<Prompt> | null {
  const names = text === undefined ? [] : text.split(' ');
  if (!names.every((name): name is Prompt => (prompts as readonly string[]).includes(name))) return null;
  return names.includes('none') && names.length > 1 ? null : new Set(names);
}

/** The mode in which even an error is sent: `query` if the requested one is unknown or cannot reach the redirect URI. */
export const responseModeOf = (requested: string | undefined, redirectUri: string): ResponseMode =>
  // A browser posts no form to an app's own scheme.
  requested === 'form_post' && /^https?:/.test(redirectUri) ? requested : 'query';

/** The error in the response and PKCE parameters, or null. PKCE parameters are validated even if they are not required. */
export function formProblem(
  values: Parameters['values'],
  requiresPkce: boolean,
): readonly [RequestErrorCode, string] | null {
  if (values.has('request')) return ['request_not_supported', 'request objects are not supported'];
  if (values.has('request_uri'))
    return ['request_uri_not_supported', 'request_uri must come from a pushed authorization request'];
  if (!values.has('response_type')) return ['invalid_request', 'response_type is missing'];
  if (values.get('response_type') !== 'code')
    return ['unsupported_response_type', 'the only supported response_type is code'];
  if (!(RESPONSE_MODES as readonly string[]).includes(values.get('response_mode') ?? 'query'))
    return ['invalid_request', 'response_mode must be query or form_post'];
  if (requiresPkce || values.has('code_challenge') || values.has('code_challenge_method')) {
    if (!DIGEST.test(values.get('code_challenge') ?? ''))
      return ['invalid_request', 'a PKCE code_challenge is required'];
    if (values.get('code_challenge_method') !== 'S256')
      return ['invalid_request', 'code_challenge_method must be S256'];
  }
  if (values.has('dpop_jkt') && !DIGEST.test(values.get('dpop_jkt') as string))
    return ['invalid_request', 'dpop_jkt must be a SHA-256 thumbprint'];
  if (!/^\d*$/.test(values.get('max_age') ?? '')) return ['invalid_request', 'max_age must be a number of seconds'];
  return null;
}
