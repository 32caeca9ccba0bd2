import { recordEvent, setAuditContext } from '#services/core/audit/record-event.ts';
import { actorIdOf, actorKindOf } from '#services/core/authority/names.ts';
import { storeImportedKey } from '#services/core/identity/passwords/imported-keys.ts';
import type { Caller, Fence, Ports } from '#services/core/ports.ts';
import type { LegacySystemAdapter } from '../adapters/adapter.ts';
import { importBatch, importFinished } from '../audit-events.ts';
import { importOvertaken } from '../errors.ts';
import type { ImportMap, SourceDigest } from '../import-shapes.ts';
import { deleteChunks } from './chunks.store.ts';
import {
  advanceImport,
  finishImport,
  type ImportCounts,
  type ImportEnd,
  type ImportRow,
  type ImportSums,
  insertNotices,
  insertRejects,
  lockImport,
} from './imports.store.ts';
import { packed, unpacked } from './person.ts';
import { type BatchPlan, type BatchRecord, type LineNotice, noticesOf, type Reject } from './plan-batch.ts';
import { type Batch, readBatches, usersAfter } from './read-batches.ts';
import { createNotes } from './seen.ts';
import { assertMappedRoles } from './start-import.ts';
import { statementDigest } from './statement.ts';
import { type BatchPorts, type HasRelyingParty, rehearseBatch, sealFactors, writeBatch } from './write-batch.ts';

export type ImportPorts = Pick<Ports, 'transact' | 'sql' | 'clock' | 'random' | 'vault'> & BatchPorts;

export type ImportInput = {
  readonly row: ImportRow;
  readonly adapter: LegacySystemAdapter;
  readonly map: ImportMap;
  readonly stream: AsyncIterable<Uint8Array>;
  readonly signal?: AbortSignal;
  readonly fence?: Fence;
  readonly batchRecords?: number;
  /** What was read, of a source whose digest is known only at its end. */
  sourceRead?(): SourceDigest;
  onProgress?(progress: { readonly records: number; readonly bytes: number }): void | Promise<void>;
};

/** Rejected records, and notices, that are kept one by one; all are counted. */
export const REJECTS_KEPT = 10_000;

/**
 * Imports what a run has not imported yet. How far it is commits with each batch, so it goes on there after any end.
 * @returns the run as it ended; undefined if `signal` stopped it before
 * @throws importOvertaken (409) if another process imports the same file, importSourceChanged (409) if the run cannot go
 *   on where it stopped
 */
export async function runImport(
  ports: ImportPorts,
  input: ImportInput,
  caller: Caller,
): Promise<ImportRow | undefined> {
  const { row, signal } = input;
  await storeHashKeys(ports, input);
  const { relyingPartyId } = ports;
  const keys = foundKeys();
  const source = {
    ...input,
    relyingPartyId,
    keyFound: keys.add,
    after: row.position,
    usersSha256After: row.users_sha256,
  };
  const reader = readBatches(source, ports.clock.now());
  let from = row.position;
  // While a batch is written, the next is read and checked.
  let writing: Promise<void> = Promise.resolve();
  for await (const batch of reader.batches) {
    await writing;
    if (signal?.aborted) return undefined;
    const at = from;
    writing = storeKeys(ports, keys.take())
      .then(() => writeAll(ports, input, batch, at, caller))
      .then(() => input.onProgress?.({ records: batch.position, bytes: batch.bytes }));
    writing.catch(() => {});
    from = batch.position;
  }
  await writing;
  if (signal?.aborted) return undefined;
  return ports.transact(async (tx) => {
    await input.fence?.hold(tx);
    const end = { state: 'done', usersSha256: reader.usersSha256(), failure: null } as const;
    return endImport(tx, ports, { ...end, id: row.id, source: input.sourceRead?.() ?? null }, caller);
  });
}

/** Keys that the hashes of the source name are here before the first user who needs one. */
async function storeHashKeys(ports: Pick<Ports, 'transact' | 'vault'>, { adapter, map }: ImportInput): Promise<void> {
  const { columns, parameters, allow_hashes: allowedHashes } = map;
  await storeKeys(ports, adapter.hashKeys?.({ columns, parameters, allowedHashes }) ?? []);
}

async function storeKeys(ports: Pick<Ports, 'transact' | 'vault'>, keys: readonly Uint8Array[]): Promise<void> {
  if (keys.length === 0) return;
  await ports.transact(async (tx) => {
    for (const key of keys) await storeImportedKey(tx, ports, key);
  });
}

/** Projects whose users a source has; a file with a key for each user would fill the table of keys. */
const KEYS_MAX = 16;

/** Keys that a source has beside the digests that name them, until they are stored. */
function foundKeys(): { add(key: Uint8Array): boolean; take(): readonly Uint8Array[] } {
  const known = new Set<string>();
  let waiting: Uint8Array[] = [];
  return {
    add: (key) => {
      const name = Buffer.from(key).toString('base64');
      if (known.has(name)) return true;
      if (known.size >= KEYS_MAX) return false;
      known.add(name);
      waiting.push(key);
      return true;
    },
    take: () => {
      const taken = waiting;
      waiting = [];
      return taken;
    },
  };
}

