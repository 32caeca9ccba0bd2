import { apiKeyNotAccepted } from '#services/platform/errors.ts';
import { clientOf, userOf } from '../authority/callers.ts';
import { ownerAsking } from '../authority/own-account.ts';
import type { Caller, Sql } from '../ports.ts';
import { type ApiKeyRow, type KeyOwner, readApiKey } from './api-keys.store.ts';
import { apiKeyUnknown } from './errors.ts';

/** Runs after a commit that changed keys: reloads this copy before it answers, and notifies the others. */
export type HasApiKeysChanged = { readonly apiKeysChanged: () => Promise<void> | void };

/**
 * The owner that a caller's keys belong to. Throws `api_key_not_accepted` (403) for callers that own no keys, and
 * `permission_missing` (403) for a token that a user granted to another client: a key acts as the user and would outlive
 * that client.
 */
export function ownerOf(caller: Caller): KeyOwner {
  const client = clientOf(caller);
  if (client !== null) return { kind: 'client', id: client.clientId };
  if (userOf(caller) === null) throw apiKeyNotAccepted();
  return { kind: 'user', id: ownerAsking(caller).userId };
}

/** A key of this owner. Throws `api_key_unknown` (404) also for another owner's key, so as not to reveal that it exists. */
export async function ownKey(sql: Sql, owner: KeyOwner, id: string): Promise<ApiKeyRow> {
  const row = await readApiKey(sql, id);
  if (row === undefined || row.owner_kind !== owner.kind || row.owner_id !== owner.id) throw apiKeyUnknown();
  return row;
}
