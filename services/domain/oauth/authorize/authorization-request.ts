import type { Client, HasAccess } from '#services/domain/access/access-directory.ts';
import type { HasTokenSettings } from '#services/domain/tokens/token-settings.ts';
import { requestedAudience, requestedScopes } from '../requested-terms.ts';
import {
  formProblem,
  type Parameters,
  type Prompt,
  promptsOf,
  type RequestErrorCode,
  readParameters,
} from './authorization-parameters.ts';
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
  /** Hash of the request_uri it was pushed under (RFC 9126): an answer uses that up. */
  readonly pushedHash: Buffer | undefined;
};

export type Parsed =
  | { readonly kind: 'request'; readonly request: AuthorizationRequest }
  /** Told to the user alone: there is no address that is known to be the client's (RFC 9700 §4.11.2). */
  | { readonly kind: 'page'; readonly why: string }
  | {
      readonly kind: 'refused';
      readonly client: Client;
      readonly redirectUri: string;
      readonly state: string | undefined;
      readonly error: RequestErrorCode;
      readonly why: string;
    };

/** How a request came: in an address, to be pushed, or as it was pushed. */
type Way = 'address' | 'pushing' | { readonly pushedHash: Buffer };

type Refuse = (error: RequestErrorCode, why: string) => Parsed;
type Values = Parameters['values'];

function requestOf(
  ports: HasTokenSettings,
  client: Client,
  { redirectUri, values, way }: { readonly redirectUri: string; readonly values: Values; readonly way: Way },
  refuse: Refuse,
): Parsed {
  if (!client.grantTypes.includes('authorization_code'))
    return refuse('unauthorized_client', 'the client may not use the authorization code grant');
  const problem = formProblem(values);
  if (problem !== null) return refuse(...problem);
  if (client.pushesRequests && way === 'address')
    return refuse('invalid_request', 'the client has to push its requests (RFC 9126)');
  const asked = promptsOf(values.get('prompt'));
  if (asked === null) return refuse('invalid_request', 'prompt is unknown, or none beside another');
  const scopes = requestedScopes(client, values.get('scope'));
  if (scopes === null) return refuse('invalid_scope', 'a scope is not registered for the client');
  const audience = requestedAudience(ports, client, values.get('resource'));
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
      pushedHash: typeof way === 'string' ? undefined : way.pushedHash,
    },
  };
}

/**
 * Judges an authorization request. Nothing is believed of where to answer before client and redirect_uri are known to
 * belong together; after that every refusal goes there (RFC 6749 §4.1.2.1).
 * @param query as it stands in the address, without the question mark
 */
export function parseAuthorizationRequest(
  ports: HasAccess & HasTokenSettings,
  query: string,
  way: Way = 'address',
): Parsed {
  const page = (why: string): Parsed => ({ kind: 'page', why });
  const parameters = readParameters(query);
  if (parameters === null) return page('The request is too long.');
  const { values, bad } = parameters;
  const client = ports.access.client(values.get('client_id') ?? '');
  if (client === undefined || client.disabled) return page('The application that sent you here is not known.');
  const redirectUri = values.get('redirect_uri');
  if (redirectUri === undefined || !matchesRedirectUri(client.redirectUris, redirectUri))
    return page('The application asked to be answered at an address that is not registered for it.');
  const state = values.get('state');
  const refuse: Refuse = (error, why) => ({ kind: 'refused', client, redirectUri, state, error, why });
  if (bad.includes('resource')) return refuse('invalid_target', 'one resource can be named');
  if (bad.length > 0) return refuse('invalid_request', `${bad[0]} is repeated, too long or no text`);
  return requestOf(ports, client, { redirectUri, values, way }, refuse);
}
