import { Readable } from 'node:stream';
import { relyingParty } from '#services/core/identity/sessions/relying-party.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import { requestStale } from '#services/platform/errors.ts';
import { adapterOf } from '../adapters/adapters.ts';
import type { UploadedFile } from '../contract.ts';
import { importsBusy } from '../errors.ts';
import { REJECTS_SHOWN } from './read-imports.ts';
import { chunksOf } from './request-import.ts';
import { type Rehearsal, rehearseImport } from './run-import.ts';

/** Few enough that other requests of this process wait milliseconds for them. */
const BATCH_RECORDS = 200;

const busy = new WeakSet<Ports['sql']>();

/**
 * What the import of an uploaded file would do: that of the command's dry run. One at a time in a process; it ends with the
 * batch during which its caller leaves.
 * @throws importKindUnknown (400), importFileUnreadable (400), importRoleUnknown (400), rightsExceeded (403), importsBusy (409), requestStale (503)
 */
export async function rehearseUpload(
  { publicUrl, ...ports }: Pick<Ports, 'sql' | 'clock' | 'random'> & { readonly publicUrl: string },
  { kind, data, map }: UploadedFile,
  caller: Caller,
): Promise<Rehearsal> {
  const adapter = adapterOf(kind);
  const stream = Readable.from(chunksOf(Buffer.from(data)));
  if (busy.has(ports.sql)) throw importsBusy({ retryAfterSeconds: 5 });
  busy.add(ports.sql);
  const assertAwaited = (): void => {
    if (caller.request.hasLeft) throw requestStale({ retryAfterSeconds: 1 });
  };
  try {
    const found = await rehearseImport(
      { ...ports, relyingPartyId: relyingParty(publicUrl).rpID },
      { adapter, map, stream, batchRecords: BATCH_RECORDS, onProgress: assertAwaited },
      caller,
    );
    const first = <T>(all: readonly T[]): T[] => all.slice(0, REJECTS_SHOWN);
    return { ...found, rejects: first(found.rejects), noticed: first(found.noticed) };
  } finally {
    busy.delete(ports.sql);
  }
}
