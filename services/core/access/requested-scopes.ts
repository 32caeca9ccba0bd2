import { likelyName } from '#services/platform/define/nearest-name.ts';
import { sift, TOLERANCE, type Tolerance } from '#services/platform/define/tolerance.ts';
import type { AccessDirectory, Client } from './access-directory.ts';

/** RFC 6749 §3.3. */
const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*$/;
/** What no scope here has is only repeated if it can be nothing but a name. */
const PLAIN = /^[\w:.-]{1,64}$/;

type KnowsScopes = { readonly access: Pick<AccessDirectory, 'isScope'> };

export type ScopesAsked =
  | { readonly scopes: readonly string[]; readonly why?: undefined }
  /** Why the request is refused, in one or two sentences that name the scope and the nearest one that the client has. */
  | { readonly why: string; readonly scopes?: undefined };

const shown = (scope: string): string => (PLAIN.test(scope) ? `the scope ${scope}` : 'a scope that it requests');

/** The refusal of a scope, and the nearest scope that the client has. */
export function scopeRefusal(scope: string, allowed: readonly string[], why = 'The client may not request'): string {
  const near = likelyName(scope, allowed);
  return `${why} ${shown(scope)}.${near === undefined ? '' : ` Did you mean ${near}?`}`;
}

const strict = TOLERANCE['scopes in our own API'];
const toleranceOf = ({ origin }: Pick<Client, 'origin'>): Tolerance =>
  TOLERANCE[origin === 'admin' ? 'scopes of a vetted client' : 'scopes of an unvetted client'];

function asked(
  { access }: KnowsScopes,
  tolerance: Tolerance,
  scope: string | undefined,
  allowed: readonly string[],
): ScopesAsked {
  if (scope === undefined) return { scopes: allowed };
  if (!SCOPE.test(scope)) return { why: 'The scope is malformed: it is a list of names, separated by single spaces.' };
  const names = scope.split(' ');
  const { kept, refused } = sift(tolerance, names, (name) => {
    if (allowed.includes(name)) return 'allowed';
    return access.isScope(name) ? 'forbidden' : 'unknown';
  });
  const [first] = refused;
  if (first !== undefined) return { why: scopeRefusal(first, allowed) };
  if (kept.length === 0) return { why: scopeRefusal(names[0] as string, allowed) };
  return { scopes: kept };
}

/**
 * The scopes of an OAuth request that the client gets, of the allowed ones; all of these if it names none. What is no
 * scope here is ignored (OpenID Connect Core §3.1.2.1, RFC 6749 §3.3).
 */
export const scopesAsked = (
  ports: KnowsScopes,
  client: Pick<Client, 'origin'>,
  scope: string | undefined,
  allowed: readonly string[],
): ScopesAsked => asked(ports, toleranceOf(client), scope, allowed);

/** The same in a request to `/v1`, where every scope must be an allowed one. */
export const scopesNamed = (ports: KnowsScopes, scope: string | undefined, allowed: readonly string[]): ScopesAsked =>
  asked(ports, strict, scope, allowed);

/** A list of scopes without those that are no scope here; one that is malformed, or names no scope at all, as it is. */
export function knownScopesOf({ access }: KnowsScopes, scope: string): string {
  const known = SCOPE.test(scope) ? scope.split(' ').filter((name) => access.isScope(name)) : [];
  return known.length === 0 ? scope : known.join(' ');
}
