import { setAuditContext } from '../audit/audit-context.ts';
import type { Caller, Ports } from '../ports.ts';
import { insertClient } from './access.store.ts';
import { clientSecretHash } from './access-directory.ts';
import { assertSettingsAgree } from './assert-settings-agree.ts';
import { type AuthMethod, usesSecret } from './client-auth-shapes.ts';
import { type GivenKeys, storedKeys } from './client-keys.ts';
import { clientExists } from './errors.ts';

export type CreateClientInput = GivenKeys & {
  readonly name: string;
  /** A UUID by default. */
  readonly clientId?: string;
  /** Only the methods with a secret give the client one; `private_key_jwt` requires its keys. */
  readonly authMethod?: AuthMethod;
  readonly grantTypes: readonly string[];
  readonly scopes?: readonly string[];
  /** Scopes of its client-credentials tokens; those that name permissions are the client's permissions. */
  readonly credentialScopes?: readonly string[];
  readonly redirectUris?: readonly string[];
  readonly postLogoutRedirectUris?: readonly string[];
  /** Audiences that its tokens may have besides the installation itself; `*`: any audience. */
  readonly audiences?: readonly string[];
  /** RFC 9449 §5.2: every token of the client is bound to a key. */
  readonly dpopBound?: boolean;
  /** RFC 8705 §3.4: every token of the client is bound to a certificate. */
  readonly certificateBound?: boolean;
  /** RFC 9126 §6: the client may only send pushed authorization requests. */
  readonly pushesRequests?: boolean;
  /** RFC 7636; true by default. Only a confidential client that pushes no requests may do without. */
  readonly requiresPkce?: boolean;
  /** True by default. Only a confidential client whose tokens are bound to a key or certificate may keep its tokens. */
  readonly rotatesRefreshTokens?: boolean;
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
  const authMethod = input.authMethod ?? 'client_secret_basic';
  const { dpopBound = false, certificateBound = false, pushesRequests = false } = input;
  const { requiresPkce = true, rotatesRefreshTokens = true } = input;
  const settings = { authMethod, dpopBound, certificateBound, pushesRequests, requiresPkce, rotatesRefreshTokens };
  assertSettingsAgree({ ...settings, origin: 'admin' });
  const clientSecret = usesSecret(authMethod) ? ports.random.bytes(32).toString('base64url') : null;
  const keys = storedKeys(authMethod, input);
  const isMade = await ports.transact(async (tx) => {
    await setAuditContext(tx, caller, input.reason);
    return insertClient(tx, {
      id: ports.random.uuid(),
      clientId,
      secretHash: clientSecret === null ? null : clientSecretHash(clientSecret),
      name: input.name,
      ...settings,
      ...keys,
      grantTypes: input.grantTypes,
      scopes: input.scopes ?? [],
      credentialScopes: input.credentialScopes ?? [],
      redirectUris: input.redirectUris ?? [],
      postLogoutRedirectUris: input.postLogoutRedirectUris ?? [],
      audiences: input.audiences ?? [],
    });
  });
  if (!isMade) throw clientExists();
  return { clientId, clientSecret };
}
