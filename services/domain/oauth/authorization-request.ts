import type { Client, HasAccess } from '../access/access-directory.ts';
import { allowedAudience } from '../tokens/allowed-audience.ts';
import type { HasTokenSettings } from '../tokens/token-settings.ts';
import { matchesRedirectUri } from './match-redirect-uri.ts';

/** An authorization request (RFC 6749 §4.1.1, RFC 7636 §4.3, OpenID Connect Core §3.1.2.1) that may be answered. */
export type AuthorizationRequest = {
  readonly client: Client;
  readonly redirectUri: string;
  readonly state: string | undefined;
  readonly scopes: readonly string[];
  readonly audience: string;
  readonly codeChallenge: string;
  readonly nonce: string | undefined;
  readonly prompts: ReadonlySet<Prompt>;
  readonly maxAgeSeconds: number | undefined;
  readonly loginHint: string | undefined;
  /** RFC 9449 §10. */
  readonly dpopJkt: string | undefined;
};

/** RFC 6749 §4.1.2.1, OpenID Connect Core §3.1.2.6, RFC 8707 §2. */
export type AuthorizationErrorCode =
  | 'invalid_request'
  | 'unauthorized_client'
  | 'access_denied'
  | 'unsupported_response_type'
  | 'invalid_scope'
  | 'invalid_target'
  | 'request_not_supported'
  | 'request_uri_not_supported'
  | 'login_required'
  | 'consent_required';

export type Parsed =
  | { readonly kind: 'request'; readonly request: AuthorizationRequest }
  /** Told to the user alone: there is no address that is known to be the client's (RFC 9700 §4.11.2). */
  | { readonly kind: 'page'; readonly why: string }
  | {
      readonly kind: 'refused';
      readonly redirectUri: string;
      readonly state: string | undefined;
      readonly error: AuthorizationErrorCode;
      readonly why: string;
    };

const prompts = ['none', 'login', 'consent', 'select_account'] as const;
type Prompt = (typeof prompts)[number];

/** Longest query that is read, characters. */
const LONGEST_QUERY = 8_192;
/** Longest value of each parameter that is read; any other parameter is ignored (RFC 6749 §3.1). */
const LONGEST: Readonly<Record<string, number>> = {
  client_id: 255,
  redirect_uri: 2_048,
  response_type: 64,
  response_mode: 32,
  scope: 2_048,
  state: 4_096,
  code_challenge: 128,
  code_challenge_method: 16,
  nonce: 512,
  prompt: 64,
  max_age: 10,
  login_hint: 254,
  resource: 512,
  dpop_jkt: 43,
  request: 8_192,
  request_uri: 2_048,
};
const PLAIN = /^[^\p{Cc}\p{Cs}]*$/u;
const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*$/;
/** SHA-256 in unpadded base64url. */
const DIGEST = /^[\w-]{43}$/;

type Refuse = (error: AuthorizationErrorCode, why: string) => Parsed;
type Values = ReadonlyMap<string, string>;

/** The value of each parameter that is read; `bad` names those that came twice, too long or with control characters. */
function valuesOf(query: URLSearchParams): { readonly values: Values; readonly bad: readonly string[] } {
  const values = new Map<string, string>();
  const bad: string[] = [];
  for (const [name, longest] of Object.entries(LONGEST)) {
    const given = query.getAll(name);
    const [value = ''] = given;
    if (given.length > 1 || value.length > longest || !PLAIN.test(value)) bad.push(name);
    else if (value !== '') values.set(name, value);
  }
  return { values, bad };
}

function promptsOf(text: string | undefined): ReadonlySet<Prompt> | null {
  const names = text === undefined ? [] : text.split(' ');
  if (!names.every((name): name is Prompt => (prompts as readonly string[]).includes(name))) return null;
  return names.includes('none') && names.length > 1 ? null : new Set(names);
}

