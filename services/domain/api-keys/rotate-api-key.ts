import type { HasAccess } from '../access/access-directory.ts';
import { assertHolds } from '../access/assert-holds.ts';
import { setAuditContext } from '../audit/audit-context.ts';
import type { Caller, Ports, Tx } from '../ports.ts';
import { newApiKeySecret } from './api-key-format.ts';
import { apiKeyViewOf } from './api-key-view.ts';
import { type ApiKeyRow, readApiKey, rotateSecret } from './api-keys.store.ts';
import type { ApiKeyWithSecret } from './create-api-key.ts';
import { apiKeyOver, apiKeyUnknown } from './errors.ts';
import { assertNoKey, type HasApiKeysChanged, ownerOf, ownKey } from './key-owner.ts';
import { type LockOwner, lockKeyOwner, ownerLocker } from './lock-owner.ts';

export type RotateApiKeyInput = {
  readonly apiKeyId: string;
  readonly overlapSeconds?: number | undefined;
  /** Of whoever rotates somebody's. */
  readonly reason?: string;
};

const OVERLAP_SECONDS = 86_400;

type RotatePorts = Pick<Ports, 'transact' | 'random'> & HasApiKeysChanged;

/**
 * Gives a key of the caller's own a new secret and its whole life again; the secret before stays good for the overlap,
 * and the one before that not at all. Throws `api_key_unknown` (404), `api_key_over` (409), `api_key_not_accepted`,
 * `permission_missing`, and `rights_exceeded` (403) where the key may do more than this caller, and `unauthenticated`
 * (401) where the caller's login has ended since.
 */
export function rotateApiKey(
  ports: RotatePorts & HasAccess,
  input: RotateApiKeyInput,
  caller: Caller,
): Promise<ApiKeyWithSecret> {
  assertNoKey(caller);
  const owner = ownerOf(caller);
  return rotate(ports, input, caller, ownerLocker(ports, caller), async (tx) => {
    const row = await ownKey(tx, owner, input.apiKeyId);
    assertHolds(caller, row.permissions);
    return row;
  });
}

/** The same for anybody's key, by what runs the installation. */
export function rotateAnyApiKey(
  ports: RotatePorts,
  input: RotateApiKeyInput & { readonly reason: string },
  caller: Caller & { readonly kind: 'system' },
): Promise<ApiKeyWithSecret> {
  return rotate(ports, input, caller, lockKeyOwner, async (tx) => {
    const row = await readApiKey(tx, input.apiKeyId);
    if (row === undefined) throw apiKeyUnknown();
    return row;
  });
}

function rotate(
  ports: RotatePorts,
  { apiKeyId: id, overlapSeconds = OVERLAP_SECONDS, reason }: RotateApiKeyInput,
  caller: Caller,
  hold: LockOwner,
  find: (tx: Tx) => Promise<ApiKeyRow>,
): Promise<ApiKeyWithSecret> {
  const secret = newApiKeySecret(ports.random, id);
  return ports.transact(async (tx) => {
    await setAuditContext(tx, caller, reason);
    const { ownerKind, ownerId } = await find(tx);
    if (ownerId === null) throw apiKeyOver();
    const epoch = await hold(tx, { kind: ownerKind, id: ownerId });
    if (!(await rotateSecret(tx, { id, secretHash: secret.hash, overlapSeconds, epoch }))) throw apiKeyOver();
    tx.afterCommit(ports.apiKeysChanged);
    const row = await readApiKey(tx, id);
    return { api_key: apiKeyViewOf(row!), secret: secret.text };
  });
}
