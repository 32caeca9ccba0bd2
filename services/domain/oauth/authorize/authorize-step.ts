import type { LiveSession } from '../../identity/sessions/live-session.ts';
import type { Sql } from '../../ports.ts';
import type { HasTokenSettings } from '../../tokens/token-settings.ts';
import type { RequestErrorCode } from './authorization-parameters.ts';
import type { AuthorizationRequest, Parsed } from './authorization-request.ts';
import { redirectWith } from './match-redirect-uri.ts';
import { REQUEST_OVER, useRequest } from './pushed-requests.ts';

/** RFC 6749 §4.1.2.1, OpenID Connect Core §3.1.2.6. */
type AuthorizationErrorCode = RequestErrorCode | 'access_denied' | 'login_required' | 'consent_required';

/** What the browser is shown or where it goes next. */
export type AuthorizeStep =
  | { readonly kind: 'page-error'; readonly why: string }
  /** `location` carries code or error, `iss` and the client's state. */
  | { readonly kind: 'redirect'; readonly location: string }
  /** Sign in first, then come back with this query. */
  | { readonly kind: 'login'; readonly query: string }
  | { readonly kind: 'consent'; readonly request: AuthorizationRequest; readonly live: LiveSession };

/** The request got its answer before, elsewhere. */
export const requestOver: AuthorizeStep = { kind: 'page-error', why: REQUEST_OVER };

type Answer =
  | { readonly code: string }
  | { readonly error: AuthorizationErrorCode; readonly error_description: string };

/** Where an answer goes: every one names its issuer (RFC 9207 §2). */
export function answerTo(
  { tokenSettings }: HasTokenSettings,
  { redirectUri, state }: { readonly redirectUri: string; readonly state: string | undefined },
  members: Answer,
): AuthorizeStep {
  return { kind: 'redirect', location: redirectWith(redirectUri, { ...members, state, iss: tokenSettings.issuer }) };
}

/** A request that may not be answered with a code: told to its client where that is known, else to the user. */
export function refusedStep(ports: HasTokenSettings, parsed: Exclude<Parsed, { kind: 'request' }>): AuthorizeStep {
  return parsed.kind === 'page'
    ? { kind: 'page-error', why: parsed.why }
    : answerTo(ports, parsed, { error: parsed.error, error_description: parsed.why });
}

/** The request's one answer, which is an error. */
export async function answerError(
  ports: HasTokenSettings,
  tx: Sql,
  request: AuthorizationRequest,
  error: AuthorizationErrorCode,
  why: string,
): Promise<AuthorizeStep> {
  return (await useRequest(tx, request)) ? answerTo(ports, request, { error, error_description: why }) : requestOver;
}
