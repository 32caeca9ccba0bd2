import { createPublicKey } from 'node:crypto';
import type { HasAccess } from '../access/access-directory.ts';
import { assertHolds } from '../access/assert-holds.ts';
import { setAuditContext } from '../audit/audit-context.ts';
import type { Caller, Ports } from '../ports.ts';
import { newApiKeySecret } from './api-key-format.ts';
import { apiKeyViewOf } from './api-key-view.ts';
import { countLiveOrNew, insertApiKey, type KeyOwner, readApiKey } from './api-keys.store.ts';
import type { ApiKeyView } from './contract.ts';
import { apiKeyPublicKeyInvalid, apiKeyTooMany } from './errors.ts';
import { assertNoKey, type HasApiKeysChanged, ownerOf } from './key-owner.ts';
import { type LockOwner, lockKeyOwner, ownerLocker } from './lock-owner.ts';

type PublicJwk = {
  readonly kty: string;
  readonly crv: string;
  readonly x: string;
  readonly y?: string | undefined;
};

export type CreateApiKeyInput = {
  readonly name: string;
  readonly permissions?: readonly string[] | undefined;
  readonly expires_in_seconds?: number | undefined;
  readonly requests_per_minute?: number | undefined;
  readonly public_key?: PublicJwk | undefined;
};

/** `secret` is shown this once. */
export type ApiKeyWithSecret = { readonly api_key: ApiKeyView; readonly secret: string };

/** Live, or made within a day. */
const KEYS_MAX = 50;
const LIFETIME_SECONDS = 90 * 86_400;
const REQUESTS_PER_MINUTE = 600;

type MakePorts = Pick<Ports, 'transact' | 'random'> & HasApiKeysChanged;

/**
 * Makes a key of the caller's own that may do what the caller may, or less. Throws `rights_exceeded`,
 * `api_key_not_accepted`, `permission_missing` (403), `api_key_public_key_invalid` (400), `unauthenticated` (401) where
 * the caller's login ended meanwhile, `api_key_too_many` (409).
 */
export async function createApiKey(
  ports: MakePorts & HasAccess,
  input: CreateApiKeyInput,
  caller: Caller,
): Promise<ApiKeyWithSecret> {
  assertNoKey(caller);
  assertHolds(caller, input.permissions ?? []);
  return make(ports, { ...ownerOf(caller), hold: ownerLocker(ports, caller) }, input, caller);
}

/** The same for an owner that is named: what runs the installation makes keys for others. */
export function createApiKeyFor(
  ports: MakePorts,
  { owner, reason, ...input }: CreateApiKeyInput & { readonly owner: KeyOwner; readonly reason: string },
  caller: Caller & { readonly kind: 'system' },
): Promise<ApiKeyWithSecret> {
  return make(ports, { ...owner, hold: lockKeyOwner }, input, caller, reason);
}

async function make(
  ports: MakePorts,
  { hold, ...owner }: KeyOwner & { readonly hold: LockOwner },
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
    const ownerEpoch = await hold(tx, owner);
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

/** The members that count, of a key that OpenSSL takes. */
function usableKey({ kty, crv, x, y }: PublicJwk): object {
  const jwk = kty === 'EC' ? { kty, crv, x, y } : { kty, crv, x };
  try {
    createPublicKey({ key: jwk as never, format: 'jwk' });
  } catch (cause) {
    throw apiKeyPublicKeyInvalid({ cause });
  }
  return jwk;
}
