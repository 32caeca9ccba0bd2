import type { Client, HasAccess } from '#services/core/access/access-directory.ts';
import type { HasTokenSettings } from '#services/core/tokens/token-settings.ts';
import { type AuthorizationDetails, detailsAsked, requestedAudience, requestedScopes } from '../requested-terms.ts';
import {
  deliveryOf,
  formProblem,
  type Parameters,
  type Prompt,
  promptsOf,
  type RequestErrorCode,
  type ResponseMode,
  readParameters,
  responseModeOf,
} from './authorization-parameters.ts';
import { matchesRedirectUri } from './match-redirect-uri.ts';
import { NO_CLAIMS, type RequestedClaims, requestedClaims } from './requested-claims.ts';

/** Where and how a client wants the response. */
export type Returns = {
  readonly redirectUri: string;
  readonly responseMode: ResponseMode;
  readonly state: string | undefined;
};

/** A valid authorization request (RFC 6749 §4.1.1, RFC 7636 §4.3, OpenID Connect Core §3.1.2.1). */
export type AuthorizationRequest = Returns & {
  readonly client: Client;
  readonly scopes: readonly string[];
  readonly audience: string;
  readonly details: AuthorizationDetails | undefined;
  /** Undefined only for a client that may do without PKCE. */
  readonly codeChallenge: string | undefined;
  readonly nonce: string | undefined;
  readonly prompts: ReadonlySet<Prompt>;
  readonly maxAgeSeconds: number | undefined;
  readonly loginHint: string | undefined;
  /** An ID token of the user that the client expects; not verified yet. */
  readonly idTokenHint: string | undefined;
  /** What the parameter `claims` asks; nothing without the scope openid. */
  readonly claims: RequestedClaims;
  /** RFC 9449 §10. */
  readonly dpopJkt: string | undefined;
  /** Hash of the request_uri of a pushed request (RFC 9126); the response consumes the request. */
  readonly pushedHash: Buffer | undefined;
};

export type Parsed =
  | { readonly kind: 'request'; readonly request: AuthorizationRequest }
  /** Shown only to the user: no redirect URI is verified as the client's (RFC 9700 §4.11.2). */
  | { readonly kind: 'page'; readonly why: string }
  | (Returns & {
      readonly kind: 'refused';
      readonly client: Client;
      readonly error: RequestErrorCode;
      readonly why: string;
    });

/** Where a request comes from: a URL, a push in progress, or the stored pushed request. */
type Source = 'address' | 'pushing' | { readonly pushedHash: Buffer };

type Refuse = (error: RequestErrorCode, why: string) => Parsed;
type Values = Parameters['values'];

function requestOf(
  ports: HasAccess & HasTokenSettings,
  client: Client,
  { values, source, ...returns }: Returns & { readonly values: Values; readonly source: Source },
  refuse: Refuse,
): Parsed {
  if (!client.grant_types.includes('authorization_code'))
    return refuse('unauthorized_client', 'the client may not use the authorization code grant');
  // A pushed request always uses PKCE (FAPI 2.0 §5.3.2.2).
  const problem = formProblem(values, source !== 'address' || client.pkce === 'required');
  if (problem !== null) return refuse(...problem);
  if (values.get('response_mode') === 'form_post' && returns.responseMode !== 'form_post')
    return refuse('invalid_request', 'response_mode form_post needs an http or https redirect_uri');
  if (client.require_pushed_authorization_requests && source === 'address')
    return refuse('invalid_request', 'the client must push its requests (RFC 9126)');
  const asked = promptsOf(values.get('prompt'));
  if (asked === null) return refuse('invalid_request', 'prompt is unknown, or combines none with another');
  const audience = requestedAudience(ports, client, values.get('resource'), values.get('scope'));
  const { scopes, why } = requestedScopes(ports, client, values.get('scope'), audience);
  if (scopes === undefined) return refuse('invalid_scope', why);
  if (audience === null) return refuse('invalid_target', 'the client is not allowed tokens for this resource');
  const detailed = detailsAsked(ports, { client, audience }, values.get('authorization_details'));
  if ('why' in detailed) return refuse('invalid_authorization_details', detailed.why);
  const claims = requestedClaims(values.get('claims'), client.scopes);
  if (claims === null)
    return refuse('invalid_request', 'claims must be an object as OpenID Connect Core §5.5 defines it');
  const isOpenId = scopes.includes('openid');
  const maxAge = values.get('max_age');
  return {
    kind: 'request',
    request: {
      client,
      ...returns,
      // To ask for a claim is to ask for the scope that releases it, so the user consents to it in the same words.
      scopes: isOpenId ? [...new Set([...scopes, ...claims.scopes])] : scopes,
      audience,
      details: detailed.details,
      codeChallenge: values.get('code_challenge'),
      nonce: values.get('nonce'),
      prompts: asked,
      maxAgeSeconds: maxAge === undefined ? undefined : Number(maxAge),
      loginHint: values.get('login_hint'),
      idTokenHint: values.get('id_token_hint'),
      claims: isOpenId ? claims : NO_CLAIMS,
      dpopJkt: values.get('dpop_jkt'),
      pushedHash: typeof source === 'string' ? undefined : source.pushedHash,
    },
  };
}

/**
 * Validates an authorization request. Until redirect_uri is verified as the client's, errors are shown on a page; later
 * errors redirect to it (RFC 6749 §4.1.2.1).
 * @param query of the URL, without the question mark
 */
export function parseAuthorizationRequest(
  ports: HasAccess & HasTokenSettings,
  query: string,
  source: Source = 'address',
): Parsed {
  const page = (why: string): Parsed => ({ kind: 'page', why });
  const parameters = readParameters(query);
  if (parameters === null) return page('The request is too long.');
  const { values, bad } = parameters;
  const client = ports.access.client(values.get('client_id') ?? '');
  if (client === undefined || client.disabled) return page('The application that sent you here is not registered.');
  const redirectUri = values.get('redirect_uri');
  if (redirectUri === undefined || !matchesRedirectUri(client.redirect_uris, redirectUri))
    return page('The application requested a redirect to an address that is not registered for it.');
  // A repeated parameter of the address is not replaced by one of the object.
  const delivery = bad.length > 0 ? values : deliveryOf(values);
  const responseMode = responseModeOf(delivery.get('response_mode'), redirectUri);
  const returns = { redirectUri, responseMode, state: delivery.get('state') };
  const refuse: Refuse = (error, why) => ({ kind: 'refused', client, ...returns, error, why });
  if (bad.includes('resource')) return refuse('invalid_target', 'only one resource is supported');
  if (bad.length > 0)
    return refuse('invalid_request', `${bad[0]} is repeated, too long or contains control characters`);
  return requestOf(ports, client, { ...returns, values, source }, refuse);
}
