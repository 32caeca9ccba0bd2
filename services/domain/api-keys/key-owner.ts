import { apiKeyNotAccepted } from '#services/platform/errors.ts';
import type { Caller, Sql } from '../ports.ts';
import { ownerAsking } from '../shared/ownership.ts';
import { type ApiKeyRow, type KeyOwner, readApiKey } from './api-keys.store.ts';
import { apiKeyUnknown } from './errors.ts';

/** After a commit that changed keys: this copy knows before it answers, the others are told. */
export type HasApiKeysChanged = { readonly apiKeysChanged: () => Promise<void> | void };

/**
 * Whose keys a caller's are. Throws `api_key_not_accepted` (403) for who owns none, `permission_missing` (403) for what a
 * user gave to another client: a key counts as the user's own, and outlives that client.
 */
export function ownerOf(caller: Caller): KeyOwner {
  if (caller.kind === 'user') return { kind: 'user', id: ownerAsking(caller).userId };
  if (caller.kind === 'client') return { kind: 'client', id: caller.clientId };
  throw apiKeyNotAccepted();
}

/** Keys make no keys: one that leaked must not be able to outlive its end. Throws `api_key_not_accepted` (403). */
export function assertNoKey(caller: Caller): void {
  if ('by' in caller && caller.by === 'api_key') throw apiKeyNotAccepted();
}

/** A key of this owner; somebody else's is as unknown as none. Throws `api_key_unknown` (404). */
export async function ownKey(sql: Sql, owner: KeyOwner, id: string): Promise<ApiKeyRow> {
  const row = await readApiKey(sql, id);
  if (row === undefined || row.ownerKind !== owner.kind || row.ownerId !== owner.id) throw apiKeyUnknown();
  return row;
}
