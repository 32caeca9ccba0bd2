import { createHash, type Hash } from 'node:crypto';
import type { LegacySystemAdapter, ReadOptions } from '../adapters/adapter.ts';
import { importSourceChanged } from '../errors.ts';
import type { ImportMap } from '../import-shapes.ts';
import { openFile } from '../reading/open-file.ts';
import { checkUser, sha256Of, shownValue } from './check-user.ts';
import type { BatchRecord } from './plan-batch.ts';
import { createSeen } from './seen.ts';
import { createProviderNames, type TrimOptions } from './trim-user.ts';

/** Records that are written in one transaction. */
const BATCH_RECORDS = 1_000;

export type Batch = {
  readonly records: readonly BatchRecord[];
  /** Place of its last record among all records, from 1. */
  readonly position: number;
  /** Bytes of the source read by then. */
  readonly bytes: number;
  /** The digest of what was read before its first record. */
  readonly usersBefore: Hash;
};

export type Source = {
  readonly adapter: LegacySystemAdapter;
  readonly map: ImportMap;
  readonly stream: AsyncIterable<Uint8Array>;
  /** Records up to this place are read and not returned: an earlier run has imported them. */
  readonly after: number;
  /** The digest of what was read up to that place as the earlier run had it, if it is known. */
  readonly usersSha256After?: string | null;
  readonly batchRecords?: number;
} & Pick<TrimOptions, 'relyingPartyId'> &
  Pick<ReadOptions, 'keyFound'>;

/** A record as the digest has it: without those that were rejected, another one could take the place of one unseen. */
const markOf = (read: BatchRecord): string =>
  'user' in read ? read.user.contentSha256 : sha256Of(`${read.record}\0${read.reason}\0${read.value}`);

/** The digest of what was read up to the last of these records. */
export function usersAfter(before: Hash, records: readonly BatchRecord[]): Hash {
  const users = before.copy();
  for (const record of records) users.update(markOf(record));
  return users;
}

type BatchReader = {
  readonly batches: AsyncIterable<Batch>;
  /** SHA-256, hex, over the digests of the users and the rejected records that were read, in their order. */
  usersSha256(): string;
};

/** Reads, checks and numbers the records of a source. An id that an earlier record had is rejected. */
export function readBatches(
  {
    adapter,
    map,
    stream,
    after,
    usersSha256After = null,
    batchRecords = BATCH_RECORDS,
    relyingPartyId,
    keyFound,
  }: Source,
  now: number,
): BatchReader {
  const users = createHash('sha256');
  const seen = createSeen();
  const options: TrimOptions = { now, relyingPartyId, providerName: createProviderNames() };
  let bytes = 0;
  async function* counted(): AsyncGenerator<Uint8Array> {
    for await (const chunk of stream) {
      bytes += chunk.length;
      yield chunk;
    }
  }

  async function* numbered(): AsyncGenerator<BatchRecord> {
    const { columns, parameters, allow_hashes: allowedHashes } = map;
    let record = 0;
    for await (const read of adapter.read(openFile(counted(), adapter.forms), {
      columns,
      parameters,
      allowedHashes,
      ...(keyFound && { keyFound }),
    })) {
      record += 1;
      const { line } = read;
      if ('reason' in read) {
        yield { record, line, reason: read.reason, value: shownValue(read.value) };
        continue;
      }
      const { legacy_id: id, email } = read.user;
      const value = shownValue(email);
      const checked = checkUser(read.user, map, options);
      // What is rejected takes no id from the one whose it is.
      if ('reason' in checked) {
        yield { record, line, ...checked };
        continue;
      }
      if (!seen.add(id)) {
        yield { record, line, reason: 'id_duplicate', value };
        continue;
      }
      yield { record, line, ...checked };
    }
  }

  async function* batches(): AsyncGenerator<Batch> {
    let records: BatchRecord[] = [];
    let usersBefore = users.copy();
    let position = 0;
    for await (const each of numbered()) {
      users.update(markOf(each));
      position = each.record;
      if (position === after) {
        assertSame(users);
        usersBefore = users.copy();
      }
      if (position <= after) continue;
      records.push(each);
      if (records.length < batchRecords) continue;
      yield { records, position, bytes, usersBefore };
      usersBefore = users.copy();
      records = [];
    }
    if (position < after) throw importSourceChanged();
    if (records.length > 0) yield { records, position, bytes, usersBefore };
  }

  /** A source that changed before the place of the earlier run has other records there: some would be left out. */
  function assertSame(read: Hash): void {
    if (usersSha256After !== null && read.copy().digest('hex') !== usersSha256After) throw importSourceChanged();
  }

  let digest: string | null = null;
  return {
    batches: batches(),
    usersSha256: () => {
      digest ??= users.digest('hex');
      return digest;
    },
  };
}
