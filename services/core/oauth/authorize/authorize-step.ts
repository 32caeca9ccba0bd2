import type { Client } from '#services/core/access/access-directory.ts';
import type { LiveSession } from '#services/core/identity/sessions/live-session.ts';
import type { Sql } from '#services/core/ports.ts';
import type { HasTokenSettings } from '#services/core/tokens/token-settings.ts';
import { hasConsented } from '../consents/consents.store.ts';
import type { RequestErrorCode } from './authorization-parameters.ts';
import type { AuthorizationRequest, Returns } from './authorization-request.ts';
import { redirectWith } from './match-redirect-uri.ts';
import { REQUEST_EXPIRED, useRequest } from './pushed-requests.ts';

/** RFC 6749 §4.1.2.1, OpenID Connect Core §3.1.2.6, OpenID Connect Core Error Code unmet_authentication_requirements 1.0. */
type AuthorizationErrorCode =
  | RequestErrorCode
  | 'access_denied'
  | 'login_required'
  | 'consent_required'
  | 'unmet_authentication_requirements';

/** What the browser takes to the client: code or error, `iss` and the client's state. */
export type ClientAnswer =
  | { readonly kind: 'redirect'; readonly location: string }
  /** A form that the browser posts to the redirect URI (OAuth 2.0 Form Post Response Mode). */
  | { readonly kind: 'form-post'; readonly action: string; readonly fields: Readonly<Record<string, string>> };

/** The page to show, or where to redirect the browser. */
export type AuthorizeStep =
  | { readonly kind: 'page-error'; readonly why: string }
  | ClientAnswer
  /** An error for a client that the user has not consented to: the user decides whether to continue to its address. */
  | { readonly kind: 'leave'; readonly why: string; readonly answer: ClientAnswer }
  /** Sign in first, then come back with this query. */
  | { readonly kind: 'sign-in'; readonly query: string }
  | { readonly kind: 'consent'; readonly request: AuthorizationRequest; readonly live: LiveSession };

/** The request has already been answered, for example in another tab. */
export const requestUsed: AuthorizeStep = { kind: 'page-error', why: REQUEST_EXPIRED };

type Answer =
  | { readonly code: string }
  | { readonly error: AuthorizationErrorCode; readonly error_description: string };

/** The response to the client; every response contains its issuer (RFC 9207 §2). */
export function answerTo(
  { tokenSettings }: HasTokenSettings,
  { redirectUri, responseMode, state }: Returns,
  members: Answer,
): ClientAnswer {
  const fields = { ...members, ...(state === undefined ? {} : { state }), iss: tokenSettings.issuer };
  return responseMode === 'form_post'
    ? { kind: 'form-post', action: redirectUri, fields }
    : { kind: 'redirect', location: redirectWith(redirectUri, fields) };
}

/** An error response to a client. */
export type Refusal = Returns & {
  readonly client: Client;
  readonly error: AuthorizationErrorCode;
  readonly why: string;
};

/**
 * No administrator has vetted the redirect URI of a client that registered itself or comes from a document. Its errors
 * redirect without a click only for users who consented to it before; otherwise links to this endpoint would be open
 * redirects (RFC 9700 §4.11.2).
 * @param userId of the signed-in user
 */
export async function answerRefusal(
  ports: HasTokenSettings & { readonly sql: Sql },
  { client, error, why, ...returns }: Refusal,
  userId: string | null,
): Promise<AuthorizeStep> {
  const answer = answerTo(ports, returns, { error, error_description: why });
  const isTrusted =
    client.origin === 'admin' || (userId !== null && (await hasConsented(ports.sql, userId, client.clientId)));
  return isTrusted ? answer : { kind: 'leave', why, answer };
}

/** Answers the request with an error; a pushed request is consumed. */
export async function answerError(
  ports: HasTokenSettings & { readonly sql: Sql },
  request: AuthorizationRequest,
  { error, why }: Pick<Refusal, 'error' | 'why'>,
  userId: string | null,
): Promise<AuthorizeStep> {
  if (!(await useRequest(ports.sql, request))) return requestUsed;
  return answerRefusal(ports, { ...request, error, why }, userId);
}
