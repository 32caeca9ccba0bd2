import type { HasAccess } from '#services/domain/access/access-directory.ts';
import type { BrowserPolicy } from '#services/domain/identity/better-auth/auth-engine.ts';
import { returnAddress } from '#services/domain/identity/social/return-address.ts';
import type { Ports } from '#services/domain/ports.ts';
import type { HasTokenSettings } from '#services/domain/tokens/token-settings.ts';
import { formActionSource } from './match-redirect-uri.ts';
import { readAuthorizationRequest } from './pushed-requests.ts';

const AUTHORIZE = '/oauth2/authorize?';
/** Paths of ours that a login may lead to; anything else a link brings is forgotten (open redirect). */
const KNOWN = /^\/(oauth2\/authorize\?[\x21-\x7e]+|device(\?[\x21-\x7e]*)?)$/;
const LONGEST = 12_288;
/** Where a login leads that was asked for by nobody. */
export const NO_NEXT = '/login';

export const safeNext = (next: string | undefined): string =>
  next !== undefined && next.length <= LONGEST && KNOWN.test(next) && !next.includes('\\') ? next : NO_NEXT;

/** A path leads nowhere else from one origin that does not from another. */
const HERE = 'http://localhost';

/**
 * Where a form of ours leads: what a link may bring, or what a sign-in by another provider was begun for before it
 * asked for a second factor. Nothing of a page is believed when it comes back, so both are judged again.
 */
export function formNext(browser: Pick<BrowserPolicy, 'trustedOrigins'>, next: string): string {
  if (safeNext(next) === next) return next;
  try {
    return returnAddress(browser, HERE, next);
  } catch {
    return NO_NEXT;
  }
}

export type NextStep = {
  /** Where the forms of this way may lead, for their page's policy. */
  readonly formTargets: readonly string[];
  readonly loginHint: string | undefined;
};

/** What the login page needs to know of the request that it is on the way to. Throws `store_unavailable` (503). */
export async function describeNext(
  ports: HasAccess & HasTokenSettings & Pick<Ports, 'sql'>,
  next: string,
): Promise<NextStep> {
  if (!next.startsWith('/')) return { formTargets: [new URL(next).origin], loginHint: undefined };
  if (!next.startsWith(AUTHORIZE)) return { formTargets: [], loginHint: undefined };
  const parsed = await readAuthorizationRequest(ports, next.slice(AUTHORIZE.length));
  if (parsed.kind === 'page') return { formTargets: [], loginHint: undefined };
  const { redirectUri, loginHint } =
    parsed.kind === 'request' ? parsed.request : { redirectUri: parsed.redirectUri, loginHint: undefined };
  return { formTargets: [formActionSource(redirectUri)], loginHint };
}

export const authorizePathFor = (query: string): string => AUTHORIZE + query;

/** The login page on the way to an authorization request. */
export const loginPathFor = (query: string): string =>
  `/login?${new URLSearchParams({ next: authorizePathFor(query) })}`;
