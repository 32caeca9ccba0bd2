import { pipeline, Readable } from 'node:stream';
import { createZstdCompress, createZstdDecompress } from 'node:zlib';
import { backupDamaged } from './backup-errors.ts';
import { type BackupFoot, type BackupHead, foot, head, type TableHead, tableHead } from './backup-shapes.ts';

/** What a backup holds, in this order: the head; for each table its head, its rows and their sum; the foot. */
export type BackupRecord =
  | { readonly kind: 'head'; readonly head: BackupHead }
  | { readonly kind: 'table'; readonly table: TableHead }
  | { readonly kind: 'rows'; readonly bytes: Buffer }
  | { readonly kind: 'tableEnd' }
  | { readonly kind: 'foot'; readonly foot: BackupFoot };

const MARKS = { head: 'H', table: 'T', rows: 'D', tableEnd: 'E', foot: 'F' } as const;
const MARK_BYTES = 5;
/** Longest record: rows are cut at 64 KiB, and a foot lists every table. One row may be as long as PostgreSQL allows. */
const RECORD_BYTES_MAX = 1 << 30;

const framed = (mark: string, body: Uint8Array): Buffer => {
  const start = Buffer.alloc(MARK_BYTES);
  start.write(mark, 'latin1');
  start.writeUInt32BE(body.byteLength, 1);
  return Buffer.concat([start, body]);
};

function textOf(record: BackupRecord): unknown {
  if (record.kind === 'head') return record.head;
  if (record.kind === 'table') return record.table;
  return record.kind === 'foot' ? record.foot : {};
}

async function* written(records: AsyncIterable<BackupRecord>): AsyncGenerator<Buffer> {
  for await (const record of records)
    yield framed(
      MARKS[record.kind],
      record.kind === 'rows' ? record.bytes : Buffer.from(JSON.stringify(textOf(record))),
    );
}

/** Passes a stream through a transform, with the errors of both. */
function through(source: AsyncIterable<Uint8Array>, transform: NodeJS.ReadWriteStream): AsyncIterable<Buffer> {
  // The reader gets the error from the transform, which the pipeline ends with it.
  return pipeline(Readable.from(source, { objectMode: true, highWaterMark: 2 }), transform, () => {}) as never;
}

export const packRecords = (records: AsyncIterable<BackupRecord>): AsyncIterable<Buffer> =>
  through(written(records), createZstdCompress());

function parsed(mark: string, body: Buffer): BackupRecord {
  if (mark === MARKS.rows) return { kind: 'rows', bytes: body };
  const value: unknown = JSON.parse(body.toString('utf8'));
  if (mark === MARKS.head) return { kind: 'head', head: head.parse(value) };
  if (mark === MARKS.table) return { kind: 'table', table: tableHead.parse(value) };
  if (mark === MARKS.foot) return { kind: 'foot', foot: foot.parse(value) };
  if (mark === MARKS.tableEnd) return { kind: 'tableEnd' };
  throw new TypeError('unknown record');
}

const contentBroken = (cause: unknown) =>
  backupDamaged({ detail: 'its content is not what this version writes', cause });

/**
 * The records of a decrypted backup.
 * @throws backupDamaged; errors of `packed`
 */
export async function* unpackRecords(packed: AsyncIterable<Uint8Array>): AsyncGenerator<BackupRecord> {
  let held: Buffer[] = [];
  let size = 0;
  let needed = MARK_BYTES;
  for await (const chunk of through(packed, createZstdDecompress())) {
    held.push(chunk);
    size += chunk.length;
    if (size < needed) continue;
    let all = Buffer.concat(held, size);
    for (;;) {
      if (all.length < MARK_BYTES) {
        needed = MARK_BYTES;
        break;
      }
      const bytes = all.readUInt32BE(1);
      if (bytes > RECORD_BYTES_MAX) throw contentBroken(new RangeError('record too long'));
      needed = MARK_BYTES + bytes;
      if (all.length < needed) break;
      const [mark, body] = [all.toString('latin1', 0, 1), all.subarray(MARK_BYTES, needed)];
      let record: BackupRecord;
      try {
        record = parsed(mark, body);
      } catch (err) {
        throw contentBroken(err);
      }
      yield record;
      all = all.subarray(needed);
    }
    held = [all];
    size = all.length;
  }
  if (size > 0) throw contentBroken(new RangeError('record cut'));
}