/** Ends a run: its counts, digests and reasons become an event of the sealed log. */
async function endImport(
  tx: Parameters<Parameters<Ports['transact']>[0]>[0],
  { random }: Pick<Ports, 'random'>,
  end: Omit<ImportEnd, 'eventId'> & { readonly id: string },
  caller: Caller,
): Promise<ImportRow | undefined> {
  const eventId = random.uuid();
  const ended = await finishImport(tx, end.id, { ...end, eventId });
  if (ended === undefined) return undefined;
  await deleteChunks(tx, end.id);
  await recordEvent(tx, caller, importFinished, {
    outcome: end.state === 'done' ? 'ok' : 'failed',
    target: { kind: 'import', id: end.id },
    eventId,
    detail: {
      kind: ended.kind,
      new: ended.new_count,
      changed: ended.changed_count,
      same: ended.same_count,
      rejected: ended.rejected_count,
      statement_sha256: statementDigest(ended),
    },
  });
  return ended;
}

/** Ends a run that cannot go on. */
export const failImport = (
  ports: Pick<Ports, 'transact' | 'random'>,
  { id, failure, fence }: { readonly id: string; readonly failure: string; readonly fence?: Fence },
  caller: Caller,
): Promise<void> =>
  ports.transact(async (tx) => {
    await fence?.hold(tx);
    await endImport(tx, ports, { id, state: 'failed', usersSha256: null, failure }, caller);
  });

/** Errors of a value that Postgres refuses: one record, not the run, is at fault. */
const isRefusedValue = (err: unknown): boolean =>
  /^2[23]/.test(String((err as { readonly code?: unknown }).code ?? ''));

/** Writes a batch. If a value in it cannot be stored, halves find the record that is to blame, and it is rejected. */
async function writeAll(
  ports: ImportPorts,
  input: ImportInput,
  batch: Batch,
  after: number,
  caller: Caller,
): Promise<void> {
  const { records, bytes, usersBefore } = batch;
  const usersSha256 = usersAfter(usersBefore, records).digest('hex');
  try {
    await writeOne(ports, input, { ...batch, usersSha256 }, after, caller);
  } catch (err) {
    if (!isRefusedValue(err)) throw err;
    const half = Math.ceil(records.length / 2);
    if (records.length === 1)
      return writeOne(ports, input, { ...batch, usersSha256, records: records.map(asRejected) }, after, caller);
    const [former, latter] = [records.slice(0, half), records.slice(half)];
    const middle = (former.at(-1) as BatchRecord).record;
    await writeAll(ports, input, { records: former, position: middle, bytes, usersBefore }, after, caller);
    const usersBetween = usersAfter(usersBefore, former);
    await writeAll(ports, input, { ...batch, records: latter, usersBefore: usersBetween }, middle, caller);
  }
}

const asRejected = ({ record, line, ...read }: BatchRecord): BatchRecord => ({
  record,
  line,
  reason: 'not_stored',
  value: 'user' in read ? read.user.email : read.value,
});

async function writeOne(
  ports: ImportPorts,
  { row, map, fence }: ImportInput,
  { records, position, bytes, usersSha256 }: Batch & { readonly usersSha256: string },
  after: number,
  caller: Caller,
): Promise<void> {
  const sealed = await sealFactors(ports, records);
  await ports.transact(async (tx) => {
    await fence?.hold(tx);
    await setAuditContext(tx, caller, row.reason);
    const run = await lockImport(tx, row.id);
    if (run === undefined || run.finished_at !== null || run.position !== after) throw importOvertaken();
    const plan = await writeBatch(tx, ports, { provider: row.kind, map, records, askedBy: run, sealed });
    if (run.rejected_count < REJECTS_KEPT) await insertRejects(tx, row.id, plan.rejects);
    const counts = countsOf(plan);
    const noticed = noticesOf(plan);
    const isKept = Object.values(run.notices ?? {}).reduce((sum, count) => sum + count, 0) < REJECTS_KEPT;
    if (isKept) await insertNotices(tx, row.id, noticed);
    await advanceImport(tx, row.id, { position, bytes, usersSha256, ...counts, ...summed(run, plan, noticed) });
    await recordEvent(tx, caller, importBatch, {
      target: { kind: 'import', id: row.id },
      detail: { position, new: counts.new, changed: counts.changed, same: counts.same, rejected: counts.rejected },
    });
  });
}

/** A linked account is one that changed: it has the user, or another row of the user, of the source from now on. */
const countsOf = ({ created, changed, linked, joined, same, rejects }: BatchPlan): ImportCounts => ({
  new: created.length,
  changed: changed.length + linked.length + joined.length,
  same,
  linked: linked.length + joined.length,
  rejected: rejects.length,
  /** Users who enrol a second factor before their next session. */
  factors_lost:
    created.filter(({ user }) => user.factors_lost.length > 0).length +
    changed.filter(({ owesFactor }) => owesFactor).length,
});

