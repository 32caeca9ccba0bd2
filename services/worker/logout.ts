import type { LogoutTransport } from '../core/oauth/logout/send-logout-tokens.ts';
import type { ClientSettings } from '../platform/config/clients.ts';
import { guardedFetch } from '../platform/http/outbound.ts';

/** A client that is slower is retried later, so that it does not delay other clients. */
const DEADLINE_MS = 3_000;
/** The body of the answer is not used (Back-Channel Logout §2.8). */
const ANSWER_BYTES_MAX = 65_536;

/**
 * Sends logout tokens over the network. The address of an unvetted client may be chosen by an attacker, so it is never
 * on a private network.
 */
export const createLogoutTransport = ({ logoutPrivate }: Pick<ClientSettings, 'logoutPrivate'>): LogoutTransport => ({
  async send({ uri, is_vetted: isVetted }, logoutToken, signal) {
    const rules = {
      allowsPrivate: logoutPrivate && isVetted,
      answerBytesMax: ANSWER_BYTES_MAX,
      deadlineMs: DEADLINE_MS,
    };
    const body = new URLSearchParams({ logout_token: logoutToken });
    const { status } = await guardedFetch(rules, uri, { method: 'POST', body, signal });
    return status;
  },
});
