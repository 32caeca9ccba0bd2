import type { Client, HasAccess } from '../access/access-directory.ts';
import { hasSameRights } from '../access/application-rights.ts';
import { scopesAsked } from '../access/requested-scopes.ts';
import type { Ports } from '../ports.ts';
import type { HasStateConfirmation } from '../revocations/confirm-state.ts';
import type { AccessTokenClaims } from '../tokens/access-token.ts';
import { scopeInvalid, targetInvalid } from '../tokens/errors.ts';
import { allowedAudience } from '../tokens/issue/allowed-audience.ts';
import type { ProvenKeys } from '../tokens/issue/grant-token.ts';
import { confirmationOf, maySee, maySeeRoles } from '../tokens/refresh/family-token.ts';
import type { HasTokenSettings } from '../tokens/token-settings.ts';
import { decideTokenConfirmed, type ValidatePorts } from '../tokens/verify/validate-token.ts';
import { subjectTokenInvalid } from './errors.ts';
import { requestedAudience } from './requested-terms.ts';

/** Maximum depth of the chain of actors. */
const LONGEST_CHAIN = 4;

const chainLength = (act: unknown): number =>
  typeof act === 'object' && act !== null ? 1 + chainLength((act as { act?: unknown }).act) : 0;

/**
 * Returns the claims of a user's token that this client may exchange. Throws `subject_token_invalid` (400),
 * `key_ring_behind` (503).
 */
export async function subjectTokenOf(
  ports: ValidatePorts & HasStateConfirmation,
  client: Client,
  token: string,
): Promise<AccessTokenClaims> {
  for (const audience of [ports.tokenSettings.audience, ...client.audiences.filter((listed) => listed !== '*')]) {
    const evaluated = await decideTokenConfirmed(ports, token, { audience });
    if (evaluated === 'wrong_audience') continue;
    // A client-credentials token has no user.
    if (typeof evaluated === 'string' || evaluated.claims.fid === undefined) break;
    // An agent acts for its owner and for no other user.
    if (client.agent && evaluated.claims.sub !== client.agent.ownerId) break;
    if (chainLength(evaluated.claims.act) >= LONGEST_CHAIN) break;
    return evaluated.claims;
  }
  throw subjectTokenInvalid();
}

function scopesFor(
  ports: HasAccess,
  client: Client,
  subject: AccessTokenClaims,
  requested: string | undefined,
): readonly string[] {
  const held = (subject.scope ?? '').split(' ').filter((scope) => client.scopes.includes(scope));
  const { scopes, why } = scopesAsked(ports, client, requested, held);
  if (scopes === undefined) throw scopeInvalid({ detail: why });
  if (scopes.length === 0) throw scopeInvalid();
  return scopes;
}

/** Removes claims of the user that the client may not see with this scope. */
function seenBy<T extends Partial<AccessTokenClaims>>(
  client: Client,
  scopes: readonly string[],
  { roles, email, email_verified, ...rest }: T,
) {
  const facts = { client_id: client.clientId, scope: scopes.join(' ') };
  return {
    ...rest,
    ...(roles !== undefined && maySeeRoles(client, facts) ? { roles } : {}),
    ...(email !== undefined && maySee(facts, 'email') ? { email, email_verified: email_verified === true } : {}),
  };
}

/** What the request asks of the new token. */
export type ExchangeTerms = {
  /** Keys proved with the request, to which the token is bound. */
  readonly keys: ProvenKeys;
  readonly scope: string | undefined;
  readonly resource: string | undefined;
  readonly audience: string | undefined;
};

/** RFC 8693 §2.1: a resource is a URI, an audience is any name; a request with both must name the same one. */
function audienceFor(ports: HasTokenSettings, client: Client, { resource, audience }: ExchangeTerms): string {
  if (resource === undefined) return allowedAudience(ports, client, audience);
  const allowed = requestedAudience(ports, client, resource);
  if (allowed === null || (audience !== undefined && audience !== resource)) throw targetInvalid();
  return allowed;
}

/**
 * Returns the claims of the token for the next service: no more scope than the subject token, no longer lifetime, no
 * claim that the client may not see, and no rights of the installation or of an application at the audience of another.
 * Throws `scope_invalid`, `target_invalid` (400).
 */
export function exchangedClaims(
  ports: HasTokenSettings & HasAccess & Pick<Ports, 'clock' | 'random'>,
  client: Client,
  subject: AccessTokenClaims,
  terms: ExchangeTerms,
): AccessTokenClaims & { readonly scope: string } {
  const { keys, scope } = terms;
  const aud = audienceFor(ports, client, terms);
  const scopes = scopesFor(ports, client, subject, scope);
  const issuedAt = Math.floor(ports.clock.now() / 1_000);
  const confirmation = confirmationOf(client, keys);
  // The IP address and user agent of the subject token are dropped: the service uses the new token from another place.
  const { bip: _bip, bua: _bua, nbf: _nbf, cnf: _cnf, act, origins = [], roles, permissions = [], ...kept } = subject;
  const rights = hasSameRights(ports, [subject.aud].flat()[0] as string, aud)
    ? { roles, permissions: permissions.filter((permission) => scopes.includes(permission)) }
    : { roles: undefined, permissions: [] };
  return {
    ...seenBy(client, scopes, { ...kept, roles: rights.roles }),
    aud,
    client_id: client.clientId,
    iat: issuedAt,
    exp: Math.min(subject.exp, issuedAt + ports.tokenSettings.accessTokenSeconds),
    jti: ports.random.uuid(),
    scope: scopes.join(' '),
    permissions: rights.permissions,
    ce: client.tokenEpoch,
    act: { sub: client.clientId, ...(act === undefined ? {} : { act }) },
    origins: [{ jti: subject.jti, client_id: subject.client_id, ce: subject.ce ?? 0 }, ...origins],
    ...(confirmation === undefined ? {} : { cnf: confirmation }),
  };
}
