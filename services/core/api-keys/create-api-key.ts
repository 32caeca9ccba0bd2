import { createPublicKey } from 'node:crypto';
import type { HasAccess } from '../access/access-directory.ts';
import { setAuditContext } from '../audit/audit-context.ts';
import { assertNoApiKey } from '../authority/own-account.ts';
import type { Caller, Ports } from '../ports.ts';
import { newApiKeySecret } from './api-key-format.ts';
import { apiKeyViewOf } from './api-key-view.ts';
import { countLiveOrNew, insertApiKey, type KeyOwner, readApiKey } from './api-keys.store.ts';
import type { ApiKeyView } from './contract.ts';
import { apiKeyPublicKeyInvalid, apiKeyTooMany } from './errors.ts';
import { type HasApiKeysChanged, ownerOf } from './key-owner.ts';
import { assertMayCarry } from './key-permissions.ts';
import { type LockOwner, lockKeyOwner, ownerLocker } from './lock-owner.ts';

type PublicJwk = { readonly kty: string; readonly crv: string; readonly x: string; readonly y?: string | undefined };

export type CreateApiKeyInput = {
  readonly name: string;
  readonly permissions?: readonly string[] | undefined;
  readonly expires_in_seconds?: number | undefined;
  readonly requests_per_minute?: number | undefined;
  readonly public_key?: PublicJwk | undefined;
};

/** `secret` is shown only once. */
export type ApiKeyWithSecret = { readonly api_key: ApiKeyView; readonly secret: string };

/** Keys of an owner that are live or were created within a day. */
const KEYS_MAX = 50;
const LIFETIME_SECONDS = 90 * 86_400;
const REQUESTS_PER_MINUTE = 600;

type CreatePorts = Pick<Ports, 'transact' | 'random'> & HasApiKeysChanged;

/**
 * Creates a key for the caller, with permissions that the caller has. Throws `rights_exceeded`,
 * `api_key_not_accepted`, `permission_missing` (403), `api_key_public_key_invalid` (400), `unauthenticated` (401) when
 * the caller's session ended meanwhile, `api_key_too_many` (409).
 */
export async function createApiKey(
  ports: CreatePorts & HasAccess,
  input: CreateApiKeyInput,
  caller: Caller,
): Promise<ApiKeyWithSecret> {
  assertNoApiKey(caller);
  const isLive = ownerLocker(ports, caller);
  const lock: LockOwner = async (tx, owner) => {
    const epoch = await isLive(tx, owner);
    await assertMayCarry(tx, ports, owner, input.permissions ?? [], caller);
    return epoch;
  };
  return create(ports, { ...ownerOf(caller), lock }, input, caller);
}

/** The same for a named owner, by the system (an operator's command). */
export const createApiKeyFor = (
  ports: CreatePorts,
  { owner, reason, ...input }: CreateApiKeyInput & { readonly owner: KeyOwner; readonly reason: string },
  caller: Caller & { readonly kind: 'system' },
): Promise<ApiKeyWithSecret> => create(ports, { ...owner, lock: lockKeyOwner }, input, caller, reason);

async function create(
  ports: CreatePorts,
  { lock, ...owner }: KeyOwner & { readonly lock: LockOwner },
  input: CreateApiKeyInput,
  caller: Caller,
  reason?: string,
): Promise<ApiKeyWithSecret> {
  const publicKey = input.public_key === undefined ? null : usableKey(input.public_key);
  const id = ports.random.uuid();
  const secret = newApiKeySecret(ports.random, id);
  return ports.transact(async (tx) => {
    await setAuditContext(tx, caller, reason);
    tx.afterCommit(ports.apiKeysChanged);
    const ownerEpoch = await lock(tx, owner);
    if ((await countLiveOrNew(tx, owner)) >= KEYS_MAX) throw apiKeyTooMany();
    await insertApiKey(tx, {
      id,
      name: input.name,
      owner,
      ownerEpoch,
      permissions: [...new Set(input.permissions ?? [])].sort(),
      secretHash: secret.hash,
      publicKey,
      requestsPerMinute: input.requests_per_minute ?? REQUESTS_PER_MINUTE,
      lifetimeSeconds: input.expires_in_seconds ?? LIFETIME_SECONDS,
    });
    const row = await readApiKey(tx, id);
    return { api_key: apiKeyViewOf(row!), secret: secret.text };
  });
}

/** The public members of a key that OpenSSL can import. Throws `api_key_public_key_invalid` (400). */
function usableKey({ kty, crv, x, y }: PublicJwk): object {
  const jwk = kty === 'EC' ? { kty, crv, x, y } : { kty, crv, x };
  try {
    createPublicKey({ key: jwk as never, format: 'jwk' });
  } catch (cause) {
    throw apiKeyPublicKeyInvalid({ cause });
  }
  return jwk;
}
