import type { Client } from '#services/domain/access/access-directory.ts';
import type { LiveSession } from '#services/domain/identity/sessions/live-session.ts';
import type { Sql } from '#services/domain/ports.ts';
import type { HasTokenSettings } from '#services/domain/tokens/token-settings.ts';
import { hasConsented } from '../consents/consents.store.ts';
import type { RequestErrorCode } from './authorization-parameters.ts';
import type { AuthorizationRequest } from './authorization-request.ts';
import { redirectWith } from './match-redirect-uri.ts';
import { REQUEST_OVER, useRequest } from './pushed-requests.ts';

/** RFC 6749 §4.1.2.1, OpenID Connect Core §3.1.2.6. */
type AuthorizationErrorCode = RequestErrorCode | 'access_denied' | 'login_required' | 'consent_required';

/** What the browser is shown or where it goes next. */
export type AuthorizeStep =
  | { readonly kind: 'page-error'; readonly why: string }
  /** `location` carries code or error, `iss` and the client's state. */
  | { readonly kind: 'redirect'; readonly location: string }
  /** An error for a client that the person has not agreed to: they decide whether to go on to its address. */
  | { readonly kind: 'leave'; readonly why: string; readonly location: string }
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
): AuthorizeStep & { readonly kind: 'redirect' } {
  return { kind: 'redirect', location: redirectWith(redirectUri, { ...members, state, iss: tokenSettings.issuer }) };
}

/** An error that goes to the address of a client. */
export type Refusal = {
  readonly client: Client;
  readonly redirectUri: string;
  readonly state: string | undefined;
  readonly error: AuthorizationErrorCode;
  readonly why: string;
};

/**
 * No administrator looked at the address of a client that registered itself or that is a document, so nobody is sent
 * there without a click unless they agreed to this client before: else any link of ours leads anywhere (RFC 9700 §4.11.2).
 * @param userId of the person who is signed in
 */
export async function answerRefusal(
  ports: HasTokenSettings & { readonly sql: Sql },
  { client, redirectUri, state, error, why }: Refusal,
  userId: string | null,
): Promise<AuthorizeStep> {
  const answer = answerTo(ports, { redirectUri, state }, { error, error_description: why });
  const isTrusted =
    client.origin === 'admin' || (userId !== null && (await hasConsented(ports.sql, userId, client.clientId)));
  return isTrusted ? answer : { kind: 'leave', why, location: answer.location };
}

/** The request's one answer, which is an error. */
export async function answerError(
  ports: HasTokenSettings & { readonly sql: Sql },
  request: AuthorizationRequest,
  { error, why }: Pick<Refusal, 'error' | 'why'>,
  userId: string | null,
): Promise<AuthorizeStep> {
  if (!(await useRequest(ports.sql, request))) return requestOver;
  const { client, redirectUri, state } = request;
  return answerRefusal(ports, { client, redirectUri, state, error, why }, userId);
}
