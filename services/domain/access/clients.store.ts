import { defineStatement } from '#services/platform/define/statement.ts';
import type { AsymmetricAlgorithm } from '../keys/algorithm-shapes.ts';
import type { Sql } from '../ports.ts';
import { placeTime } from '../shared/pagination.ts';
import type { ClientOrigin, ClientRegistration } from './access.store.ts';
import { usesSecret } from './client-auth-shapes.ts';

export type ClientDetailRow = ClientRegistration & {
  readonly clientId: string;
  readonly hasSecret: boolean;
  readonly disabled: boolean;
  /** Its users are not asked for consent. */
  readonly skipsConsent: boolean;
  readonly hasLogo: boolean;
  readonly origin: ClientOrigin;
  readonly previousSecretUntil: string | null;
  readonly createdAt: string | null;
  readonly updatedAt: string | null;
};

const COLUMNS = `"clientId", coalesce(name, "clientId") AS name, "clientSecret" IS NOT NULL AS "hasSecret",
  coalesce("tokenEndpointAuthMethod", CASE WHEN "clientSecret" IS NULL THEN 'none' ELSE 'client_secret_basic' END) AS "authMethod",
  jwks, "jwksUri", "certificateIdentity",
  coalesce("grantTypes", '{}') AS "grantTypes", coalesce(scopes, '{}') AS scopes,
  coalesce("clientCredentialsScopes", '{}') AS "credentialScopes", "redirectUris", audiences,
  coalesce("postLogoutRedirectUris", '{}') AS "postLogoutRedirectUris", "backchannelLogoutUri",
  coalesce("backchannelLogoutSessionRequired", false) AS "backchannelLogoutSessionRequired",
  coalesce("dpopBoundAccessTokens", false) AS "dpopBound", "certificateBoundAccessTokens" AS "certificateBound",
  "requirePushedRequests" AS "pushesRequests", "requirePKCE" IS NOT FALSE AS "requiresPkce", profile,
  "rotatesRefreshTokens", "idTokenSignedResponseAlg" AS "idTokenAlgorithm",
  "accessTokenSignedResponseAlg" AS "accessTokenAlgorithm", coalesce(disabled, false) AS disabled,
  coalesce("skipConsent", false) AS "skipsConsent", icon IS NOT NULL AS "hasLogo",
  origin, CASE WHEN "previousSecretUntil" > now() THEN ${placeTime('"previousSecretUntil"')} END AS "previousSecretUntil",
  ${placeTime('"createdAt"')} AS "createdAt", ${placeTime('"updatedAt"')} AS "updatedAt"`;

