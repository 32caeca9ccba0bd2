import { isProfileClaim, type ProfileClaim, SCOPE_OF_CLAIM } from '#services/core/access/profile-claims.ts';
import { sift, TOLERANCE } from '#services/platform/define/tolerance.ts';

/** What the parameter `claims` asks (OpenID Connect Core §5.5). */
export type RequestedClaims = {
  /** Claims for the ID token; the granted scopes decide which of them it gets. */
  readonly idToken: readonly ProfileClaim[];
  /** The scopes that release the requested claims, of those that the client may have. */
  readonly scopes: readonly string[];
  /** The client wants an ID token of this user alone (§3.1.2.2). */
  readonly sub: string | undefined;
  /** The levels of which the sign-in must reach one (§5.5.1.1). */
  readonly acr: readonly string[] | undefined;
};

export const NO_CLAIMS: RequestedClaims = { idToken: [], scopes: [], sub: undefined, acr: undefined };

type Members = Readonly<Record<string, unknown>>;

const isMembers = (value: unknown): value is Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const UNREADABLE = Symbol('unreadable');
/** The values that a request for one claim names; undefined if it names none. */
function valuesOf(request: unknown): readonly string[] | undefined | typeof UNREADABLE {
  if (!isMembers(request)) return request === undefined || request === null ? undefined : UNREADABLE;
  const named = request.values ?? (request.value === undefined ? undefined : [request.value]);
  if (named === undefined) return undefined;
  return Array.isArray(named) && named.every((value) => typeof value === 'string') ? named : UNREADABLE;
}

const tolerance = TOLERANCE['claims in the parameter claims'];

/**
 * Reads `claims`; null if it has not the form of §5.5. A claim that is none here is ignored, and one whose scope the
 * client may not have is left out: no claim is an error because it is missing (§5.5.1).
 */
export function requestedClaims(text: string | undefined, allowed: readonly string[]): RequestedClaims | null {
  if (text === undefined) return NO_CLAIMS;
  const request = parsed(text);
  if (!isMembers(request)) return null;
  const { id_token: idToken = {}, userinfo = {} } = request;
  if (!isMembers(idToken) || !isMembers(userinfo)) return null;
  const keptOf = (claims: Members) =>
    sift(tolerance, Object.keys(claims), (name) => {
      if (!isProfileClaim(name)) return 'unknown';
      return allowed.includes(SCOPE_OF_CLAIM[name]) ? 'allowed' : 'forbidden';
    }).kept as readonly ProfileClaim[];
  const subject = valuesOf(idToken.sub);
  const acr = valuesOf(idToken.acr);
  if (subject === UNREADABLE || acr === UNREADABLE || (subject?.length ?? 1) !== 1) return null;
  const inIdToken = keptOf(idToken);
  return {
    idToken: inIdToken,
    scopes: [...new Set([...inIdToken, ...keptOf(userinfo)].map((name) => SCOPE_OF_CLAIM[name]))],
    sub: subject?.[0],
    acr: isMembers(idToken.acr) && idToken.acr.essential === true ? acr : undefined,
  };
}
