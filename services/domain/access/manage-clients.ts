import { setAuditContext } from '../audit/audit-context.ts';
import type { EndRule } from '../audit/end-rule-shapes.ts';
import type { Caller, Ports, Tx } from '../ports.ts';
import { type Page, PLACE, pageOf, placeOfCursor } from '../shared/pagination.ts';
import type { HasAccessChanged } from './access-changed.ts';
import { clientSecretHash, FIRST_PARTY_CLIENT_ID, type HasAccess } from './access-directory.ts';
import { assertHolds } from './assert-holds.ts';
import { guardAgreements, rightsOfSecret } from './client-rights.ts';
import {
  type ClientChanges,
  type ClientDetailRow,
  type ClientFilter,
  changeClient,
  lockClient,
  readClientDetail,
  readClientsPage,
  removeClient,
  setClientDisabled,
  setClientSecret,
} from './clients.store.ts';
import type { ClientView } from './contract.ts';
import { type CreateClientInput, createClient } from './create-client.ts';
import { clientProtected, clientUnknown, clientWithoutSecret } from './errors.ts';
import { assertRedirectUris } from './redirect-uri.ts';

export type ManageClientsPorts = Pick<Ports, 'transact' | 'sql' | 'random'> & HasAccess & HasAccessChanged;
type Act = { readonly clientId: string; readonly reason: string };
export type RegisterClientInput = CreateClientInput & {
  readonly redirectUris: readonly string[];
  readonly reason: string;
};
/** With the secret, shown this once. */
export type ClientWithSecret = ClientView & { readonly client_secret: string | null };

const clientView = (row: ClientDetailRow): ClientView => ({
  client_id: row.clientId,
  name: row.name,
  auth_method: row.authMethod,
  grant_types: [...row.grantTypes],
  scopes: [...row.scopes],
  credential_scopes: [...row.credentialScopes],
  redirect_uris: [...row.redirectUris],
  post_logout_redirect_uris: [...row.postLogoutRedirectUris],
  audiences: [...row.audiences],
  dpop_bound_access_tokens: row.dpopBound,
  tls_client_certificate_bound_access_tokens: row.certificateBound,
  require_pushed_authorization_requests: row.pushesRequests,
  disabled: row.disabled,
  built_in: row.clientId === FIRST_PARTY_CLIENT_ID,
  origin: row.origin,
  previous_secret_until: row.previousSecretUntil,
  created_at: row.createdAt,
  updated_at: row.updatedAt,
});

/** Clients by id, a page at a time. Throws `cursor_invalid` (400). */
export async function listClients(
  { sql }: Pick<Ports, 'sql'>,
  input: ClientFilter & { readonly limit: number; readonly cursor?: string | undefined },
): Promise<Page<ClientView>> {
  const [after = ''] = placeOfCursor(input.cursor, [PLACE.id]) ?? [];
  const rows = await readClientsPage(sql, input, after, input.limit + 1);
  const { items, next } = pageOf(rows, input.limit, ({ clientId }) => [clientId]);
  return { items: items.map(clientView), next };
}

/** Throws `client_unknown` (404). */
export async function readClient({ sql }: Pick<Ports, 'sql'>, clientId: string): Promise<ClientView> {
  const row = await readClientDetail(sql, clientId);
  if (row === undefined) throw clientUnknown();
  return clientView(row);
}

/**
 * Registers a client that may do what its maker may, or less. Throws `redirect_uri_refused` (400), `rights_exceeded`
 * (403), `client_exists` (409).
 */
export async function registerClient(
  ports: ManageClientsPorts,
  input: RegisterClientInput,
  caller: Caller,
): Promise<ClientWithSecret> {
  assertRedirectUris(input.redirectUris);
  assertRedirectUris(input.postLogoutRedirectUris, 'post_logout_redirect_uris');
  // People who sign in through it are asked, and give it no more than they have: only what needs nobody is given here.
  assertHolds(caller, rightsOfSecret(ports, input));
  const { clientId, clientSecret } = await createClient(ports, input, caller);
  await ports.accessChanged();
  return { ...(await readClient(ports, clientId)), client_secret: clientSecret };
}

/** One act on a client, by somebody who has every right that it has: else its secret would be a way to them. */
async function act<T>(
  ports: ManageClientsPorts,
  { clientId, reason, rule, changes = {} }: Act & { readonly changes?: ClientChanges; readonly rule?: EndRule },
  caller: Caller,
  work: (tx: Tx, client: ClientDetailRow) => Promise<T>,
): Promise<T> {
  if (clientId === FIRST_PARTY_CLIENT_ID) throw clientProtected();
  return ports.transact(async (tx) => {
    await setAuditContext(tx, caller, reason, rule);
    const client = await lockClient(tx, clientId);
    if (client === undefined) throw clientUnknown();
    assertHolds(caller, rightsOfSecret(ports, client, changes));
    tx.afterCommit(ports.accessChanged);
    return work(tx, client);
  });
}

/**
 * Changes a client; what is taken away ends its tokens and logins. Throws `redirect_uri_refused` (400),
 * `rights_exceeded` (403), `client_unknown` (404), `client_protected` (409); so do the acts below.
 */
export async function updateClient(
  ports: ManageClientsPorts,
  input: Act & { readonly changes: ClientChanges },
  caller: Caller,
): Promise<ClientView> {
  const { clientId, changes } = input;
  assertRedirectUris(changes.redirectUris);
  assertRedirectUris(changes.postLogoutRedirectUris, 'post_logout_redirect_uris');
  const row = await act(ports, { ...input, rule: 'client_changed' }, caller, async (tx, client) => {
    if (changes.redirectUris !== undefined || changes.scopes !== undefined)
      await guardAgreements(tx, ports, { client, changes }, caller);
    return changeClient(tx, clientId, changes);
  });
  return clientView(row);
}

const OVERLAP_SECONDS = 86_400;

/**
 * A new secret of 256 random bits; the one before stays good for the overlap (a day unless said, 0: refused at once),
 * and the one before that not at all. Throws `client_without_secret` (409), and as above.
 */
export async function rotateClientSecret(
  ports: ManageClientsPorts,
  input: Act & { readonly overlapSeconds?: number | undefined },
  caller: Caller,
): Promise<ClientWithSecret> {
  const secret = ports.random.bytes(32).toString('base64url');
  const row = await act(ports, input, caller, async (tx, client) => {
    if (!client.hasSecret) throw clientWithoutSecret();
    await guardAgreements(tx, ports, { client, changes: {} }, caller);
    const { overlapSeconds = OVERLAP_SECONDS } = input;
    return setClientSecret(tx, input.clientId, { secretHash: clientSecretHash(secret), overlapSeconds });
  });
  return { ...clientView(row), client_secret: secret };
}

/** Refuses a client and ends what was issued to it, or takes it in again. */
export async function setClientStanding(
  ports: ManageClientsPorts,
  input: Act & { readonly isDisabled: boolean },
  caller: Caller,
): Promise<ClientView> {
  const ruled = { ...input, rule: 'client_disabled' } as const;
  return clientView(await act(ports, ruled, caller, (tx) => setClientDisabled(tx, input.clientId, input.isDisabled)));
}

/** Deletes a client with its tokens and the logins through it. */
export const deleteClient = (ports: ManageClientsPorts, input: Act, caller: Caller): Promise<void> =>
  act(ports, input, caller, (tx) => removeClient(tx, input.clientId));
