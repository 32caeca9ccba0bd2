import { defineStatement } from '#services/platform/define/statement.ts';
import type { AsymmetricAlgorithm } from '../keys/algorithm-shapes.ts';
import type { Sql } from '../ports.ts';
import { defineFinder } from '../shared/finder.store.ts';
import { placeTime } from '../shared/pagination.ts';
import type { ClientAuthentication, ClientOrigin } from './access.store.ts';
import { usesSecret } from './client-auth-shapes.ts';
import { type ClientChanges, type ClientSettingsRow, clientRecord } from './client-record.ts';
import { clientsRead } from './permissions.ts';

export type ClientDetailRow = ClientSettingsRow &
  ClientAuthentication & {
    readonly client_id: string;
    readonly disabled: boolean;
    /** Its users are not asked for consent. */
    readonly skip_consent: boolean;
    readonly origin: ClientOrigin;
    readonly previous_secret_until: string | null;
    readonly created_at: string | null;
    readonly updated_at: string | null;
  };

const COLUMNS = `"clientId" AS client_id, ${clientRecord.select}, auth_method, jwks, jwks_uri, certificate_identity,
  coalesce(disabled, false) AS disabled, skip_consent, origin,
  CASE WHEN previous_secret_until > now() THEN ${placeTime('previous_secret_until')} END AS previous_secret_until,
  ${placeTime('"createdAt"')} AS created_at, ${placeTime('"updatedAt"')} AS updated_at`;

/** Scans the unique index on the client id; the number of unvetted clients is bounded. */
const clientsPage = defineStatement('oauthClientsPage')`
  SELECT ${COLUMNS} FROM oauth_clients WHERE "clientId" > $1 AND ($3::text IS NULL OR origin = $3)
    AND ($4::boolean IS NULL OR coalesce(disabled, false) = $4)
    AND ($5::text IS NULL OR starts_with(lower(coalesce(name, "clientId")), lower($5)))
  ORDER BY "clientId" LIMIT $2`;
const clientRead = defineStatement('oauthClientRead', `SELECT ${COLUMNS} FROM oauth_clients WHERE "clientId" = $1`);
const clientLock = defineStatement('oauthClientLock')`
  SELECT ${COLUMNS} FROM oauth_clients WHERE "clientId" = $1 FOR UPDATE`;
/** Row triggers write the audit row and, if a scope or grant was removed, end the tokens issued with it. */
const clientUpdate = defineStatement('oauthClientUpdate')`
  UPDATE oauth_clients SET (${clientRecord.columns}) =
    (SELECT ${clientRecord.columns} FROM jsonb_populate_record(oauth_clients, $2)), "updatedAt" = now()
  WHERE "clientId" = $1 RETURNING ${COLUMNS}`;
/**
 * The previous secret is accepted during the overlap; older ones are refused. Without an overlap the epoch also ends the
 * client's tokens, token families and API keys, which the old secret may have made.
 */
const clientSecretSet = defineStatement('oauthClientSecretSet')`
  UPDATE oauth_clients SET secret_hash = $2, "updatedAt" = now(),
    "tokenEpoch" = "tokenEpoch" + CASE WHEN $3::float8 > 0 THEN 0 ELSE 1 END,
    previous_secret_hash = CASE WHEN $3::float8 > 0 THEN secret_hash END,
    previous_secret_until = CASE WHEN $3::float8 > 0 AND secret_hash IS NOT NULL THEN now() + make_interval(secs => $3::float8) END
  WHERE "clientId" = $1 RETURNING ${COLUMNS}`;
/** A client that does not authenticate with a secret has none, not even a previous one. */
const clientAuthenticationSet = defineStatement('oauthClientAuthenticationSet')`
  UPDATE oauth_clients SET auth_method = $2, jwks = $3, jwks_uri = $4, certificate_identity = $6::jsonb, "updatedAt" = now(),
    secret_hash = CASE WHEN $5::boolean THEN secret_hash END,
    previous_secret_hash = CASE WHEN $5::boolean THEN previous_secret_hash END,
    previous_secret_until = CASE WHEN $5::boolean THEN previous_secret_until END
  WHERE "clientId" = $1`;
const clientDisabledSet = defineStatement('oauthClientDisabledSet')`
  UPDATE oauth_clients SET disabled = $2, "updatedAt" = now() WHERE "clientId" = $1 RETURNING ${COLUMNS}`;
/** Uses the unique index on the client id. */
const clientLogoRead = defineStatement('oauthClientLogoRead', 'SELECT logo FROM oauth_clients WHERE "clientId" = $1');
const clientDelete = defineStatement('oauthClientDelete', 'DELETE FROM oauth_clients WHERE "clientId" = $1');

/** Reads all clients, disabled ones too: an API start and `doctor` do this once. */
const algorithmUses = defineStatement('oauthClientAlgorithmUses')`
  SELECT algorithm, count(DISTINCT "clientId")::int AS clients
  FROM oauth_clients, unnest(ARRAY[id_token_signed_response_alg, access_token_signed_response_alg]) AS algorithm
  WHERE algorithm IS NOT NULL GROUP BY algorithm ORDER BY algorithm`;

/** Both use index oauth_consents_client_id. */
const clientConsentsAny = defineStatement('oauthClientConsentsAny')`
  SELECT EXISTS (SELECT FROM oauth_consents WHERE client_id = $1) AS found`;
const clientConsentsEnd = defineStatement('oauthClientConsentsEnd')`
  DELETE FROM oauth_consents WHERE (user_id, client_id, audience) IN
    (SELECT user_id, client_id, audience FROM oauth_consents WHERE client_id = $1 ORDER BY user_id, audience FOR UPDATE)`;

type ClientFilter = {
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

export const readLogo = async (sql: Sql, clientId: string): Promise<string | null> =>
  (await sql.query<{ logo: string | null }>(clientLogoRead, [clientId]))[0]?.logo ?? null;

/** The client, locked until commit. */
export const lockClient = async (tx: Sql, clientId: string): Promise<ClientDetailRow | undefined> =>
  (await tx.query<ClientDetailRow>(clientLock, [clientId]))[0];

export const changeClient = async (tx: Sql, clientId: string, changes: ClientChanges): Promise<ClientDetailRow> =>
  (await tx.query<ClientDetailRow>(clientUpdate, [clientId, JSON.stringify(changes)]))[0] as ClientDetailRow;

export const setClientAuthentication = async (
  tx: Sql,
  clientId: string,
  { auth_method: authMethod, jwks, jwks_uri: jwksUri, certificate_identity: certificateIdentity }: ClientAuthentication,
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

export const hasConsents = async (tx: Sql, clientId: string): Promise<boolean> =>
  (await tx.query<{ found: boolean }>(clientConsentsAny, [clientId]))[0]?.found === true;

/** Deletes every consent to the client: users are asked again. */
export const endConsents = async (tx: Sql, clientId: string): Promise<void> => {
  await tx.query(clientConsentsEnd, [clientId]);
};

export const removeClient = async (tx: Sql, clientId: string): Promise<void> => {
  await tx.query(clientDelete, [clientId]);
};

/** Scans the clients; the number of unvetted ones is bounded. */
export const clientFinder = defineFinder({
  kind: 'client',
  permission: clientsRead,
  from: 'oauth_clients',
  id: '"clientId"',
  label: 'coalesce(name, "clientId")',
  parts: ['"clientId"', 'name'],
});
