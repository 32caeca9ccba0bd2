import { setAuditContext } from '../audit/audit-context.ts';
import type { EndRule } from '../audit/end-rule-shapes.ts';
import { FIRST_PARTY_CLIENT_ID } from '../authority/callers.ts';
import { assertHolds } from '../authority/permissions.ts';
import type { Caller, Ports, Tx } from '../ports.ts';
import { type Page, PLACE, pageOf, placeOfCursor } from '../shared/pagination.ts';
import type { HasAccessChanged } from './access-changed.ts';
import { clientSecretHash, type HasAccess } from './access-directory.ts';
import { assertSettingsAgree } from './assert-settings-agree.ts';
import { assertCodesCanReach, assertScopesSpelt } from './assert-usable.ts';
import type { CertificateIdentity } from './certificates/certificate-identity.ts';
import { type ConfidentialMethod, usesSecret } from './client-auth-shapes.ts';
import { assertLogo } from './client-logo.ts';
import { algorithmsAfter, settingsAfter } from './client-profile.ts';
import { guardConsents, rightsOfSecret } from './client-rights.ts';
import {
  type ClientChanges,
  type ClientDetailRow,
  type ClientFilter,
  changeClient,
  lockClient,
  readClientDetail,
  readClientsPage,
  removeClient,
  setClientAuthentication,
  setClientDisabled,
  setClientSecret,
} from './clients.store.ts';
import type { ClientView } from './clients-contract.ts';
import { type CreateClientInput, createClient } from './create-client.ts';
import { clientProtected, clientUnknown, clientWithoutSecret } from './errors.ts';
import { assertRedirectUris } from './redirect-uri.ts';
import { assertSigned } from './signed-algorithms.ts';
import { type GivenAuthentication, storedAuthentication } from './stored-authentication.ts';

export type ManageClientsPorts = Pick<Ports, 'transact' | 'sql' | 'random'> & HasAccess & HasAccessChanged;
type Act = { readonly clientId: string; readonly reason: string };
const DEFAULT_ALGORITHMS = { idTokenAlgorithm: null, accessTokenAlgorithm: null, profile: 'default' } as const;
export type RegisterClientInput = CreateClientInput & {
  readonly redirectUris: readonly string[];
  readonly reason: string;
};
/** With the secret, which is shown only once. */
export type ClientWithSecret = ClientView & { readonly client_secret: string | null };

const identityView = (identity: CertificateIdentity | null): Partial<ClientView> => {
  if (identity === null) return {};
  if ('thumbprints' in identity) return { certificate_thumbprints: [...identity.thumbprints] };
  return { [`tls_client_auth_${identity.name}`]: identity.value };
};

const clientView = (row: ClientDetailRow): ClientView => ({
  client_id: row.clientId,
  name: row.name,
  auth_method: row.authMethod,
  ...identityView(row.certificateIdentity),
  jwks: row.jwks === null ? null : JSON.parse(row.jwks),
  jwks_uri: row.jwksUri,
  grant_types: [...row.grantTypes],
  scopes: [...row.scopes],
  credential_scopes: [...row.credentialScopes],
  redirect_uris: [...row.redirectUris],
  post_logout_redirect_uris: [...row.postLogoutRedirectUris],
  backchannel_logout_uri: row.backchannelLogoutUri,
  backchannel_logout_session_required: row.backchannelLogoutSessionRequired,
  audiences: [...row.audiences],
  dpop_bound_access_tokens: row.dpopBound,
  tls_client_certificate_bound_access_tokens: row.certificateBound,
  require_pushed_authorization_requests: row.pushesRequests,
  pkce: row.requiresPkce ? 'required' : 'optional',
  refresh_rotation: row.rotatesRefreshTokens ? 'on' : 'off',
  profile: row.profile,
  id_token_signed_response_alg: row.idTokenAlgorithm,
  access_token_signed_response_alg: row.accessTokenAlgorithm,
  has_logo: row.hasLogo,
  disabled: row.disabled,
  built_in: row.clientId === FIRST_PARTY_CLIENT_ID,
  origin: row.origin,
  previous_secret_until: row.previousSecretUntil,
  created_at: row.createdAt,
  updated_at: row.updatedAt,
});

/** Lists clients by id, one page at a time. Throws `cursor_invalid` (400). */
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
 * Registers a client limited to the caller's own permissions. Throws `request_invalid` for a misspelt scope,
 * `redirect_uri_refused`, `client_settings_conflict`, `client_logo_refused`, `signing_algorithm_refused` (400), `rights_exceeded` (403), `client_exists` (409).
 */
export async function registerClient(
  ports: ManageClientsPorts,
  input: RegisterClientInput,
  caller: Caller,
): Promise<ClientWithSecret> {
  assertRedirectUris(input.redirectUris);
  assertRedirectUris(input.postLogoutRedirectUris, 'post_logout_redirect_uris');
  assertScopesSpelt(ports, input);
  assertCodesCanReach(input);
  assertLogo(input.logo, 'admin');
  const signed = await assertSigned(ports, input);
  // Users who sign in through it consent themselves, and only to what they have; this checks what needs no consent.
  assertHolds(caller, rightsOfSecret(ports, input));
  const algorithms = algorithmsAfter(DEFAULT_ALGORITHMS, input, signed);
  const { clientId, clientSecret } = await createClient(ports, { ...input, ...algorithms }, caller);
  await ports.accessChanged();
  return { ...(await readClient(ports, clientId)), client_secret: clientSecret };
}

