// For tests only: the checks on a database with keys and a sealed log, as the role of the worker.

import { sealEvents } from '#services/core/audit/seal/seal-events.ts';
import { readLogKeys } from '#services/core/keys/log/log-keys.ts';
import type { Caller, Marks } from '#services/core/ports.ts';
import { loadConfig } from '#services/platform/config/load.ts';
import { createPool, createTransact } from '#services/platform/postgres/pool.ts';
import { installationOf } from '#services/worker/installation.ts';
import { renderReportPdf } from '#services/worker/report-pdf.ts';
import { type OwnLogHarness, openLogHarness } from '#tools/testing/harness/log.ts';
import { patient, runPastTriggers, testCaller } from '#tools/testing/harness/ports.ts';
import type { CheckPorts, MachineControl } from './control.ts';
import type { HasReportRenderer } from './reports/advance-reports.ts';
import { type CheckResult, runCheck } from './run-check.ts';

export const systemCaller = testCaller as Caller & { readonly kind: 'system' };

/** What one check sees in place of the harness's own. */
export type Changes = Partial<Omit<CheckPorts, 'installation' | 'config'>> & {
  readonly installation?: Partial<CheckPorts['installation']>;
  readonly env?: Readonly<Record<string, string>>;
};

export type ComplianceHarness = OwnLogHarness & {
  portsWith(changes?: Changes): CheckPorts & HasReportRenderer & Pick<OwnLogHarness, 'log' | 'logSigner'>;
  check(control: MachineControl, changes?: Changes): Promise<CheckResult>;
  /** SQL as a superuser who passes every trigger. */
  pastTriggers(...statements: readonly string[]): Promise<void>;
  seal(): Promise<void>;
  /** High-water marks as files outside would have them. */
  readonly marks: { current: Marks | null };
  end(): Promise<void>;
};

export async function openComplianceHarness(): Promise<ComplianceHarness> {
  const log = await openLogHarness();
  const pool = createPool({
    ...patient,
    url: log.databaseUrl,
    role: 'sallyport_worker',
    connections: 4,
    applicationName: 'test-app',
  });
  const transact = createTransact(pool, (err) => {
    throw err;
  });
  const marks: { current: Marks | null } = { current: null };
  const portsWith = ({ installation, env, ...changes }: Changes = {}) => ({
    ...log,
    renderReport: (signed: Parameters<typeof renderReportPdf>[0]) => renderReportPdf(signed, 'Praxis am Markt'),
    transact,
    marks: { read: async () => marks.current, raise: async (raised: Marks) => raised },
    auditLogKeys: (origin: string) => readLogKeys(log, origin),
    config: loadConfig({ BETTER_AUTH_SECRET: 'x'.repeat(43), ...env }),
    ...changes,
    installation: {
      ...installationOf({
        databaseUrl: 'postgresql://localhost/test',
        redisUrl: 'redis://localhost',
        backupFolder: undefined,
        ownAddresses: ['http://127.0.0.1:3000'],
        purges: [],
      }),
      ...installation,
    },
  });
  return {
    ...log,
    portsWith,
    check: (control, changes) => runCheck(portsWith(changes), control, { limitMs: 60_000 }),
    pastTriggers: (...statements) => runPastTriggers(log.databaseUrl, ...statements),
    seal: async () => void (await sealEvents(log, {}, testCaller)),
    marks,
    end: async () => {
      await pool.end();
      await log.end();
    },
  };
}
