import type { Client, HasAccess } from '#services/core/access/access-directory.ts';
import { logoPathOf } from '#services/core/access/client-logo.ts';
import type { BrowserPolicy } from '#services/core/identity/sessions/browser-policy.ts';
import { returnAddress } from '#services/core/identity/social/return-address.ts';
import type { Ports } from '#services/core/ports.ts';
import { type HintPorts, hintedUser } from '../claims/id-token-hint.ts';
import { formActionSource } from './match-redirect-uri.ts';
import { readAuthorizationRequest } from './pushed-requests.ts';

const AUTHORIZE = '/oauth2/authorize?';
/** Our paths that the sign-in page may redirect to; any other `next` in a link is ignored (open redirect). */
const KNOWN =
  /^\/(oauth2\/authorize\?[\x21-\x7e]+|device(\?[\x21-\x7e]*)?|account(\/(security|sessions|applications|api-keys|data))?|signoff(\/[0-9a-f-]{36})?)$/;
const LONGEST = 12_288;
/** Where the sign-in page redirects to without a `next`. */
export const NO_NEXT = '/login';

export const safeNext = (next: string | undefined): string =>
  next !== undefined && next.length <= LONGEST && KNOWN.test(next) && !next.includes('\\') ? next : NO_NEXT;

/** Base for resolving paths; any origin gives the same result. */
const HERE = 'http://localhost';

/**
 * Returns where a form of our pages redirects to: an allowed `next` of a link, or the return address of a social
 * sign-in that then required a second factor. The page sends either of them back, so it is validated again.
 */
export function formNext(browser: Pick<BrowserPolicy, 'trustedOrigins'>, next: string): string {
  if (safeNext(next) === next) return next;
  try {
    return returnAddress(browser, HERE, next);
  } catch {
    return NO_NEXT;
  }
}

/** The application that sent the user here. */
export type Asker = {
  readonly name: string;
  /** Host of its redirect URI, or the scheme of a URI without a host. */
  readonly host: string;
  /** Path of its logo on our origin; null if it has none. */
  readonly logoPath: string | null;
};

export type NextStep = {
  /** CSP `form-action` sources for the forms of the page. */
  readonly formTargets: readonly string[];
  readonly loginHint: string | undefined;
  /** Null without a request of a known client. */
  readonly asker: Asker | null;
  /** A request that asks users to sign in again (`prompt=login`, `max_age`), and which user it expects, if it says so. */
  readonly asksAgain: { readonly userId: string | undefined } | null;
};

const NOTHING_ASKED: NextStep = { formTargets: [], loginHint: undefined, asker: null, asksAgain: null };

function askerOf(client: Client, redirectUri: string): Asker {
  const { protocol, host } = new URL(redirectUri);
  return { name: client.name, host: host === '' ? protocol : host, logoPath: logoPathOf(client) };
}

/** Describes the request that follows the sign-in page. Throws `store_unavailable` (503). */
export async function describeNext(ports: HasAccess & HintPorts & Pick<Ports, 'sql'>, next: string): Promise<NextStep> {
  if (!next.startsWith('/')) return { ...NOTHING_ASKED, formTargets: [new URL(next).origin] };
  if (!next.startsWith(AUTHORIZE)) return NOTHING_ASKED;
  const parsed = await readAuthorizationRequest(ports, next.slice(AUTHORIZE.length));
  if (parsed.kind === 'page') return NOTHING_ASKED;
  const { redirectUri, client } = parsed.kind === 'request' ? parsed.request : parsed;
  const shown = { formTargets: [formActionSource(redirectUri)], asker: askerOf(client, redirectUri) };
  if (parsed.kind === 'refused') return { ...NOTHING_ASKED, ...shown };
  const { loginHint, prompts, maxAgeSeconds } = parsed.request;
  return {
    ...shown,
    loginHint,
    asksAgain:
      prompts.has('login') || maxAgeSeconds !== undefined
        ? { userId: hintedUser(ports, parsed.request) ?? undefined }
        : null,
  };
}

export const authorizePathFor = (query: string): string => AUTHORIZE + query;

/** The sign-in page that continues with an authorization request. */
export const signInPathFor = (query: string): string =>
  `/login?${new URLSearchParams({ next: authorizePathFor(query) })}`;

/** The sign-in page without the account of the session. */
export const otherAccountPath = (next: string): string => `/login?${new URLSearchParams({ next, another: '1' })}`;

/** A path of our pages that keeps where the user goes on to. @example pathWithNext('/signup', '/device') */
export const pathWithNext = (path: string, next: string): string =>
  next === NO_NEXT ? path : `${path}?${new URLSearchParams({ next })}`;
