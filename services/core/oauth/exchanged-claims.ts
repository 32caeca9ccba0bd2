import type { Client, HasAccess } from '../access/access-directory.ts';
import { hasSameRights } from '../access/application-rights.ts';
import { scopesAsked } from '../access/requested-scopes.ts';
import type { Ports } from '../ports.ts';
import type { HasStateConfirmation } from '../revocations/confirm-state.ts';
import type { TokenOrigin } from '../revocations/revocation-set.ts';
import type { AccessTokenClaims } from '../tokens/access-token.ts';
import { scopeInvalid, targetInvalid } from '../tokens/errors.ts';
import { allowedAudience } from '../tokens/issue/allowed-audience.ts';
import type { ProvenKeys } from '../tokens/issue/grant-token.ts';
import { confirmationOf, maySee, maySeeRoles } from '../tokens/refresh/family-token.ts';
import type { HasTokenSettings } from '../tokens/token-settings.ts';
import { decideTokenConfirmed, type ValidatePorts } from '../tokens/verify/validate-token.ts';
import { actorTokenInvalid, subjectTokenInvalid } from './errors.ts';
import {
  type AuthorizationDetails,
  detailsInToken,
  detailsNow,
  detailsWithin,
  parseAuthorizationDetails,
  requestedAudience,
  requestedScopes,
} from './requested-terms.ts';

/** Maximum depth of the chain of actors. */
const LONGEST_CHAIN = 4;

const chainLength = (act: unknown): number =>
  typeof act === 'object' && act !== null ? 1 + chainLength((act as { act?: unknown }).act) : 0;

/** The claims of an active token that is meant for this client: for this installation, or an audience of the client. */
async function tokenFor(
  ports: ValidatePorts & HasStateConfirmation,
  client: Client,
  token: string,
): Promise<AccessTokenClaims | null> {
  for (const audience of [ports.tokenSettings.audience, ...client.audiences.filter((listed) => listed !== '*')]) {
    const evaluated = await decideTokenConfirmed(ports, token, { audience });
    if (evaluated !== 'wrong_audience') return typeof evaluated === 'string' ? null : evaluated.claims;
  }
  return null;
}

/**
 * Returns the claims of a user's token that this client may exchange. Throws `subject_token_invalid` (400),
 * `key_ring_behind` (503).
 */
export async function subjectTokenOf(
  ports: ValidatePorts & HasStateConfirmation,
  client: Client,
  token: string,
): Promise<AccessTokenClaims> {
  const claims = await tokenFor(ports, client, token);
  // A client-credentials token has no user.
  if (claims?.fid === undefined) throw subjectTokenInvalid();
  // An agent acts for its owner and for no other user.
  if (client.agent && claims.sub !== client.agent.ownerId) throw subjectTokenInvalid();
  if (chainLength(claims.act) >= LONGEST_CHAIN) throw subjectTokenInvalid();
  return claims;
}

/**
 * Returns the claims of the token of the agent that acts; null if the client itself does, with or without its own token.
 * An agent of the user may act; `may_act` of the subject token, if it has one, names who may act (RFC 8693 §4.4). Throws
 * `actor_token_invalid` (400), `key_ring_behind` (503).
 */
