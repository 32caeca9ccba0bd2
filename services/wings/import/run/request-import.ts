import { createHash } from 'node:crypto';
import { importChunkContext } from '#services/core/keys/secrets/sealed-contexts.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import { adapterOf } from '../adapters/adapters.ts';
import type { UploadedFile } from '../contract.ts';
import { importsBusy } from '../errors.ts';
import { assertReadable } from '../reading/open-file.ts';
import { insertChunks, readUploads } from './chunks.store.ts';
import { beginImport } from './start-import.ts';

const CHUNK_BYTES = 1_048_576;

/** What is kept in one row, or read at once. */
export function* chunksOf(bytes: Buffer): Generator<Buffer> {
  for (let from = 0; from < bytes.length; from += CHUNK_BYTES) yield bytes.subarray(from, from + CHUNK_BYTES);
}

const UPLOADS_MAX = 10;

/**
 * Keeps an uploaded file, encrypted, for a worker. The same file with the same mapping is the same run until it ends.
 * @throws importKindUnknown (400), importFileUnreadable (400), importRoleUnknown (400), rightsExceeded (403), importsBusy (409)
 */
export async function requestImport(
  { transact, random, vault }: Pick<Ports, 'transact' | 'random' | 'vault'>,
  { kind, data, map, reason }: UploadedFile & { readonly reason: string },
  caller: Caller,
): Promise<{ readonly import_id: string }> {
  const adapter = adapterOf(kind);
  const bytes = Buffer.from(data);
  await assertReadable(bytes, adapter.forms);
  const sourceSha256 = createHash('sha256').update(bytes).digest('hex');
  const source = { kind, map, sourceSha256, sourceBytes: bytes.length, reason, state: 'waiting' } as const;
  return transact(async (tx) => {
    if ((await readUploads(tx)).length >= UPLOADS_MAX) throw importsBusy({ retryAfterSeconds: 60 });
    const { row, isNew } = await beginImport(tx, { random }, source, caller);
    if (isNew) {
      // The first chunk is the mapping, whose parameters may be secret.
      const parts = [Buffer.from(JSON.stringify(map)), ...chunksOf(bytes)];
      await insertChunks(
        tx,
        row.id,
        parts.map((part, chunk) => vault.seal(part, importChunkContext(row.id, chunk))),
      );
    }
    return { import_id: row.id };
  });
}