/** What is wrong with how the answer is asked for, or null. */
function formProblem(values: Values): readonly [AuthorizationErrorCode, string] | null {
  if (values.has('request')) return ['request_not_supported', 'request objects are not supported'];
  if (values.has('request_uri')) return ['request_uri_not_supported', 'request_uri is not supported'];
  if (!values.has('response_type')) return ['invalid_request', 'response_type is missing'];
  if (values.get('response_type') !== 'code')
    return ['unsupported_response_type', 'only the response type code exists'];
  if ((values.get('response_mode') ?? 'query') !== 'query') return ['invalid_request', 'response_mode must be query'];
  if (!DIGEST.test(values.get('code_challenge') ?? '')) return ['invalid_request', 'a PKCE code_challenge is required'];
  if (values.get('code_challenge_method') !== 'S256') return ['invalid_request', 'code_challenge_method must be S256'];
  if (values.has('dpop_jkt') && !DIGEST.test(values.get('dpop_jkt') as string))
    return ['invalid_request', 'dpop_jkt is no SHA-256 thumbprint'];
  if (!/^\d*$/.test(values.get('max_age') ?? '')) return ['invalid_request', 'max_age is no number of seconds'];
  return null;
}

/** RFC 8707 §2: an absolute URI without a fragment, and one that the client may have tokens for; null for another. */
function audienceOf(ports: HasTokenSettings, client: Client, resource: string | undefined): string | null {
  if (resource !== undefined && (!URL.canParse(resource) || resource.includes('#'))) return null;
  try {
    return allowedAudience(ports, client, resource);
  } catch {
    return null;
  }
}

function requestOf(
  ports: HasTokenSettings,
  client: Client,
  redirectUri: string,
  values: Values,
  refuse: Refuse,
): Parsed {
  if (!client.grantTypes.includes('authorization_code'))
    return refuse('unauthorized_client', 'the client may not use the authorization code grant');
  const problem = formProblem(values);
  if (problem !== null) return refuse(...problem);
  const asked = promptsOf(values.get('prompt'));
  if (asked === null) return refuse('invalid_request', 'prompt is unknown, or none beside another');
  const scope = values.get('scope');
  const scopes = scope === undefined ? client.scopes : [...new Set(scope.split(' '))];
  if (
    scopes.length === 0 ||
    (scope !== undefined && !SCOPE.test(scope)) ||
    !scopes.every((name) => client.scopes.includes(name))
  )
    return refuse('invalid_scope', 'a scope is not registered for the client');
  const audience = audienceOf(ports, client, values.get('resource'));
  if (audience === null) return refuse('invalid_target', 'the client may have no tokens for this resource');
  const maxAge = values.get('max_age');
  return {
    kind: 'request',
    request: {
      client,
      redirectUri,
      state: values.get('state'),
      scopes,
      audience,
      codeChallenge: values.get('code_challenge') as string,
      nonce: values.get('nonce'),
      prompts: asked,
      maxAgeSeconds: maxAge === undefined ? undefined : Number(maxAge),
      loginHint: values.get('login_hint'),
      dpopJkt: values.get('dpop_jkt'),
    },
  };
}

/**
 * Reads the query of an authorization request. Nothing is believed of where to answer before client and redirect_uri
 * are known to belong together; after that every refusal goes there (RFC 6749 §4.1.2.1).
 * @param query as it stands in the address, without the question mark
 */
export function parseAuthorizationRequest(ports: HasAccess & HasTokenSettings, query: string): Parsed {
  const page = (why: string): Parsed => ({ kind: 'page', why });
  if (query.length > LONGEST_QUERY) return page('The request is too long.');
  const { values, bad } = valuesOf(new URLSearchParams(query));
  const client = ports.access.client(values.get('client_id') ?? '');
  if (client === undefined || client.disabled || bad.includes('client_id'))
    return page('The application that sent you here is not known.');
  const redirectUri = values.get('redirect_uri');
  if (
    redirectUri === undefined ||
    bad.includes('redirect_uri') ||
    !matchesRedirectUri(client.redirectUris, redirectUri)
  )
    return page('The application asked to be answered at an address that is not registered for it.');
  const state = bad.includes('state') ? undefined : values.get('state');
  const refuse: Refuse = (error, why) => ({ kind: 'refused', redirectUri, state, error, why });
  if (bad.includes('resource')) return refuse('invalid_target', 'one resource can be named');
  if (bad.length > 0) return refuse('invalid_request', `${bad[0]} is repeated, too long or no text`);
  return requestOf(ports, client, redirectUri, values, refuse);
}