/** Users of a plan who come without a password, and whose password is not at the other system either. */
const withoutPassword = ({ created }: BatchPlan, { lazy }: ImportMap): number =>
  lazy ? 0 : created.filter(({ user }) => user.password_hash === null).length;

/** As it is counted: a path in the metadata has names of the source. */
const nameOfNotice = ({ notice, member }: LineNotice): string => `${notice}.${member.split('.', 1)[0]}`;

const NAME = /^[a-z][a-z0-9_.-]{0,63}$/;
const NAMES_MAX = 32;

/** Counts by names of a closed form, of which there are at most 32 in a row. */
function added(counts: Readonly<Record<string, number>>, names: readonly string[]): Readonly<Record<string, number>> {
  const sums: Record<string, number> = { ...counts };
  for (const given of names) {
    const name =
      NAME.test(given) && (Object.hasOwn(sums, given) || Object.keys(sums).length < NAMES_MAX) ? given : 'other';
    sums[name] = (sums[name] ?? 0) + 1;
  }
  return sums;
}

const summed = (
  { hash_formats: formats, reject_reasons: reasons, notices }: Pick<ImportRow, keyof ImportSums>,
  { created, rejects }: BatchPlan,
  noticed: readonly LineNotice[],
): ImportSums => ({
  hash_formats: added(
    formats,
    created.flatMap(({ user }) => user.password_format ?? 'none'),
  ),
  reject_reasons: added(
    reasons,
    rejects.map(({ reason }) => reason),
  ),
  notices: added(notices ?? {}, noticed.map(nameOfNotice)),
});

export type Rehearsal = ImportSums & {
  readonly counts: ImportCounts;
  /** New users without a password. */
  readonly without_password: number;
  readonly rejects: readonly Reject[];
  readonly noticed: readonly Omit<LineNotice, 'place'>[];
  /** The first of them. */
  readonly differences: readonly {
    readonly legacy_id: string;
    readonly email: string;
    readonly change: 'new' | 'changed' | 'linked';
  }[];
};

/** What a change of a plan is called. */
const DIFFERENCES = { created: 'new', changed: 'changed', linked: 'linked', joined: 'linked' } as const;

const DIFFERENCES_SHOWN = 100;

/**
 * What an import that this caller asks for would do, without doing it.
 * @throws importRoleUnknown (400), rightsExceeded (403), as the import
 */
export async function rehearseImport(
  ports: Pick<Ports, 'sql' | 'clock' | 'random'> & HasRelyingParty,
  input: Pick<ImportInput, 'adapter' | 'map' | 'stream' | 'onProgress' | 'batchRecords'>,
  caller: Caller,
): Promise<Rehearsal> {
  await assertMappedRoles(ports.sql, input.map, caller);
  const askedBy = { actor_kind: actorKindOf(caller), actor_id: actorIdOf(caller) };
  const counts = { new: 0, changed: 0, same: 0, linked: 0, rejected: 0, factors_lost: 0 };
  let sums: ImportSums = { hash_formats: {}, reject_reasons: {}, notices: {} };
  let without = 0;
  const rejects: Reject[] = [];
  const noticed: Rehearsal['noticed'][number][] = [];
  const { relyingPartyId } = ports;
  const differences: Rehearsal['differences'][number][] = [];
  const disabled = new Set<string>();
  const people = createNotes();
  const earlier = (email: string) => {
    const flags = people.get(email);
    return flags === undefined ? undefined : unpacked(email, flags);
  };
  const reader = readBatches({ ...input, relyingPartyId, after: 0 }, ports.clock.now());
  for await (const { records, position, bytes } of reader.batches) {
    const plan = await rehearseBatch(ports, {
      provider: input.adapter.kind,
      map: input.map,
      records,
      askedBy,
      disabled,
      earlier,
    });
    for (const [email, person] of plan.people) people.set(email, packed(person));
    for (const { id, disables } of plan.changed) if (disables) disabled.add(id);
    for (const [name, count] of Object.entries(countsOf(plan))) counts[name as keyof ImportCounts] += count;
    without += withoutPassword(plan, input.map);
    const found = noticesOf(plan);
    sums = summed(sums, plan, found);
    for (const { place: _place, ...notice } of found) if (noticed.length < REJECTS_KEPT) noticed.push(notice);
    rejects.push(...plan.rejects.slice(0, REJECTS_KEPT - rejects.length));
    for (const [part, change] of Object.entries(DIFFERENCES))
      for (const { user } of plan[part as keyof typeof DIFFERENCES])
        if (differences.length < DIFFERENCES_SHOWN)
          differences.push({ legacy_id: user.legacy_id, email: user.email, change });
    await input.onProgress?.({ records: position, bytes });
  }
  return { ...sums, counts, without_password: without, rejects, noticed, differences };
}
