import { operation } from '../shared/operation.ts';
import { readImportEndpoint, requestImportEndpoint } from './contract.ts';
import { readImportWithRejects } from './run/read-imports.ts';
import { requestImport } from './run/request-import.ts';

/** Imports of users; the commands read files and are in `cli/import`. */
export const importOperations = [
  operation(requestImportEndpoint, requestImport),
  operation(readImportEndpoint, readImportWithRejects),
];
