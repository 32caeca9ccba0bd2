import { setAuditContext } from '../audit/audit-context.ts';
import type { EndRule } from '../audit/end-rule-shapes.ts';
import { assertHolds, isBuiltInClient } from '../authority/callers.ts';
import type { Caller, Ports, Tx } from '../ports.ts';
import { PLACE, pageOf, placeOfCursor } from '../shared/pagination.ts';
import type { ClientOrigin } from './access.store.ts';
import type { HasAccessChanged } from './access-changed.ts';
import { clientSecretHash, type HasAccess } from './access-directory.ts';
import { assertSettingsAgree } from './assert-settings-agree.ts';
import { assertCodesCanReach, assertScopesSpelt } from './assert-usable.ts';
import type { CertificateIdentity } from './certificates/certificate-identity.ts';
import { certificateNamesOf } from './certificates/certificate-shapes.ts';
import { type ConfidentialMethod, usesSecret } from './client-auth-shapes.ts';
import { assertLogo } from './client-logo.ts';
import { algorithmsAfter, settingsAfter } from './client-profile.ts';
import { type ClientChanges, clientRecord } from './client-record.ts';
import { guardConsents, rightsOfSecret } from './client-rights.ts';
import {
  type ClientDetailRow,
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
type Act = { readonly client_id: string; readonly reason: string };
const DEFAULT_ALGORITHMS = {
  id_token_signed_response_alg: null,
  access_token_signed_response_alg: null,
  profile: 'default',
} as const;
export type RegisterClientInput = CreateClientInput & { readonly reason: string };
/** With the secret, which is shown only once. */
export type ClientWithSecret = ClientView & { readonly client_secret: string | null };

const identityView = (identity: CertificateIdentity | null): Partial<ClientView> => {
  if (identity === null) return {};
  if ('thumbprints' in identity) return { certificate_thumbprints: [...identity.thumbprints] };
  return { [`tls_client_auth_${identity.name}`]: identity.value };
};

function clientView({ certificate_identity: identity, skip_consent: _, jwks, ...shown }: ClientDetailRow): ClientView {
  const keys = jwks === null ? null : JSON.parse(jwks);
  return { ...shown, ...identityView(identity), jwks: keys, built_in: isBuiltInClient(shown.client_id) } as ClientView;
}

type ListClientsInput = {
  readonly origin?: ClientOrigin | undefined;
  readonly disabled?: 'true' | 'false' | undefined;
  readonly name_prefix?: string | undefined;
  readonly limit: number;
  readonly cursor?: string | undefined;
};

/** Lists clients by id, one page at a time. Throws `cursor_invalid` (400). */
export async function listClients(
  { sql }: Pick<Ports, 'sql'>,
  { origin, disabled, name_prefix: namePrefix, limit, cursor }: ListClientsInput,
): Promise<{ readonly clients: ClientView[]; readonly next: string | null }> {
  const [after = ''] = placeOfCursor(cursor, [PLACE.id]) ?? [];
  const isDisabled = disabled === undefined ? undefined : disabled === 'true';
  const rows = await readClientsPage(sql, { origin, isDisabled, namePrefix }, after, limit + 1);
  const { items, next } = pageOf(rows, limit, ({ client_id: clientId }) => [clientId]);
  return { clients: items.map(clientView), next };
}

/** Throws `client_unknown` (404). */
export async function readClient(
  { sql, isLocking }: Pick<Ports, 'sql'> & { readonly isLocking?: true },
  { client_id: clientId }: Pick<Act, 'client_id'>,
): Promise<ClientView> {
  const row = await (isLocking ? lockClient : readClientDetail)(sql, clientId);
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
  assertRedirectUris(input.redirect_uris);
  assertRedirectUris(input.post_logout_redirect_uris, 'post_logout_redirect_uris');
  assertScopesSpelt(ports, input);
  assertCodesCanReach(input);
  assertLogo(input.logo, 'admin');
  const signed = await assertSigned(ports, input);
  // Users who sign in through it consent themselves, and only to what they have; this checks what needs no consent.
  assertHolds(caller, rightsOfSecret(ports, input));
  const algorithms = algorithmsAfter(DEFAULT_ALGORITHMS, input, signed);
  return ports.transact(async (tx) => {
    const { clientId, clientSecret } = await createClient(
      { random: ports.random, transact: (work) => work(tx) },
      { ...input, ...algorithms },
      caller,
    );
    tx.afterCommit(ports.accessChanged);
    return { ...(await readClient({ sql: tx }, { client_id: clientId })), client_secret: clientSecret };
  });
}

/** Runs one operation on a client. The caller needs every permission of the client: its secret would give them. */
async function act<T>(
  ports: ManageClientsPorts,
  {
    client_id: clientId,
    reason,
    rule,
    changes = {},
  }: Act & { readonly changes?: ClientChanges; readonly rule?: EndRule },
  caller: Caller,
  work: (tx: Tx, client: ClientDetailRow) => Promise<T>,
): Promise<T> {
  if (isBuiltInClient(clientId)) throw clientProtected();
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
type AuthenticationChanges = GivenAuthentication & { readonly auth_method?: ConfidentialMethod | undefined };

/** New keys, or another method: like a new secret, they give their holder what users allowed the client. */
async function changeAuthentication(
  tx: Tx,
  ports: HasAccess,
  {
    client,
    auth_method: authMethod = client.auth_method as ConfidentialMethod,
    ...changed
  }: AuthenticationChanges & { readonly client: ClientDetailRow },
  caller: Caller,
): Promise<void> {
  const isSame = authMethod === client.auth_method && Object.values(changed).every((value) => value === undefined);
  if (isSame) return;
  if (client.auth_method === 'none') throw clientWithoutSecret();
  const stored = storedAuthentication(authMethod, changed);
  await guardConsents(tx, ports, { client, changes: {} }, caller);
  await setClientAuthentication(tx, client.client_id, { auth_method: authMethod, ...stored });
}

/**
 * Changes a client; removing a scope or grant ends its tokens and token families. Another algorithm ends nothing.
 * Throws `request_invalid` for a misspelt scope, `redirect_uri_refused`, `client_settings_conflict`, `client_keys_invalid`, `client_logo_refused`,
 * `signing_algorithm_refused` (400), `rights_exceeded` (403), `client_unknown` (404), `client_without_secret`, `client_protected` (409); the operations
 * below throw some of these.
 */
export async function updateClient(
  ports: ManageClientsPorts,
  input: Act & ClientChanges & AuthenticationChanges,
  caller: Caller,
): Promise<ClientView> {
  const { client_id: clientId, reason, auth_method: asked, jwks, jwks_uri: jwksUri } = input;
  const changes = clientRecord.pick(input);
  assertRedirectUris(changes.redirect_uris);
  assertRedirectUris(changes.post_logout_redirect_uris, 'post_logout_redirect_uris');
  assertScopesSpelt(ports, changes);
  const signed = await assertSigned(ports, changes);
  const changing = { client_id: clientId, reason, changes, rule: 'client_changed' } as const;
  const row = await act(ports, changing, caller, async (tx, client) => {
    assertLogo(changes.logo, client.origin);
    const authMethod = asked ?? client.auth_method;
    const settings = settingsAfter(client, changes, authMethod);
    const algorithms = algorithmsAfter(client, changes, signed);
    const { workload = client.workload, identity_assertions = client.identity_assertions } = changes;
    const named = { auth_method: authMethod, origin: client.origin, workload, identity_assertions };
    assertSettingsAgree({ ...settings, ...algorithms, ...named });
    if (changes.grant_types !== undefined || changes.redirect_uris !== undefined)
      assertCodesCanReach({
        grant_types: changes.grant_types ?? client.grant_types,
        redirect_uris: changes.redirect_uris ?? client.redirect_uris,
      });
    // Like new keys, another workload gives its holder what users allowed the client.
    if (changes.redirect_uris !== undefined || changes.scopes !== undefined || changes.workload !== undefined)
      await guardConsents(tx, ports, { client, changes }, caller);
    const authentication = { auth_method: asked, jwks, jwks_uri: jwksUri, ...certificateNamesOf(input) };
    await changeAuthentication(tx, ports, { ...authentication, client }, caller);
    return changeClient(tx, clientId, { ...changes, ...settings, ...algorithms });
  });
  return clientView(row);
}

const OVERLAP_SECONDS = 86_400;

/**
 * Sets a new secret of 256 random bits. The previous one is accepted during the overlap (a day by default; 0 refuses it
 * at once), older ones are refused. With 0, its tokens, token families and API keys end as well. Throws `client_without_secret` (409), and as above.
 */
export async function rotateClientSecret(
  ports: ManageClientsPorts,
  input: Act & { readonly overlap_seconds?: number | undefined },
  caller: Caller,
): Promise<ClientWithSecret> {
  const secret = ports.random.bytes(32).toString('base64url');
  const row = await act(ports, { ...input, rule: 'client_changed' }, caller, async (tx, client) => {
    if (!usesSecret(client.auth_method)) throw clientWithoutSecret();
    await guardConsents(tx, ports, { client, changes: {} }, caller);
    const { overlap_seconds: overlapSeconds = OVERLAP_SECONDS } = input;
    return setClientSecret(tx, input.client_id, { secretHash: clientSecretHash(secret), overlapSeconds });
  });
  return { ...clientView(row), client_secret: secret };
}

/** Disables a client and ends what was issued to it. */
export const disableClient = (ports: ManageClientsPorts, input: Act, caller: Caller): Promise<ClientView> =>
  setStatus(ports, input, caller, true);

/** Enables a client again; what was ended stays ended. */
export const enableClient = (ports: ManageClientsPorts, input: Act, caller: Caller): Promise<ClientView> =>
  setStatus(ports, input, caller, false);

async function setStatus(
  ports: ManageClientsPorts,
  input: Act,
  caller: Caller,
  isDisabled: boolean,
): Promise<ClientView> {
  const withRule = { ...input, rule: 'client_disabled' } as const;
  return clientView(await act(ports, withRule, caller, (tx) => setClientDisabled(tx, input.client_id, isDisabled)));
}

/** Deletes a client and ends its tokens and token families. */
export const deleteClient = (ports: ManageClientsPorts, input: Act, caller: Caller): Promise<void> =>
  act(ports, input, caller, (tx) => removeClient(tx, input.client_id));
