import { operation } from '#services/core/shared/operation.ts';
import { listImportsEndpoint, readImportEndpoint, requestImportEndpoint } from './contract.ts';
import { listImports, readImportWithRejects } from './run/read-imports.ts';
import { requestImport } from './run/request-import.ts';

/** Imports of users; the commands read files and are in `cli/import`. */
export const importOperations = [
  operation(requestImportEndpoint, requestImport),
  operation(listImportsEndpoint, listImports),
  operation(readImportEndpoint, readImportWithRejects),
];
