import { readerOfOwn } from '../authority/own-scopes.ts';
import type { Caller, Ports } from '../ports.ts';
import { pageOf, placeOfCursor } from '../shared/pagination.ts';
import { apiKeyViewOf } from './api-key-view.ts';
import { type KeyOwner, readApiKeys } from './api-keys.store.ts';
import type { ApiKeyView } from './contract.ts';
import { ownerOf } from './key-owner.ts';

type PageInput = { readonly limit: number; readonly cursor?: string | undefined };

type ApiKeyPage = { readonly api_keys: readonly ApiKeyView[]; readonly next: string | null };

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

async function listOf(
  { sql }: Pick<Ports, 'sql'>,
  owner: KeyOwner | undefined,
  { limit, cursor }: PageInput,
): Promise<ApiKeyPage> {
  const [before] = placeOfCursor(cursor, [UUID]) ?? [];
  const { items, next } = pageOf(await readApiKeys(sql, owner, before, limit + 1), limit, ({ id }) => [id]);
  return { api_keys: items.map(apiKeyViewOf), next };
}

/** The caller's keys, newest first. Throws `cursor_invalid` (400), `permission_missing` (403). */
export async function listApiKeys(ports: Pick<Ports, 'sql'>, input: PageInput, caller: Caller): Promise<ApiKeyPage> {
  const reader = readerOfOwn(caller, 'own.api_keys');
  return listOf(ports, reader === null ? ownerOf(caller) : { kind: 'user', id: reader.userId }, input);
}

/** The keys of all owners, or of one. Throws `cursor_invalid` (400). */
export function listAllApiKeys(
  ports: Pick<Ports, 'sql'>,
  {
    user_id,
    client_id,
    ...page
  }: PageInput & { readonly user_id?: string | undefined; readonly client_id?: string | undefined },
): Promise<ApiKeyPage> {
  if (user_id !== undefined) return listOf(ports, { kind: 'user', id: user_id }, page);
  return listOf(ports, client_id === undefined ? undefined : { kind: 'client', id: client_id }, page);
}