/** Runs one operation on a client. The caller needs every permission of the client: its secret would give them. */
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

/** How the client is to authenticate from now on; a member that is not given stays as it is. */
export type AuthenticationChanges = GivenAuthentication & { readonly authMethod?: ConfidentialMethod | undefined };

/** New keys, or another method: like a new secret, they give their holder what users allowed the client. */
async function changeAuthentication(
  tx: Tx,
  ports: HasAccess,
  {
    client,
    authMethod = client.authMethod as ConfidentialMethod,
    ...changed
  }: AuthenticationChanges & {
    readonly client: ClientDetailRow;
  },
  caller: Caller,
): Promise<void> {
  const isSame = authMethod === client.authMethod && Object.values(changed).every((value) => value === undefined);
  if (isSame) return;
  if (client.authMethod === 'none') throw clientWithoutSecret();
  const stored = storedAuthentication(authMethod, changed);
  await guardConsents(tx, ports, { client, changes: {} }, caller);
  await setClientAuthentication(tx, client.clientId, { authMethod, ...stored });
}

/**
 * Changes a client; removing a scope or grant ends its tokens and token families. Another algorithm ends nothing.
 * Throws `request_invalid` for a misspelt scope, `redirect_uri_refused`, `client_settings_conflict`, `client_keys_invalid`, `client_logo_refused`,
 * `signing_algorithm_refused` (400), `rights_exceeded` (403), `client_unknown` (404), `client_without_secret`, `client_protected` (409); the operations
 * below throw some of these.
 */
export async function updateClient(
  ports: ManageClientsPorts,
  input: Act & { readonly changes: ClientChanges; readonly authentication?: AuthenticationChanges },
  caller: Caller,
): Promise<ClientView> {
  const { clientId, changes, authentication = {} } = input;
  assertRedirectUris(changes.redirectUris);
  assertRedirectUris(changes.postLogoutRedirectUris, 'post_logout_redirect_uris');
  assertScopesSpelt(ports, changes);
  const signed = await assertSigned(ports, changes);
  const row = await act(ports, { ...input, rule: 'client_changed' }, caller, async (tx, client) => {
    assertLogo(changes.logo, client.origin);
    const { authMethod = client.authMethod } = authentication;
    const settings = settingsAfter(client, changes, authMethod);
    const algorithms = algorithmsAfter(client, changes, signed);
    assertSettingsAgree({ ...settings, ...algorithms, authMethod, origin: client.origin });
    if (changes.grantTypes !== undefined || changes.redirectUris !== undefined)
      assertCodesCanReach({
        grantTypes: changes.grantTypes ?? client.grantTypes,
        redirectUris: changes.redirectUris ?? client.redirectUris,
      });
    if (changes.redirectUris !== undefined || changes.scopes !== undefined)
      await guardConsents(tx, ports, { client, changes }, caller);
    await changeAuthentication(tx, ports, { ...authentication, client }, caller);
    return changeClient(tx, clientId, { ...changes, ...settings, ...algorithms });
  });
  return clientView(row);
}

const OVERLAP_SECONDS = 86_400;

/**
 * Sets a new secret of 256 random bits. The previous one is accepted during the overlap (a day by default; 0 refuses it
 * at once), older ones are refused. Throws `client_without_secret` (409), and as above.
 */
export async function rotateClientSecret(
  ports: ManageClientsPorts,
  input: Act & { readonly overlapSeconds?: number | undefined },
  caller: Caller,
): Promise<ClientWithSecret> {
  const secret = ports.random.bytes(32).toString('base64url');
  const row = await act(ports, input, caller, async (tx, client) => {
    if (!usesSecret(client.authMethod)) throw clientWithoutSecret();
    await guardConsents(tx, ports, { client, changes: {} }, caller);
    const { overlapSeconds = OVERLAP_SECONDS } = input;
    return setClientSecret(tx, input.clientId, { secretHash: clientSecretHash(secret), overlapSeconds });
  });
  return { ...clientView(row), client_secret: secret };
}

/** Disables a client and ends what was issued to it, or enables it again. */
export async function setClientStatus(
  ports: ManageClientsPorts,
  input: Act & { readonly isDisabled: boolean },
  caller: Caller,
): Promise<ClientView> {
  const withRule = { ...input, rule: 'client_disabled' } as const;
  return clientView(
    await act(ports, withRule, caller, (tx) => setClientDisabled(tx, input.clientId, input.isDisabled)),
  );
}

/** Deletes a client and ends its tokens and token families. */
export const deleteClient = (ports: ManageClientsPorts, input: Act, caller: Caller): Promise<void> =>
  act(ports, input, caller, (tx) => removeClient(tx, input.clientId));
