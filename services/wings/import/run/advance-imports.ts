import { importBytes, importRecords } from '#observability/metrics/migration-bridge.ts';
import { importChunkContext } from '#services/core/keys/secrets/sealed-contexts.ts';
import type { Caller, Fence, Ports } from '#services/core/ports.ts';
import { isAppError } from '#services/platform/define/error.ts';
import { findAdapter } from '../adapters/adapters.ts';
import { importMap } from '../import-shapes.ts';
import { readChunk, readUploads } from './chunks.store.ts';
import { type ImportRow, readImportRow, readImportTotals } from './imports.store.ts';
import { failImport, type ImportPorts, runImport } from './run-import.ts';

type AdvancePorts = ImportPorts & Pick<Ports, 'vault' | 'log'>;
type AdvanceInput = { readonly fence: Fence; readonly signal: AbortSignal };

/** A run that has not ended by then failed. */
const GIVEN_UP_MS = 24 * 3_600_000;

/**
 * Imports uploaded files, the oldest first. A run whose worker died goes on after its last batch. Safe to run twice.
 * @returns how many runs ended
 */
export async function advanceImports(ports: AdvancePorts, input: AdvanceInput, caller: Caller): Promise<number> {
  let ended = 0;
  for (const id of await readUploads(ports.sql)) {
    const row = await readImportRow(ports.sql, id);
    if (input.signal.aborted) break;
    if (row !== undefined && (await advanceOne(ports, row, input, caller))) ended += 1;
  }
  await showImports(ports);
  return ended;
}

/** Shows how far all imports are in the metrics of this process: also those that the command runs. */
async function showImports({ sql }: Pick<Ports, 'sql'>): Promise<void> {
  const { bytes_read: read, bytes_all: all, ...records } = await readImportTotals(sql);
  for (const outcome of ['new', 'changed', 'same', 'rejected'] as const)
    importRecords.set(records[outcome], { outcome });
  importBytes.set(read, { state: 'read' });
  importBytes.set(all, { state: 'all' });
}

async function advanceOne(
  ports: AdvancePorts,
  row: ImportRow,
  { fence, signal }: AdvanceInput,
  caller: Caller,
): Promise<boolean> {
  const adapter = findAdapter(row.kind);
  try {
    const head = await chunkOf(ports, row.id, 0);
    if (adapter === undefined || head === undefined) throw new Error('the upload has no adapter or no mapping');
    const map = importMap.parse(JSON.parse(head.toString('utf8')));
    const stream = chunksOf(ports, row.id);
    const onProgress = () => showImports(ports);
    const ended = await runImport(ports, { row, adapter, map, stream, signal, fence, onProgress }, caller);
    return ended !== undefined;
  } catch (err) {
    // One run does not hold up the others; the next run of the job tries it again.
    ports.log.error({ err, import_id: row.id }, 'an import could not be advanced');
    const isFinal = isAppError(err) && !err.definition.retryable;
    const failure = isFinal ? err.code : 'not_finished_in_time';
    if (!isFinal && Date.parse(row.created_at) > ports.clock.now() - GIVEN_UP_MS) return false;
    await failImport(ports, { id: row.id, failure, fence }, caller);
    return true;
  }
}

async function chunkOf({ sql, vault }: AdvancePorts, id: string, chunk: number): Promise<Buffer | undefined> {
  const sealed = await readChunk(sql, id, chunk);
  return sealed === undefined ? undefined : vault.open(sealed, importChunkContext(id, chunk));
}

async function* chunksOf(ports: AdvancePorts, id: string): AsyncGenerator<Uint8Array> {
  for (let chunk = 1; ; chunk += 1) {
    const bytes = await chunkOf(ports, id, chunk);
    if (bytes === undefined) return;
    yield bytes;
  }
}
