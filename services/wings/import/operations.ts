import type { Ports } from '#services/core/ports.ts';
import { download } from '#services/core/shared/answer.ts';
import { operation } from '#services/core/shared/operation.ts';
import {
  listImportsEndpoint,
  readImportEndpoint,
  readImportRejectsEndpoint,
  rehearseImportEndpoint,
  requestImportEndpoint,
} from './contract.ts';
import { listImports, readImportWithRejects, readRejectLines } from './run/read-imports.ts';
import { rehearseUpload } from './run/rehearse-upload.ts';
import { requestImport } from './run/request-import.ts';

/** Imports of users; the commands read files and are in `cli/import`. */
export const importOperations = [
  operation(requestImportEndpoint, requestImport),
  operation(rehearseImportEndpoint, rehearseUpload),
  operation(listImportsEndpoint, listImports),
  operation(readImportEndpoint, readImportWithRejects),
  operation(readImportRejectsEndpoint, async (ports: Pick<Ports, 'sql'>, input, caller) =>
    download(
      `import-${input.import_id}-rejects.ndjson`,
      'application/x-ndjson',
      await readRejectLines(ports, input, caller),
    ),
  ),
];
