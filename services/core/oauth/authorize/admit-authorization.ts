import type { HasAccess } from '#services/core/access/access-directory.ts';
import type { HasAuth } from '#services/core/identity/sessions/auth.ts';
import type { LiveSession } from '#services/core/identity/sessions/live-session.ts';
import { sessionCallerOf } from '#services/core/identity/sessions/open-session.ts';
import { findByCookie } from '#services/core/identity/sessions/read-session.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import type { HasNewest } from '#services/core/revocations/confirm-state.ts';
import { assertMayIssue, type HasRevocations } from '#services/core/revocations/revocation-set.ts';
import { newestClient } from '#services/core/tokens/issue/newest-client.ts';
import type { HasTokenSettings } from '#services/core/tokens/token-settings.ts';
import { type HintPorts, hintedUser } from '../claims/id-token-hint.ts';
import { readGrantedConsent } from '../consents/consents.store.ts';
import type { AuthorizationRequest } from './authorization-request.ts';
import { type AuthorizeStep, answerError, answerRefusal, type Refusal } from './authorize-step.ts';
import { isClaimedRedirectUri } from './match-redirect-uri.ts';
import { type HasPageKeys, markedQuery, markedSince } from './page-seals.ts';
import { readAuthorizationRequest } from './pushed-requests.ts';

export type AuthorizePorts = Pick<Ports, 'transact' | 'sql' | 'random' | 'clock'> &
  HasAccess &
  HasAuth &
  HasNewest &
  HasPageKeys &
  HintPorts &
  HasRevocations &
  HasTokenSettings;

type BrowserCaller = Caller & { readonly kind: 'user'; readonly sessionId: string };

export type AuthorizeInput = {
  /** Query of the URL, without the question mark. */
  readonly query: string;
  readonly cookie: string | undefined;
};

/** A request whose user is signed in as it requires. */
type Admitted = {
  readonly kind: 'admitted';
  readonly request: AuthorizationRequest;
  readonly user: BrowserCaller;
  readonly live: LiveSession;
  /** Whether the client gets its answer without asking the user. */
  readonly isGranted: boolean;
};

type Asked = {
  readonly request: AuthorizationRequest;
  readonly query: string;
  /** As `hintedUser` returns it. */
  readonly hinted: string | null | undefined;
};

/** The session's caller if the sign-in is recent enough for the request; null if the user must sign in (again). */
function signedInFor(
  ports: AuthorizePorts,
  { request, query, hinted }: Asked,
  live: LiveSession | null,
  caller: Caller,
): BrowserCaller | null {
  if (live === null) return null;
  const user = sessionCallerOf(live, ports, caller) as BrowserCaller;
  const now = Math.floor(ports.clock.now() / 1_000);
  const since = markedSince(ports, query, now);
  if (since !== null && user.authTime >= since) return user;
  if (request.prompts.has('login') || request.prompts.has('select_account')) return null;
  // Also for a token that names no user: a new sign-in shows who the user is.
  if (hinted !== undefined && hinted !== user.userId) return null;
  const { maxAgeSeconds } = request;
  // 0 means prompt=login, even in the same second as the sign-in (OpenID Connect Core §3.1.2.1).
  if (maxAgeSeconds !== undefined && (maxAgeSeconds === 0 || now - user.authTime > maxAgeSeconds)) return null;
  return user;
}

/**
 * Another app could impersonate a public client whose redirect URI is not https, so users of such a client are always
 * asked (RFC 6749 §10.2, RFC 8252 §8.6). So are users of any client, for details that are not those they allowed last.
 */
async function hasGranted(ports: AuthorizePorts, request: AuthorizationRequest, userId: string): Promise<boolean> {
  const { client, audience, prompts, redirectUri, scopes, details } = request;
  if (prompts.has('consent')) return false;
  if (client.auth_method === 'none' && !isClaimedRedirectUri(redirectUri)) return false;
  if (client.skip_consent && details === undefined) return true;
  const granted = await readGrantedConsent(ports.sql, { userId, clientId: client.clientId, audience });
  if (details !== undefined && details !== granted?.authorization_details) return false;
  return client.skip_consent || scopes.every((scope) => granted?.scopes.includes(scope));
}

/**
 * Why the client gets no code of this user and sign-in; null if it gets one. It says who the user is and how they signed
 * in, so only a client that the user has allowed is told.
 */
export function misfitOf(
  ports: AuthorizePorts,
  { request, user, live }: Pick<Admitted, 'request' | 'user' | 'live'>,
): Pick<Refusal, 'error' | 'why'> | null {
  const hinted = hintedUser(ports, request);
  // The user was asked to sign in, and signed in as another user than the client expects (OpenID Connect Core §3.1.2.1).
  if (typeof hinted === 'string' && hinted !== user.userId)
    return { error: 'login_required', why: 'another user signed in' };
  if (request.claims.acr?.includes(live.session.acr) === false)
    return {
      error: 'unmet_authentication_requirements',
      why: 'the sign-in has another acr than the request requires',
    };
  return null;
}

/** Shows the sign-in page, which repeats this request after the sign-in. */
export const signInStep = (ports: AuthorizePorts, query: string): AuthorizeStep => ({
  kind: 'sign-in',
  query: markedQuery(ports, query, Math.floor(ports.clock.now() / 1_000)),
});

/**
 * Returns an authorization request whose user is signed in as it requires, or the step that must come first.
 * Throws `state_rewound`, `store_unavailable` (503).
 */
export async function admitAuthorization(
  ports: AuthorizePorts,
  { query, cookie }: AuthorizeInput,
  caller: Caller,
): Promise<AuthorizeStep | Admitted> {
  assertMayIssue(ports.revocations);
  await newestClient(ports, new URLSearchParams(query).get('client_id') ?? '');
  const parsed = await readAuthorizationRequest(ports, query);
  if (parsed.kind === 'page') return { kind: 'page-error', why: parsed.why };
  const live = await findByCookie(ports, cookie);
  const userId = live?.user.id ?? null;
  if (parsed.kind === 'refused') return answerRefusal(ports, parsed, userId);
  const { request } = parsed;
  const isSilent = request.prompts.has('none');
  const isGranted = userId !== null && (await hasGranted(ports, request, userId));
  // Before the sign-in is judged: the answer would say to a client without consent who the user is.
  if (isSilent && userId !== null && !isGranted)
    return answerError(ports, request, { error: 'consent_required', why: 'the user must consent' }, userId);
  const user = signedInFor(ports, { request, query, hinted: hintedUser(ports, request) }, live, caller);
  if (user !== null && live !== null) return { kind: 'admitted', request, user, live, isGranted };
  if (isSilent) return answerError(ports, request, { error: 'login_required', why: 'the user must sign in' }, userId);
  return signInStep(ports, query);
}
