import { tokenIssueDuration, tokensIssued } from '#observability/metrics/tokens.ts';
import type { Client, HasAccess } from '#services/core/access/access-directory.ts';
import { permissionsAt } from '#services/core/access/application-rights.ts';
import { scopesAsked } from '#services/core/access/requested-scopes.ts';
import { type AuditRow, auditRow, recordEvent } from '#services/core/audit/record-event.ts';
import { authenticatedClientOf } from '#services/core/authority/callers.ts';
import type { HasKeyRing } from '#services/core/keys/key-ring.ts';
import type { Caller, Ports, Tx } from '#services/core/ports.ts';
import { stateRewound } from '#services/core/revocations/contract.ts';
import type { HasDatabaseGuard } from '#services/core/revocations/database-guard.ts';
import { assertMayIssue, type HasRevocations } from '#services/core/revocations/revocation-set.ts';
import type { HasApprovals } from '#services/core/shared/approval.ts';
import { clientUnauthenticated } from '#services/platform/errors.ts';
import { accessTokenClaims, answeredDetails, signAccessToken, tokenTypeOf } from '../access-token.ts';
import { tokenIssued } from '../audit-events.ts';
import { detailFacts, detailsOf, signedActAsked, signedOffDetails } from '../authorization-details.ts';
import { type Batcher, createBatcher } from '../batches/batcher.ts';
import { grantNotAllowed, scopeInvalid, targetInvalid } from '../errors.ts';
import { confirmationOf, rememberToken } from '../refresh/family-token.ts';
import type { HasTokenSettings } from '../token-settings.ts';
import { allowedAudience } from './allowed-audience.ts';
import { recordClientTokens } from './client-credentials.store.ts';

/** Group commit of the audit rows of client-credentials tokens: one commit for several requests, before their responses. */
type ClientTokenLog = Batcher<AuditRow, void>;

/** @param groupCommit false: one statement for each token, to measure what group commit saves */
export function createClientTokenLog(
  ports: Pick<Ports, 'hotSql' | 'clock'> & HasDatabaseGuard,
  groupCommit: boolean,
  deadlineMs: number,
): ClientTokenLog {
  let batch = 0;
  return createBatcher<AuditRow, void>({
    name: 'record client tokens',
    clock: ports.clock,
    maxBatch: groupCommit ? 128 : 1,
    maxInFlight: groupCommit ? 2 : 8,
    deadlineMs,
    maxWaiting: 8_192,
    isRepeatable: () => true,
    run: async (rows) => {
      batch += 1;
      const isKnown = await recordClientTokens(ports.hotSql, rows, batch, await ports.databaseGuard.expected());
      if (!isKnown) {
        ports.databaseGuard.doubt();
        throw stateRewound({ retryAfterSeconds: 30 });
      }
      return new Array<void>(rows.length);
    },
  });
}

export type ClientTokenInput = {
  readonly scope?: string | undefined;
  /** RFC 8707 §2. */
  readonly resource?: string | undefined;
  readonly audience?: string | undefined;
  readonly authorizationDetails?: string | undefined;
  /** Keys that the client has proved with this request. The token is bound to them. */
  readonly jkt?: string | undefined;
  readonly x5t?: string | undefined;
};

export type ClientTokenAnswer = {
  readonly access_token: string;
  readonly token_type: 'Bearer' | 'DPoP';
  readonly expires_in: number;
  readonly scope: string;
} & ReturnType<typeof answeredDetails>;

export type ClientTokenPorts = Pick<Ports, 'redis' | 'clock' | 'random'> &
  HasKeyRing &
  HasAccess &
  HasRevocations &
  HasApprovals &
  HasTokenSettings & { readonly clientTokenLog: ClientTokenLog };

const isResource = (text: string): boolean => URL.canParse(text) && !text.includes('#');

function audienceFor(ports: HasTokenSettings, client: Client, { resource, audience }: ClientTokenInput): string {
  if (resource === undefined) return allowedAudience(ports, client, audience);
  if (!isResource(resource) || (audience !== undefined && audience !== resource)) throw targetInvalid();
  return allowedAudience(ports, client, resource);
}

function scopeOf(ports: HasAccess, client: Client, requested: string | undefined): readonly string[] {
  const { scopes, why } = scopesAsked(ports, client, requested, client.credential_scopes);
  if (scopes === undefined) throw scopeInvalid({ detail: why });
  return scopes;
}

type Terms = {
  readonly audience: string;
  readonly scopes: readonly string[];
  readonly signedOff?: Awaited<ReturnType<typeof signedOffDetails>>;
};

function termsFor(ports: ClientTokenPorts, client: Client, input: ClientTokenInput): Terms {
  if (!client.grant_types.includes('client_credentials')) throw grantNotAllowed();
  return { audience: audienceFor(ports, client, input), scopes: scopeOf(ports, client, input.scope) };
}

/**
 * Issues an access token for the client itself (RFC 6749 §4.4). `sub` is the client's id, which no user can have. No user
 * grants it a detail: it carries one that people have signed off, and then no longer than the sign-off lives.
 * The audit row is committed before the response, in one batch with those of other requests.
 * Throws `client_unauthenticated` (401), `grant_not_allowed`, `scope_invalid`, `target_invalid`,
 * `authorization_details_invalid` (400),
 * `signing_unavailable`, `state_rewound`, `store_unavailable` (503).
 */