/** Scans the unique index on the client id; the number of unvetted clients is bounded. */
const clientsPage = defineStatement(
  'oauthClientsPage',
  `SELECT ${COLUMNS} FROM oauth_clients WHERE "clientId" > $1 AND ($3::text IS NULL OR origin = $3)
     AND ($4::boolean IS NULL OR coalesce(disabled, false) = $4)
     AND ($5::text IS NULL OR starts_with(lower(coalesce(name, "clientId")), lower($5)))
   ORDER BY "clientId" LIMIT $2`,
);
const clientRead = defineStatement('oauthClientRead', `SELECT ${COLUMNS} FROM oauth_clients WHERE "clientId" = $1`);
const clientLock = defineStatement(
  'oauthClientLock',
  `SELECT ${COLUMNS} FROM oauth_clients WHERE "clientId" = $1 FOR UPDATE`,
);
/** Row triggers write the audit row and, if a scope or grant was removed, end the tokens issued with it. */
const clientUpdate = defineStatement(
  'oauthClientUpdate',
  `UPDATE oauth_clients SET name = coalesce($2, name), "grantTypes" = coalesce($3::text[], "grantTypes"),
     scopes = coalesce($4::text[], scopes), "clientCredentialsScopes" = coalesce($5::text[], "clientCredentialsScopes"),
     "redirectUris" = coalesce($6::text[], "redirectUris"), audiences = coalesce($7::text[], audiences),
     "dpopBoundAccessTokens" = coalesce($8::boolean, "dpopBoundAccessTokens"),
     "certificateBoundAccessTokens" = coalesce($9::boolean, "certificateBoundAccessTokens"),
     "requirePushedRequests" = coalesce($10::boolean, "requirePushedRequests"),
     "postLogoutRedirectUris" = coalesce($11::text[], "postLogoutRedirectUris"),
     "requirePKCE" = coalesce($12::boolean, "requirePKCE"),
     "rotatesRefreshTokens" = coalesce($13::boolean, "rotatesRefreshTokens"), profile = coalesce($14, profile),
     "idTokenSignedResponseAlg" = nullif(coalesce($15::text, "idTokenSignedResponseAlg"), ''),
     "accessTokenSignedResponseAlg" = nullif(coalesce($16::text, "accessTokenSignedResponseAlg"), ''),
     "backchannelLogoutUri" = nullif(coalesce($17::text, "backchannelLogoutUri"), ''),
     "backchannelLogoutSessionRequired" = coalesce($18::boolean, "backchannelLogoutSessionRequired"),
     icon = nullif(coalesce($19::text, icon), ''), "updatedAt" = now()
   WHERE "clientId" = $1 RETURNING ${COLUMNS}`,
);
/** The previous secret is accepted during the overlap; older ones are refused. */
const clientSecretSet = defineStatement(
  'oauthClientSecretSet',
  `UPDATE oauth_clients SET "clientSecret" = $2, "updatedAt" = now(),
     "previousSecret" = CASE WHEN $3::float8 > 0 THEN "clientSecret" END,
     "previousSecretUntil" = CASE WHEN $3::float8 > 0 AND "clientSecret" IS NOT NULL THEN now() + make_interval(secs => $3::float8) END
   WHERE "clientId" = $1 RETURNING ${COLUMNS}`,
);
/** A client that does not authenticate with a secret has none, not even a previous one. */
const clientAuthenticationSet = defineStatement(
  'oauthClientAuthenticationSet',
  `UPDATE oauth_clients SET "tokenEndpointAuthMethod" = $2, jwks = $3, "jwksUri" = $4, "certificateIdentity" = $6::jsonb, "updatedAt" = now(),
     "clientSecret" = CASE WHEN $5::boolean THEN "clientSecret" END,
     "previousSecret" = CASE WHEN $5::boolean THEN "previousSecret" END,
     "previousSecretUntil" = CASE WHEN $5::boolean THEN "previousSecretUntil" END
   WHERE "clientId" = $1`,
);
const clientDisabledSet = defineStatement(
  'oauthClientDisabledSet',
  `UPDATE oauth_clients SET disabled = $2, "updatedAt" = now() WHERE "clientId" = $1 RETURNING ${COLUMNS}`,
);
/** Uses the unique index on the client id. */
const clientLogoRead = defineStatement('oauthClientLogoRead', 'SELECT icon FROM oauth_clients WHERE "clientId" = $1');
const clientDelete = defineStatement('oauthClientDelete', 'DELETE FROM oauth_clients WHERE "clientId" = $1');

/** Reads all clients, disabled ones too: an API start and `doctor` do this once. */
const algorithmUses = defineStatement(
  'oauthClientAlgorithmUses',
  `SELECT algorithm, count(DISTINCT "clientId")::int AS clients
   FROM oauth_clients, unnest(ARRAY["idTokenSignedResponseAlg", "accessTokenSignedResponseAlg"]) AS algorithm
   WHERE algorithm IS NOT NULL GROUP BY algorithm ORDER BY algorithm`,
);

/** Both use index oauth_consents_client_id. */
const clientConsentsAny = defineStatement(
  'oauthClientConsentsAny',
  'SELECT EXISTS (SELECT FROM oauth_consents WHERE client_id = $1) AS found',
);
const clientConsentsEnd = defineStatement(
  'oauthClientConsentsEnd',
  `DELETE FROM oauth_consents WHERE (user_id, client_id, audience) IN
     (SELECT user_id, client_id, audience FROM oauth_consents WHERE client_id = $1 ORDER BY user_id, audience FOR UPDATE)`,
);

/** How a client authenticates. */
export type ClientAuthentication = Pick<ClientRegistration, 'authMethod' | 'jwks' | 'jwksUri' | 'certificateIdentity'>;

export type ClientChanges = {
  readonly [Member in Exclude<keyof ClientRegistration, keyof ClientAuthentication>]?:
    | ClientRegistration[Member]
    | undefined;
} & {
  /** A PNG in a data URL; null removes it. */
  readonly logo?: string | null | undefined;
};

export type ClientFilter = {
  readonly origin?: ClientOrigin | undefined;
  readonly isDisabled?: boolean | undefined;
  readonly namePrefix?: string | undefined;
};

