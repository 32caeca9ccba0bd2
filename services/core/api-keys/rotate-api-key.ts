import type { HasAccess } from '../access/access-directory.ts';
import { setAuditContext } from '../audit/audit-context.ts';
import { assertNoApiKey } from '../authority/own-account.ts';
import type { Caller, Ports, Tx } from '../ports.ts';
import { newApiKeySecret } from './api-key-format.ts';
import { apiKeyViewOf } from './api-key-view.ts';
import { type ApiKeyRow, readApiKey, rotateSecret } from './api-keys.store.ts';
import type { ApiKeyWithSecret } from './create-api-key.ts';
import { apiKeyOver, apiKeyUnknown } from './errors.ts';
import { type HasApiKeysChanged, ownerOf, ownKey } from './key-owner.ts';
import { assertMayCarry } from './key-permissions.ts';
import { type LockOwner, lockKeyOwner, ownerLocker } from './lock-owner.ts';

type RotateApiKeyInput = {
  readonly api_key_id: string;
  readonly overlap_seconds?: number | undefined;
  /** Why an operator rotates the key of an owner. */
  readonly reason?: string;
};

const OVERLAP_SECONDS = 86_400;

type RotatePorts = Pick<Ports, 'transact' | 'random'> & HasApiKeysChanged;

/**
 * Gives a key of the caller a new secret and its full lifetime again. The previous secret stays valid for the overlap,
 * the one before that ends at once. Throws `api_key_unknown` (404), `api_key_over` (409), `api_key_not_accepted`,
 * `permission_missing`, `rights_exceeded` (403) when the key has more permissions than the caller, and
 * `unauthenticated` (401) when the caller's session has ended since.
 */
export function rotateApiKey(
  ports: RotatePorts & HasAccess,
  input: RotateApiKeyInput,
  caller: Caller,
): Promise<ApiKeyWithSecret> {
  assertNoApiKey(caller);
  const owner = ownerOf(caller);
  return rotate(ports, input, caller, ownerLocker(ports, caller), async (tx) => {
    const row = await ownKey(tx, owner, input.api_key_id);
    await assertMayCarry(tx, ports, owner, row.permissions, caller);
    return row;
  });
}

/** The same for a key of any owner, by the system (an operator's command). */
export const rotateAnyApiKey = (
  ports: RotatePorts,
  input: RotateApiKeyInput & { readonly reason: string },
  caller: Caller & { readonly kind: 'system' },
): Promise<ApiKeyWithSecret> =>
  rotate(ports, input, caller, lockKeyOwner, async (tx) => {
    const row = await readApiKey(tx, input.api_key_id);
    if (row === undefined) throw apiKeyUnknown();
    return row;
  });

function rotate(
  ports: RotatePorts,
  { api_key_id: id, overlap_seconds: overlapSeconds = OVERLAP_SECONDS, reason }: RotateApiKeyInput,
  caller: Caller,
  lock: LockOwner,
  find: (tx: Tx) => Promise<ApiKeyRow>,
): Promise<ApiKeyWithSecret> {
  const secret = newApiKeySecret(ports.random, id);
  return ports.transact(async (tx) => {
    await setAuditContext(tx, caller, reason);
    const { owner_kind: ownerKind, owner_id: ownerId } = await find(tx);
    if (ownerId === null) throw apiKeyOver();
    const epoch = await lock(tx, { kind: ownerKind, id: ownerId });
    if (!(await rotateSecret(tx, { id, secretHash: secret.hash, overlapSeconds, epoch }))) throw apiKeyOver();
    tx.afterCommit(ports.apiKeysChanged);
    const row = await readApiKey(tx, id);
    return { api_key: apiKeyViewOf(row!), secret: secret.text };
  });
}