export async function actorOf(
  ports: ValidatePorts & HasStateConfirmation & HasAccess,
  client: Client,
  subject: AccessTokenClaims & { readonly may_act?: { readonly sub?: unknown } },
  token: string | undefined,
): Promise<AccessTokenClaims | null> {
  const actor = token === undefined ? null : await tokenFor(ports, client, token);
  const sub = actor === null ? client.clientId : actor.sub;
  const isItself = sub === client.clientId;
  const isAgent = client.agent === null && ports.access.client(sub)?.agent?.ownerId === subject.sub;
  // A token of a user, or one that was exchanged, shows nothing about who has it now.
  const isOwn = actor === null ? token === undefined : actor.fid === undefined && actor.client_id === sub;
  const mayAct = subject.may_act === undefined || subject.may_act?.sub === sub;
  if (!isOwn || !mayAct || !(isItself || isAgent)) throw actorTokenInvalid();
  return isItself ? null : actor;
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

/** RFC 8707 §2: the one resource that an assertion names, and the request may repeat. */
function assertedResource(claim: unknown, asked: string | undefined): string | undefined {
  const named = Array.isArray(claim) && claim.length === 1 ? claim[0] : claim;
  if (named === undefined) return asked;
  if (typeof named !== 'string' || (asked !== undefined && asked !== named)) throw targetInvalid();
  return named;
}

type Asked = { readonly scope: string | undefined; readonly resource: string | undefined };
type Terms = {
  readonly scope: string;
  readonly audience: string;
  readonly authorization_details: AuthorizationDetails | null;
};

/**
 * What an assertion grants: no more than the other server grants, nor than the client may have here. A detail that it may
 * not have refuses all of it, because a token without that detail might allow more.
 * Throws `scope_invalid`, `target_invalid`, `authorization_details_invalid` (400).
 */
export function assertedTerms(
  ports: HasTokenSettings & HasAccess,
  client: Client,
  granted: Readonly<Record<string, unknown>>,
  asked: Asked,
): Terms {
  const audience = requestedAudience(ports, client, assertedResource(granted.resource, asked.resource));
  if (audience === null) throw targetInvalid();
  const named = typeof granted.scope === 'string' ? granted.scope.split(' ') : [];
  const scopes = client.scopes.filter((name) => named.includes(name));
  const { scopes: found, why } = requestedScopes(ports, { ...client, scopes }, asked.scope, audience);
  if (found === undefined) throw scopeInvalid({ detail: why });
  const details = granted.authorization_details;
  const text = details === undefined ? undefined : JSON.stringify(details);
  const parsed = parseAuthorizationDetails(ports, { client, audience }, text);
  return { audience, scope: found.join(' '), authorization_details: parsed ?? null };
}

/**
 * The server among those that an administrator has named for the client, and the scopes of the request that are named too.
 * No type of authorization details belongs to another server. Throws `scope_invalid`, `target_invalid`,
 * `authorization_details_invalid` (400).
 */
export function namedServer(
  { identity_assertions: assertions }: Pick<Client, 'identity_assertions'>,
  { audience, resource, scope, authorizationDetails }: Omit<ExchangeTerms, 'keys'>,
) {
  const server = assertions?.issues?.find(({ issuer }) => issuer === audience);
  if (server === undefined) throw targetInvalid();
  if (resource !== undefined && !server.resources?.includes(resource)) throw targetInvalid();
  const asked = scope?.split(' ');
  const scopes = server.scopes.filter((name) => asked === undefined || asked.includes(name)).join(' ');
  if (scopes === '' && asked !== undefined) throw scopeInvalid();
  detailsWithin(null, authorizationDetails);
  return { server, scopes };
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

const originOf = ({ jti, client_id, ce = 0 }: AccessTokenClaims): TokenOrigin => ({ jti, client_id, ce });

/** What the request asks of the new token. */
export type ExchangeTerms = {
  /** Keys proved with the request, to which the token is bound. */
  readonly keys: ProvenKeys;
  readonly scope: string | undefined;
  readonly resource: string | undefined;
  readonly audience: string | undefined;
  readonly authorizationDetails?: string | undefined;
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
 * Of its authorization details it keeps those that are for the new audience and allowed to the client. Throws
 * `scope_invalid`, `target_invalid`, `authorization_details_invalid` (400).
 */
export function exchangedClaims(
  ports: HasTokenSettings & HasAccess & Pick<Ports, 'clock' | 'random'>,
  client: Client,
  subject: AccessTokenClaims,
  terms: ExchangeTerms & { readonly actor?: AccessTokenClaims | null },
): AccessTokenClaims & { readonly scope: string } {
  const { keys, scope, actor = null } = terms;
  const aud = audienceFor(ports, client, terms);
  const scopes = scopesFor(ports, client, subject, scope);
  const issuedAt = Math.floor(ports.clock.now() / 1_000);
  const confirmation = confirmationOf(client, keys);
  const details = detailsWithin(detailsInToken(subject.authorization_details), terms.authorizationDetails);
  const carried = details && detailsNow(ports.access, { client_id: client.clientId, audience: aud }, details);
  // The IP address and user agent of the subject token are dropped: the service uses the new token from another place.
  const {
    authorization_details: _details,
    bip: _bip,
    bua: _bua,
    nbf: _nbf,
    cnf: _cnf,
    act,
    origins = [],
    roles,
    permissions = [],
    ...kept
  } = subject;
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
    ...(carried === undefined ? {} : { authorization_details: carried }),
    permissions: rights.permissions,
    ce: client.tokenEpoch,
    act: { sub: actor?.sub ?? client.clientId, ...(act === undefined ? {} : { act }) },
    origins: [...[subject, ...(actor === null ? [] : [actor])].map(originOf), ...origins],
    ...(confirmation === undefined ? {} : { cnf: confirmation }),
  };
}
