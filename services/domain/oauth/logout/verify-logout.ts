import type { Client, HasAccess } from '#services/domain/access/access-directory.ts';
import type { HasAuth } from '#services/domain/identity/better-auth/auth.ts';
import type { LiveSession } from '#services/domain/identity/sessions/live-session.ts';
import { findByCookie } from '#services/domain/identity/sessions/read-session.ts';
import { matchesRedirectUri, redirectWith } from '../authorize/match-redirect-uri.ts';
import { type HintPorts, type IdTokenHint, readIdTokenHint } from './id-token-hint.ts';

export type VerifyLogoutPorts = HasAccess & HasAuth & HintPorts;

/** A request to sign out (OpenID Connect RP-Initiated Logout §2), as far as it is read. */
export type LogoutRequest = {
  readonly idTokenHint: string | undefined;
  readonly clientId: string | undefined;
  readonly redirectUri: string | undefined;
  readonly state: string | undefined;
};

/** What is known of who asks, and where the browser may go afterwards. */
type Asked = { readonly client: Client | undefined; readonly location: string | null };

export type LogoutStep =
  /** Told to the user alone: the address is not known to be the client's (RP-Initiated Logout §3). */
  | { readonly kind: 'page-error'; readonly why: string }
  /** Nobody is signed in here. */
  | ({ readonly kind: 'signed-out' } & Asked)
  /** The very login is named that is to end: nobody else could. */
  | ({ readonly kind: 'sign-out' } & Asked)
  | ({ readonly kind: 'ask'; readonly live: LiveSession } & Asked);

const isOf = (hint: IdTokenHint | null, { user, session }: LiveSession): boolean =>
  hint !== null && hint.userId === user.id && hint.sessionId === session.id;

/**
 * Judges a request to sign out. Without an ID token of this very session the user is asked: any page can send a browser
 * here. Nothing is believed of where to go afterwards unless it is registered for the client. Throws `store_unavailable`
 * (503).
 */
export async function verifyLogout(
  ports: VerifyLogoutPorts,
  { idTokenHint, clientId, redirectUri, state }: LogoutRequest,
  cookie: string | undefined,
): Promise<LogoutStep> {
  const hint = idTokenHint === undefined ? null : readIdTokenHint(ports, idTokenHint);
  const named = clientId ?? hint?.clientId;
  if (hint !== null && hint.clientId !== named)
    return { kind: 'page-error', why: 'The application that sent you here is not the one that you signed in to.' };
  const known = ports.access.client(named ?? '');
  const client = known?.disabled ? undefined : known;
  if (redirectUri !== undefined && !matchesRedirectUri(client?.postLogoutRedirectUris ?? [], redirectUri))
    return {
      kind: 'page-error',
      why: 'The application asked to have you sent on to an address that is not registered for it.',
    };
  const location = redirectUri === undefined ? null : redirectWith(redirectUri, { state });
  const live = await findByCookie(ports, cookie);
  if (live === null) return { kind: 'signed-out', client, location };
  if (isOf(hint, live)) return { kind: 'sign-out', client, location };
  return { kind: 'ask', client, location, live };
}