export const readClientsPage = (
  sql: Sql,
  { origin, isDisabled, namePrefix }: ClientFilter,
  after: string,
  limit: number,
): Promise<ClientDetailRow[]> =>
  sql.query<ClientDetailRow>(clientsPage, [after, limit, origin ?? null, isDisabled ?? null, namePrefix ?? null]);

export const readClientDetail = async (sql: Sql, clientId: string): Promise<ClientDetailRow | undefined> =>
  (await sql.query<ClientDetailRow>(clientRead, [clientId]))[0];

/** Null if the client has none. */
export const readLogo = async (sql: Sql, clientId: string): Promise<string | null> =>
  (await sql.query<{ icon: string | null }>(clientLogoRead, [clientId]))[0]?.icon ?? null;

/** The client, locked until commit. */
export const lockClient = async (tx: Sql, clientId: string): Promise<ClientDetailRow | undefined> =>
  (await tx.query<ClientDetailRow>(clientLock, [clientId]))[0];

export async function changeClient(tx: Sql, clientId: string, changes: ClientChanges): Promise<ClientDetailRow> {
  const {
    name,
    grantTypes,
    scopes,
    credentialScopes,
    redirectUris,
    audiences,
    dpopBound,
    certificateBound,
    pushesRequests,
    postLogoutRedirectUris,
    requiresPkce,
    rotatesRefreshTokens,
    profile,
    idTokenAlgorithm,
    accessTokenAlgorithm,
    backchannelLogoutUri,
    backchannelLogoutSessionRequired,
    logo,
  } = changes;
  const lists = [grantTypes, scopes, credentialScopes, redirectUris, audiences];
  const demands = [dpopBound, certificateBound, pushesRequests, postLogoutRedirectUris, requiresPkce];
  // An empty text stands for the default, or for no address or logo, as null stands for no change.
  const erasable = [idTokenAlgorithm, accessTokenAlgorithm, backchannelLogoutUri].map((text) =>
    text === null ? '' : text,
  );
  const values = [
    name,
    ...lists,
    ...demands,
    rotatesRefreshTokens,
    profile,
    ...erasable,
    backchannelLogoutSessionRequired,
    logo === null ? '' : logo,
  ].map((value) => value ?? null);
  return (await tx.query<ClientDetailRow>(clientUpdate, [clientId, ...values]))[0] as ClientDetailRow;
}

export const setClientAuthentication = async (
  tx: Sql,
  clientId: string,
  { authMethod, jwks, jwksUri, certificateIdentity }: ClientAuthentication,
): Promise<void> => {
  const identity = certificateIdentity === null ? null : JSON.stringify(certificateIdentity);
  await tx.query(clientAuthenticationSet, [clientId, authMethod, jwks, jwksUri, usesSecret(authMethod), identity]);
};

/** @param overlapSeconds how long the previous secret is accepted */
export const setClientSecret = async (
  tx: Sql,
  clientId: string,
  { secretHash, overlapSeconds }: { readonly secretHash: string; readonly overlapSeconds: number },
): Promise<ClientDetailRow> =>
  (await tx.query<ClientDetailRow>(clientSecretSet, [clientId, secretHash, overlapSeconds]))[0] as ClientDetailRow;

export const setClientDisabled = async (tx: Sql, clientId: string, disabled: boolean): Promise<ClientDetailRow> =>
  (await tx.query<ClientDetailRow>(clientDisabledSet, [clientId, disabled]))[0] as ClientDetailRow;

export type AlgorithmUse = { readonly algorithm: AsymmetricAlgorithm; readonly clients: number };
export const readAlgorithmUses = (sql: Sql): Promise<AlgorithmUse[]> => sql.query<AlgorithmUse>(algorithmUses);

/** Whether any user has consented to the client. */
export const hasConsents = async (tx: Sql, clientId: string): Promise<boolean> =>
  (await tx.query<{ found: boolean }>(clientConsentsAny, [clientId]))[0]?.found === true;

/** Deletes every consent to the client: users are asked again. */
export const endConsents = async (tx: Sql, clientId: string): Promise<void> => {
  await tx.query(clientConsentsEnd, [clientId]);
};

export const removeClient = async (tx: Sql, clientId: string): Promise<void> => {
  await tx.query(clientDelete, [clientId]);
};
