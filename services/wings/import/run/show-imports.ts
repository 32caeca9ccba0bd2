import { importBytes, importRecords } from '#observability/metrics/migration-bridge.ts';
import type { Ports } from '#services/core/ports.ts';
import { readImportTotals } from './imports.store.ts';

/** Shows how far all imports are in the metrics of this process: also those that the command runs. */
export async function showImports({ sql }: Pick<Ports, 'sql'>): Promise<void> {
  const { bytes_read: read, bytes_all: all, ...records } = await readImportTotals(sql);
  for (const outcome of ['new', 'changed', 'same', 'rejected'] as const)
    importRecords.set(records[outcome], { outcome });
  importBytes.set(read, { state: 'read' });
  importBytes.set(all, { state: 'all' });
}
