import type { Client, HasAccess } from '#services/core/access/access-directory.ts';
import type { HasAuth } from '#services/core/identity/sessions/auth.ts';
import type { LiveSession } from '#services/core/identity/sessions/live-session.ts';
import { findByCookie } from '#services/core/identity/sessions/read-session.ts';
import type { Ports } from '#services/core/ports.ts';
import { matchesRedirectUri, redirectWith } from '../authorize/match-redirect-uri.ts';
import { type HintPorts, type IdTokenHint, readIdTokenHint } from '../claims/id-token-hint.ts';
import { hasConsented } from '../consents/consents.store.ts';

export type VerifyLogoutPorts = Pick<Ports, 'sql'> & HasAccess & HasAuth & HintPorts;

/** The supported parameters of a sign-out request (OpenID Connect RP-Initiated Logout §2). */
export type LogoutRequest = {
  readonly idTokenHint: string | undefined;
  readonly clientId: string | undefined;
  readonly redirectUri: string | undefined;
  readonly state: string | undefined;
};

type Asked = {
  readonly client: Client | undefined;
  /** Where to send the browser afterwards. */
  readonly location: string | null;
  /** Whether the browser goes there without a click of the user. */
  readonly isDirect: boolean;
  /** The request names an address or a client that is not verified (RP-Initiated Logout §3): the browser stays here. */
  readonly isLost: boolean;
};

export type LogoutStep =
  /** The browser has no session. */
  | ({ readonly kind: 'signed-out' } & Asked)
  /** The hint is an ID token of this session: only the client has it. */
  | ({ readonly kind: 'sign-out' } & Asked)
  | ({ readonly kind: 'ask'; readonly live: LiveSession } & Asked);

const isOf = (hint: IdTokenHint | null, { user, session }: LiveSession): boolean =>
  hint !== null && hint.userId === user.id && hint.sessionId === session.id;

/**
 * No administrator has vetted the addresses of a client that registered itself or comes from a document. Only users who
 * consented to it go there without a click; otherwise links to this endpoint would be open redirects.
 */
const isTrusted = async (
  { sql }: Pick<Ports, 'sql'>,
  { clientId, origin }: Client,
  live: LiveSession | null,
): Promise<boolean> => origin === 'admin' || (live !== null && (await hasConsented(sql, live.user.id, clientId)));

/**
 * Validates a sign-out request. Without an ID token of this session, the user is asked, because any site can send the
 * browser to this endpoint. A redirect URI that is not registered for the client is never used; the user can sign out all
 * the same. Throws `store_unavailable` (503).
 */
export async function verifyLogout(
  ports: VerifyLogoutPorts,
  { idTokenHint, clientId, redirectUri, state }: LogoutRequest,
  cookie: string | undefined,
): Promise<LogoutStep> {
  const hint = idTokenHint === undefined ? null : readIdTokenHint(ports, idTokenHint);
  const named = clientId ?? hint?.clientId;
  const known = ports.access.client(named ?? '');
  const client = known?.disabled ? undefined : known;
  const isLost =
    (hint !== null && hint.clientId !== named) ||
    (redirectUri !== undefined && !matchesRedirectUri(client?.post_logout_redirect_uris ?? [], redirectUri));
  const live = await findByCookie(ports, cookie);
  if (isLost) {
    const lost = { client: undefined, location: null, isDirect: true, isLost };
    return live === null ? { kind: 'signed-out', ...lost } : { kind: 'ask', ...lost, live };
  }
  const location = redirectUri === undefined ? null : redirectWith(redirectUri, { state });
  // Only a known client has an address.
  const isDirect = location === null || (await isTrusted(ports, client as Client, live));
  const asked = { client, location, isDirect, isLost };
  if (live === null) return { kind: 'signed-out', ...asked };
  if (isOf(hint, live)) return { kind: 'sign-out', ...asked };
  return { kind: 'ask', ...asked, live };
}
