import type { Command } from 'commander';
import { readLogKeys } from '../services/core/keys/log/log-keys.ts';
import type { MarkStore } from '../services/core/ports.ts';
import { resolveDataDir } from '../services/platform/local/data-dir.ts';
import { createMarks } from '../services/platform/marks/mark-stores.ts';
import {
  type IntegrityResult,
  validateDataIntegrity,
} from '../services/wings/recovery/backup/validate-data-integrity.ts';
import { type DatabasePorts, withDatabase } from './database-ports.ts';
import { exitCodes } from './exit-codes.ts';
import { createOutput, type GlobalOptions } from './output.ts';

/** One hour: whole tables are read. */
const STATEMENT_TIMEOUT_MS = 3_600_000;

export const checkIntegrity = (
  { sql }: Pick<DatabasePorts, 'sql'>,
  marks: Pick<MarkStore, 'read' | 'raise'>,
): Promise<IntegrityResult> =>
  validateDataIntegrity({ sql, marks, auditLogKeys: (origin) => readLogKeys({ sql }, origin) });

export const integrityLines = ({ valid, findings, references, events }: IntegrityResult): string[] => [
  `integrity     ${valid ? 'no fault' : `${findings.length} faults`}: ${references} references, ${events} sealed events`,
  ...findings.map(({ kind, at, rows, examples }) =>
    [`${kind.padEnd(13)} ${at}: ${rows}`, ...(examples.length > 0 ? [`(${examples.join(', ')})`] : [])].join(' '),
  ),
];

/** `sallyport integrity check`, directly on the database. */
export function registerIntegrity(program: Command): void {
  program
    .command('integrity')
    .command('check')
    .description(
      'check the whole database for rows without their counterpart, guards that are not in force, and faults of the audit log; exit with code 1 if there are any',
    )
    .action(async (_own, own: Command) => {
      const output = createOutput(own.optsWithGlobals<GlobalOptions>());
      const check = (ports: DatabasePorts) =>
        checkIntegrity(ports, createMarks(ports.settings.marks, resolveDataDir()));
      const result = await withDatabase(check, { statementTimeoutMs: STATEMENT_TIMEOUT_MS, isHeldToMarks: false });
      output.data(result, integrityLines);
      if (!result.valid) process.exitCode = exitCodes.checkFailed;
    });
}
