import { setAuditContext } from '../audit/audit-context.ts';
import type { AsymmetricAlgorithm } from '../keys/algorithm-shapes.ts';
import type { Caller, Ports } from '../ports.ts';
import { insertClient } from './access.store.ts';
import { clientSecretHash } from './access-directory.ts';
import { assertSettingsAgree } from './assert-settings-agree.ts';
import { type AuthMethod, usesSecret } from './client-auth-shapes.ts';
import { PLAIN_SETTINGS, type ProfileChanges, settingsAfter } from './client-profile.ts';
import { clientExists } from './errors.ts';
import { type GivenAuthentication, storedAuthentication } from './stored-authentication.ts';

export type CreateClientInput = GivenAuthentication &
  ProfileChanges & {
    readonly name: string;
    /** A UUID by default. */
    readonly clientId?: string;
    /**
     * `client_secret_basic` by default, or `private_key_jwt` with the profile `fapi2`. Only the methods with a secret give
     * the client one; the others require its keys, certificates or name.
     */
    readonly authMethod?: AuthMethod;
    readonly grantTypes: readonly string[];
    readonly scopes?: readonly string[];
    /** Scopes of its client-credentials tokens; those that name permissions are the client's permissions. */
    readonly credentialScopes?: readonly string[];
    readonly redirectUris?: readonly string[];
    readonly postLogoutRedirectUris?: readonly string[];
    /** Audiences that its tokens may have besides the installation itself; `*`: any audience. */
    readonly audiences?: readonly string[];
    /** Of its tokens; null: the default of the installation. */
    readonly idTokenAlgorithm?: AsymmetricAlgorithm | null | undefined;
    readonly accessTokenAlgorithm?: AsymmetricAlgorithm | null | undefined;
    /** Where logout tokens are sent (OpenID Connect Back-Channel Logout §2.2). */
    readonly backchannelLogoutUri?: string | null;
    readonly backchannelLogoutSessionRequired?: boolean;
    /** A PNG in a data URL. */
    readonly logo?: string | null | undefined;
    /** For the audit log. */
    readonly reason?: string;
  };

export type CreatedClient = {
  readonly clientId: string;
  /** 256 random bits, shown only once; the table stores their SHA-256. Null for a client without a secret. */
  readonly clientSecret: string | null;
};

/**
 * Registers an OAuth client. The row's trigger writes the audit event.
 * @throws clientSettingsConflict, clientKeysInvalid (400)
 * @throws clientExists (409) if a client or a user already has the id: one could act as the other
 */
export async function createClient(
  ports: Pick<Ports, 'transact' | 'random'>,
  input: CreateClientInput,
  caller: Caller,
): Promise<CreatedClient> {
  const clientId = input.clientId ?? ports.random.uuid();
  const authMethod = input.authMethod ?? (input.profile === 'fapi2' ? 'private_key_jwt' : 'client_secret_basic');
  const settings = { ...settingsAfter(PLAIN_SETTINGS, input, authMethod), authMethod };
  const { idTokenAlgorithm = null, accessTokenAlgorithm = null } = input;
  const algorithms = { idTokenAlgorithm, accessTokenAlgorithm };
  assertSettingsAgree({ ...settings, ...algorithms, origin: 'admin' });
  const clientSecret = usesSecret(authMethod) ? ports.random.bytes(32).toString('base64url') : null;
  const authentication = storedAuthentication(authMethod, input);
  const isMade = await ports.transact(async (tx) => {
    await setAuditContext(tx, caller, input.reason);
    return insertClient(tx, {
      id: ports.random.uuid(),
      clientId,
      secretHash: clientSecret === null ? null : clientSecretHash(clientSecret),
      name: input.name,
      ...settings,
      ...authentication,
      grantTypes: input.grantTypes,
      scopes: input.scopes ?? [],
      credentialScopes: input.credentialScopes ?? [],
      redirectUris: input.redirectUris ?? [],
      postLogoutRedirectUris: input.postLogoutRedirectUris ?? [],
      audiences: input.audiences ?? [],
      ...algorithms,
      backchannelLogoutUri: input.backchannelLogoutUri ?? null,
      backchannelLogoutSessionRequired: input.backchannelLogoutSessionRequired ?? false,
      logo: input.logo ?? null,
    });
  });
  if (!isMade) throw clientExists();
  return { clientId, clientSecret };
}
