import type { PortsOf } from '#services/core/shared/operation.ts';
import { readImportRejectsEndpoint } from '#services/wings/import/contract.ts';
import { importOperations } from '#services/wings/import/operations.ts';
import { readRejectLines } from '#services/wings/import/run/read-imports.ts';
import { answer, download } from '../answer.ts';
import { bind, type RouteContext } from '../bind.ts';
import { bindOperations } from '../bind-operations.ts';

/** Imports of users of other systems. */
export function importsRoutes(routes: RouteContext, ports: PortsOf<typeof importOperations>): void {
  bindOperations(routes, importOperations, ports);
  bind(routes, readImportRejectsEndpoint, async ({ params }, caller) =>
    answer(
      200,
      await readRejectLines(ports, params, caller),
      download(`import-${params.import_id}-rejects.ndjson`, 'application/x-ndjson'),
    ),
  );
}
