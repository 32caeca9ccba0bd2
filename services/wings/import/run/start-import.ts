import { createHash } from 'node:crypto';
import { assertMayGrant, lockKnownRoles } from '#services/core/access/role-rights.ts';
import { canonicalJson, type Json } from '#services/core/audit/log/canonical-json.ts';
import { auditActor, recordEvent } from '#services/core/audit/record-event.ts';
import type { Caller, Ports, Sql, Tx } from '#services/core/ports.ts';
import { importStarted } from '../audit-events.ts';
import { importOvertaken, importRoleUnknown } from '../errors.ts';
import type { ImportMap } from '../import-shapes.ts';
import { type ImportRow, insertImport, readOpenImport } from './imports.store.ts';

export type ImportSource = {
  readonly kind: string;
  readonly map: ImportMap;
  /** SHA-256 of the file, hex. */
  readonly sourceSha256: string;
  readonly sourceBytes: number;
  readonly reason: string;
};

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** The same mapping has the same digest; one of before `factors_lost` had no such member. */
const mapDigest = ({ factors_lost: lost, ...map }: ImportMap): string =>
  sha256(canonicalJson((lost === 'enrol' ? map : { ...map, factors_lost: lost }) as unknown as Json));

/** The mapping as a row keeps it: parameters may be secret, so only their names. */
const publicMap = ({ parameters, ...map }: ImportMap): object => ({
  ...map,
  parameters: Object.keys(parameters).sort(),
});

/** @throws importRoleUnknown (400), rightsExceeded (403) unless all roles of the mapping exist and the caller has their rights */
export async function assertMappedRoles(sql: Sql, { roles }: ImportMap, caller: Caller): Promise<void> {
  const wanted = [...new Set(Object.values(roles).filter((role) => role !== null))].filter((role) => role !== 'user');
  const known = await lockKnownRoles(sql, wanted);
  const missing = wanted.find((role) => !known.includes(role));
  if (missing !== undefined) throw importRoleUnknown({ detail: `The role ${missing} does not exist.` });
  await assertMayGrant(sql, wanted, caller);
}

/**
 * Begins a run, or finds the one of this file and mapping that has not ended, which then goes on.
 * @throws importRoleUnknown (400), rightsExceeded (403)
 */
export const startImport = (
  ports: Pick<Ports, 'transact' | 'random'>,
  source: ImportSource,
  caller: Caller,
): Promise<ImportRow> =>
  ports.transact(async (tx) => (await beginImport(tx, ports, { ...source, state: 'running' }, caller)).row);

/** The same in a transaction. @returns the run, and whether it is new */
export async function beginImport(
  tx: Tx,
  { random }: Pick<Ports, 'random'>,
  { kind, map, sourceSha256, sourceBytes, reason, state }: ImportSource & { readonly state: 'running' | 'waiting' },
  caller: Caller,
): Promise<{ readonly row: ImportRow; readonly isNew: boolean }> {
  const mapSha256 = mapDigest(map);
  const { actor_kind: actorKind, actor_id: actorId } = auditActor(caller);
  await assertMappedRoles(tx, map, caller);
  const inserted = await insertImport(tx, {
    id: random.uuid(),
    kind,
    source_sha256: sourceSha256,
    map_sha256: mapSha256,
    source_bytes: sourceBytes,
    map: publicMap(map),
    state,
    actor_kind: actorKind,
    actor_id: actorId,
    reason,
  });
  const row = inserted ?? (await readOpenImport(tx, kind, sourceSha256, mapSha256));
  // A run that ended between the two statements: this file is imported, and the next start begins another run.
  if (row === undefined) throw importOvertaken();
  await recordEvent(tx, caller, importStarted, {
    target: { kind: 'import', id: row.id },
    detail: { kind, source_sha256: sourceSha256, map_sha256: mapSha256, position: row.position },
  });
  return { row, isNew: inserted !== undefined };
}
