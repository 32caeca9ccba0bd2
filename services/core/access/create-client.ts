import type { ValuesOf } from '#services/platform/define/record.ts';
import { setAuditContext } from '../audit/audit-context.ts';
import type { Caller, Ports } from '../ports.ts';
import { insertClient } from './access.store.ts';
import { clientSecretHash } from './access-directory.ts';
import { assertSettingsAgree } from './assert-settings-agree.ts';
import { type AuthMethod, usesSecret } from './client-auth-shapes.ts';
import { initialCopies, PLAIN_SETTINGS, settingsAfter } from './client-profile.ts';
import { type ClientChanges, clientRecord } from './client-record.ts';
import { clientExists } from './errors.ts';
import { type GivenAuthentication, storedAuthentication } from './stored-authentication.ts';

/** Settings that are left out have their initial values. */
export type CreateClientInput = GivenAuthentication &
  ClientChanges &
  Pick<ValuesOf<typeof clientRecord>, 'name' | 'grant_types'> & {
    /** A UUID by default. */
    readonly client_id?: string | undefined;
    /**
     * `client_secret_basic` by default, or `private_key_jwt` with the profile `fapi2`. Only the methods with a secret give
     * the client one; the others require its keys, certificates or name.
     */
    readonly auth_method?: AuthMethod | undefined;
    /** For the audit log. */
    readonly reason?: string;
  };

type CreatedClient = {
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
  const clientId = input.client_id ?? ports.random.uuid();
  const authMethod = input.auth_method ?? (input.profile === 'fapi2' ? 'private_key_jwt' : 'client_secret_basic');
  const settings = clientRecord.withInitial({
    ...input,
    refresh_copies: input.refresh_copies ?? initialCopies(authMethod, input),
    ...settingsAfter(PLAIN_SETTINGS, input, authMethod),
  });
  assertSettingsAgree({ ...settings, auth_method: authMethod, origin: 'admin' });
  const clientSecret = usesSecret(authMethod) ? ports.random.bytes(32).toString('base64url') : null;
  const secretHash = clientSecret === null ? null : clientSecretHash(clientSecret);
  const authentication = { auth_method: authMethod, ...storedAuthentication(authMethod, input) };
  const isMade = await ports.transact(async (tx) => {
    await setAuditContext(tx, caller, input.reason);
    return insertClient(tx, { id: ports.random.uuid(), clientId, secretHash, ...authentication, settings });
  });
  if (!isMade) throw clientExists();
  return { clientId, clientSecret };
}
