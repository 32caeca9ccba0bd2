import type { HasAccess } from '../access/access-directory.ts';
import type { HasAuth } from '../identity/auth.ts';
import type { LiveSession } from '../identity/live-session.ts';
import { sessionCallerOf } from '../identity/open-session.ts';
import { findByCookie } from '../identity/read-session.ts';
import type { Caller, Ports } from '../ports.ts';
import { assertNotRewound, type HasRevocations } from '../tokens/revocation-set.ts';
import type { HasTokenSettings } from '../tokens/token-settings.ts';
import {
  type AuthorizationErrorCode,
  type AuthorizationRequest,
  type Parsed,
  parseAuthorizationRequest,
} from './authorization-request.ts';
import { readConsent } from './consents.store.ts';
import { issueCode } from './issue-code.ts';
import { isClaimedRedirectUri, redirectWith } from './match-redirect-uri.ts';
import { type HasPageKeys, markedQuery, markedSince } from './page-seals.ts';

export type AuthorizePorts = Pick<Ports, 'transact' | 'sql' | 'random' | 'clock'> &
  HasAccess &
  HasAuth &
  HasPageKeys &
  HasRevocations &
  HasTokenSettings;

export type BrowserCaller = Caller & { readonly kind: 'user'; readonly sessionId: string };

/** What the browser is shown or where it goes next. */
export type AuthorizeStep =
  | { readonly kind: 'page-error'; readonly why: string }
  /** `location` carries code or error, `iss` and the client's state. */
  | { readonly kind: 'redirect'; readonly location: string }
  /** Sign in first, then come back with this query. */
  | { readonly kind: 'login'; readonly query: string }
  | { readonly kind: 'consent'; readonly request: AuthorizationRequest; readonly live: LiveSession };

export type AuthorizeInput = {
  /** Of the address, without the question mark. */
  readonly query: string;
  readonly cookie: string | undefined;
};

/** Where an answer goes: every one names its issuer (RFC 9207 §2). */
export function answerTo(
  { tokenSettings }: HasTokenSettings,
  { redirectUri, state }: { readonly redirectUri: string; readonly state: string | undefined },
  members: { readonly code: string } | { readonly error: AuthorizationErrorCode; readonly error_description: string },
): AuthorizeStep {
  return { kind: 'redirect', location: redirectWith(redirectUri, { ...members, state, iss: tokenSettings.issuer }) };
}

function refusedStep(ports: HasTokenSettings, parsed: Exclude<Parsed, { kind: 'request' }>): AuthorizeStep {
  return parsed.kind === 'page'
    ? { kind: 'page-error', why: parsed.why }
    : answerTo(ports, parsed, { error: parsed.error, error_description: parsed.why });
}

/** The session's caller where the login is as fresh as the request wants it; null: sign in (again). */
function loginFor(
  ports: AuthorizePorts,
  request: AuthorizationRequest,
  query: string,
  live: LiveSession | null,
  caller: Caller,
): BrowserCaller | null {
  if (live === null) return null;
  const user = sessionCallerOf(live, ports, caller) as BrowserCaller;
  const now = Math.floor(ports.clock.now() / 1_000);
  const since = markedSince(ports, query, now);
  if (since !== null && user.authTime >= since) return user;
  if (request.prompts.has('login') || request.prompts.has('select_account')) return null;
  const { maxAgeSeconds } = request;
  // 0 is prompt=login, also within the second of a login (OpenID Connect Core §3.1.2.1).
  if (maxAgeSeconds !== undefined && (maxAgeSeconds === 0 || now - user.authTime > maxAgeSeconds)) return null;
  return user;
}

/** An authorization request with the login it needs, or the step that comes before. */
export async function admitAuthorization(
  ports: AuthorizePorts,
  { query, cookie }: AuthorizeInput,
  caller: Caller,
): Promise<
  AuthorizeStep | { kind: 'admitted'; request: AuthorizationRequest; user: BrowserCaller; live: LiveSession }
> {
  assertNotRewound(ports.revocations);
  const parsed = parseAuthorizationRequest(ports, query);
  if (parsed.kind !== 'request') return refusedStep(ports, parsed);
  const { request } = parsed;
  const live = await findByCookie(ports, cookie);
  const user = loginFor(ports, request, query, live, caller);
  if (user !== null && live !== null) return { kind: 'admitted', request, user, live };
  if (request.prompts.has('none'))
    return answerTo(ports, request, { error: 'login_required', error_description: 'the user must sign in' });
  return { kind: 'login', query: markedQuery(ports, query, Math.floor(ports.clock.now() / 1_000)) };
}

/**
 * The authorization endpoint (RFC 6749 §4.1.1): a code for what the user has consented to before, else what the browser
 * has to show. A public client that is not reached over its own https address could be another one: its users are
 * always asked (RFC 6749 §10.2, RFC 8252 §8.6).
 * Throws `state_rewound`, `store_unavailable` (503).
 */
export async function authorize(ports: AuthorizePorts, input: AuthorizeInput, caller: Caller): Promise<AuthorizeStep> {
  const admitted = await admitAuthorization(ports, input, caller);
  if (admitted.kind !== 'admitted') return admitted;
  const { request, user, live } = admitted;
  if (!(await isGranted(ports, request, user)))
    return request.prompts.has('none')
      ? answerTo(ports, request, { error: 'consent_required', error_description: 'the user must be asked' })
      : { kind: 'consent', request, live };
  const code = await ports.transact((tx) => issueCode(tx, ports, request, request.scopes, user));
  return answerTo(ports, request, { code });
}

async function isGranted(ports: AuthorizePorts, request: AuthorizationRequest, user: BrowserCaller): Promise<boolean> {
  const { client, audience, prompts, redirectUri, scopes } = request;
  if (prompts.has('consent')) return false;
  if (client.authMethod === 'none' && !isClaimedRedirectUri(redirectUri)) return false;
  if (client.skipConsent) return true;
  const granted = await readConsent(ports.sql, { userId: user.userId, clientId: client.clientId, audience });
  return scopes.every((scope) => granted.includes(scope));
}
