import { createHash } from 'node:crypto';
import { type ShowUserPorts, showUser } from '#services/core/identity/admin/read-users.ts';
import type { AccountDetailView } from '#services/core/identity/contracts/admin-contract.ts';
import type { Caller } from '#services/core/ports.ts';
import { externalId } from '#services/core/shared/external-id.ts';
import type { LegacySystemAdapter } from '../adapters/adapter.ts';
import { importedUserUnknown, recordRejected } from '../errors.ts';
import type { ImportMap } from '../import-shapes.ts';
import { readKnownUsers, readLegacyId } from './imported-users.store.ts';
import { readRejects } from './imports.store.ts';
import { type ImportPorts, runImport } from './run-import.ts';
import { startImport } from './start-import.ts';

/** A system that is asked for its users one by one. */
export type LegacySystem = {
  readonly adapter: LegacySystemAdapter;
  readonly map: ImportMap;
  /** An export of the system with this user alone; undefined if it has no such user. */
  exportUser(legacyUserId: string): Promise<string | undefined>;
  readonly reason: string;
};

export type ImportOnePorts = ImportPorts & ShowUserPorts;

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/**
 * Imports one user, or what changed there since. Twice is one user. What was changed here stays.
 * @returns the user here
 * @throws importedUserUnknown (404) if the system has no such user, or the user was deleted here
 * @throws recordRejected (422), with the reason
 */
export async function migrateFromLegacyProvider(
  ports: ImportOnePorts,
  { adapter, map, exportUser, reason }: LegacySystem,
  legacyUserId: string,
  caller: Caller,
): Promise<AccountDetailView> {
  const text = externalId(legacyUserId) === null ? undefined : await exportUser(legacyUserId);
  if (text === undefined) throw importedUserUnknown();
  const bytes = Buffer.from(text);
  const sourceSha256 = createHash('sha256').update(bytes).digest('hex');
  const source = { kind: adapter.kind, map, sourceSha256, sourceBytes: bytes.length, reason };
  const row = await startImport(ports, source, caller);
  await runImport(ports, { row, adapter, map, stream: once(bytes) }, caller);
  const [rejected] = await readRejects(ports.sql, row.id, 1);
  if (rejected !== undefined) throw recordRejected({ detail: `${rejected.reason}: ${rejected.value}` });
  const [known] = await readKnownUsers(ports.sql, adapter.kind, [legacyUserId]);
  if (known?.user_id == null) throw importedUserUnknown();
  return showUser(ports, { user_id: known.user_id });
}

/**
 * Asks the system for an imported user again, and takes over what changed there.
 * @throws importedUserUnknown (404) if the user was not imported from it; and as `migrateFromLegacyProvider`
 */
export async function syncLegacyProviderData(
  ports: ImportOnePorts,
  system: LegacySystem,
  userId: string,
  caller: Caller,
): Promise<AccountDetailView> {
  const legacyUserId = await readLegacyId(ports.sql, system.adapter.kind, userId);
  if (legacyUserId === undefined) throw importedUserUnknown();
  return migrateFromLegacyProvider(ports, system, legacyUserId, caller);
}
