import type { Ports } from '#services/core/ports.ts';
import { readImportRejectsEndpoint } from '#services/wings/import/contract.ts';
import { readRejectLines } from '#services/wings/import/run/read-imports.ts';
import { answer, download } from '../answer.ts';
import { bind, type RouteContext } from '../bind.ts';

/** The rejected records of an import, as a file. */
export function importsRoutes(routes: RouteContext, ports: Pick<Ports, 'sql'>): void {
  bind(routes, readImportRejectsEndpoint, async ({ params }, caller) =>
    answer(
      200,
      await readRejectLines(ports, params, caller),
      download(`import-${params.import_id}-rejects.ndjson`, 'application/x-ndjson'),
    ),
  );
}
