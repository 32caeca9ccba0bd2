import type { Client } from '#services/core/access/access-directory.ts';
import type { LiveSession } from '#services/core/identity/sessions/live-session.ts';
import type { Sql } from '#services/core/ports.ts';
import {
  authorizationDetailsInvalid,
  grantNotAllowed,
  scopeInvalid,
  targetInvalid,
} from '#services/core/tokens/errors.ts';
import type { HasTokenSettings } from '#services/core/tokens/token-settings.ts';
import type { AppError } from '#services/platform/define/error.ts';
import { requestInvalid } from '#services/platform/errors.ts';
import { hasConsented } from '../consents/consents.store.ts';
import { requestObjectUnsupported, responseTypeUnsupported } from '../errors.ts';
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

type ErrorAnswer = { readonly error: AuthorizationErrorCode; readonly error_description: string };

/** What the browser takes to the client: code or error, `iss` and the client's state. */
export type ClientAnswer = (
  | { readonly kind: 'redirect'; readonly location: string }
  /** A form that the browser posts to the redirect URI (OAuth 2.0 Form Post Response Mode). */
  | { readonly kind: 'form-post'; readonly action: string; readonly fields: Readonly<Record<string, string>> }
) & { readonly refused?: ErrorAnswer };

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

/** The response to the client; every response contains its issuer (RFC 9207 §2). */
export function answerTo(
  { tokenSettings }: HasTokenSettings,
  { redirectUri, responseMode, state }: Returns,
  members: { readonly code: string } | ErrorAnswer,
): ClientAnswer {
  const fields = { ...members, ...(state === undefined ? {} : { state }), iss: tokenSettings.issuer };
  const refused = 'error' in members ? { refused: members } : {};
  return responseMode === 'form_post'
    ? { kind: 'form-post', action: redirectUri, fields, ...refused }
    : { kind: 'redirect', location: redirectWith(redirectUri, fields), ...refused };
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

/** The error of each code that an authorization request is refused with. */
export const requestRefusals: Readonly<Record<RequestErrorCode, (options: { readonly detail: string }) => AppError>> = {
  invalid_request: requestInvalid,
  unauthorized_client: grantNotAllowed,
  unsupported_response_type: responseTypeUnsupported,
  invalid_scope: scopeInvalid,
  invalid_target: targetInvalid,
  invalid_authorization_details: authorizationDetailsInvalid,
  request_not_supported: requestObjectUnsupported,
  request_uri_not_supported: requestInvalid,
};

const isRefusal = (code: AuthorizationErrorCode): code is RequestErrorCode => Object.hasOwn(requestRefusals, code);

/**
 * The error of a step that refuses the client's request; null for any other step, such as the user's own no, or a sign-in
 * that a silent request lacks.
 */
export function refusedStep(step: AuthorizeStep): AppError | null {
  if (step.kind === 'page-error') return requestInvalid({ detail: step.why });
  if (step.kind === 'sign-in' || step.kind === 'consent') return null;
  const { refused } = step.kind === 'leave' ? step.answer : step;
  return refused && isRefusal(refused.error)
    ? requestRefusals[refused.error]({ detail: refused.error_description })
    : null;
}