export async function issueClientToken(
  ports: ClientTokenPorts,
  input: ClientTokenInput,
  caller: Caller,
): Promise<ClientTokenAnswer> {
  assertMayIssue(ports.revocations);
  const startedAt = ports.clock.monotonic();
  const client = ports.access.client(authenticatedClientOf(caller) ?? '');
  // The client may have been disabled while the body was read, after its secret was checked.
  if (client === undefined || client.disabled) throw clientUnauthenticated();
  const terms = await termsOrRefusal(ports, client, input, caller);
  const { signedOff } = terms;
  const known = permissionsAt(ports, terms.audience);
  const scope = terms.scopes.join(' ');
  const claims = accessTokenClaims(
    ports,
    {
      subject: client.clientId,
      clientId: client.clientId,
      audience: terms.audience,
      scope,
      permissions: terms.scopes.filter((scope) => known.has(scope)),
      clientEpoch: client.tokenEpoch,
      confirmation: confirmationOf(client, input),
      details: signedOff && detailsOf(signedOff.details),
      notAfter: signedOff?.notAfter,
    },
    caller.request,
  );
  const row = auditRow(caller, tokenIssued, {
    outcome: 'ok',
    target: { kind: 'token', id: claims.jti },
    detail: {
      grant: 'client_credentials',
      audience: terms.audience,
      scope,
      ...(signedOff && { of: signedOff.signOff, ...detailFacts(signedOff.details) }),
    },
    eventId: claims.jti,
  });
  const [minted] = await Promise.all([signAccessToken(ports, claims), ports.clientTokenLog.submit(row)]).catch(
    (err: unknown) => {
      tokensIssued.add(1, { grant: 'client_credentials', outcome: 'unavailable' });
      throw err;
    },
  );
  rememberToken(ports, minted, caller);
  tokensIssued.add(1, { grant: 'client_credentials', outcome: 'ok' });
  tokenIssueDuration.record((ports.clock.monotonic() - startedAt) / 1_000, { grant: 'client_credentials' });
  return {
    access_token: minted.token,
    token_type: tokenTypeOf(claims),
    expires_in: minted.expiresIn,
    scope,
    ...answeredDetails(claims),
  };
}

async function termsOrRefusal(
  ports: ClientTokenPorts,
  client: Client,
  input: ClientTokenInput,
  caller: Caller,
): Promise<Terms> {
  try {
    const terms = termsFor(ports, client, input);
    const { authorizationDetails: asked } = input;
    if (asked === undefined) return terms;
    return { ...terms, signedOff: await signedOffDetails(ports, { client, audience: terms.audience }, asked, caller) };
  } catch (err) {
    tokensIssued.add(1, { grant: 'client_credentials', outcome: 'refused' });
    const { code } = err as { code: string };
    const detail = { grant: 'client_credentials', reason: code };
    await ports.clientTokenLog.submit(
      auditRow(caller, tokenIssued, { outcome: 'refused', detail, eventId: ports.random.uuid() }),
    );
    throw err;
  }
}

/** What people granted to an agent. */
type ApprovedGrant = {
  readonly client: { readonly clientId: string };
  readonly keys: { readonly jkt?: string; readonly x5t?: string };
  readonly scope: string;
  readonly audience: string;
  readonly authorization_details: string;
  /** Unix seconds: its token does not live longer. */
  readonly expires_at: number;
  /** The sign-off, in the audit event. */
  readonly of: string;
};

type ApprovedGrantPorts = Omit<ClientTokenPorts, 'clientTokenLog' | 'revocations'>;
type ApprovedClaims = ReturnType<typeof accessTokenClaims>;

/**
 * Makes the claims of a token of the agent itself, in the transaction that consumes the grant. It has the scopes that the
 * agent may still have, and no right of its owner or of those who decided. Sign it after the commit.
 * Throws `authorization_details_invalid`, `target_invalid` (400), `client_unauthenticated` (401), `signing_unavailable` (503).
 */
export async function beginApprovedToken(
  tx: Tx,
  ports: ApprovedGrantPorts,
  { client: { clientId }, keys, ...grant }: ApprovedGrant,
  caller: Caller,
): Promise<ApprovedClaims> {
  const client = ports.access.client(clientId);
  if (client === undefined || client.disabled || client.agent === null) throw clientUnauthenticated();
  const audience = allowedAudience(ports, client, grant.audience);
  const { details } = signedActAsked(ports, { client, audience }, grant.authorization_details);
  // Of one state of the directory: if the agent loses a scope meanwhile, the epoch of the token is too old.
  const scopes = grant.scope
    .split(' ')
    .filter((scope) => scope === 'openid' || client.credential_scopes.includes(scope));
  const known = permissionsAt(ports, audience);
  const facts = {
    subject: clientId,
    clientId,
    audience,
    scope: scopes.join(' '),
    permissions: scopes.filter((scope) => known.has(scope)),
    details: detailsOf(details),
    clientEpoch: client.tokenEpoch,
    confirmation: confirmationOf(client, keys),
    notAfter: grant.expires_at,
  };
  const claims = accessTokenClaims(ports, facts, caller.request);
  await recordEvent(tx, caller, tokenIssued, {
    outcome: 'ok',
    target: { kind: 'token', id: claims.jti },
    detail: { grant: 'ciba', audience, scope: facts.scope, of: grant.of, ...detailFacts(details) },
  });
  return claims;
}

/** Signs the token of a grant that was consumed. Throws `signing_unavailable` (503). */
export async function finishApprovedToken(ports: ApprovedGrantPorts, claims: ApprovedClaims, caller: Caller) {
  const minted = await signAccessToken(ports, claims);
  rememberToken(ports, minted, caller);
  return {
    access_token: minted.token,
    token_type: tokenTypeOf(claims),
    expires_in: minted.expiresIn,
    scope: claims.scope,
    ...answeredDetails(claims),
  };
}
