import { setTimeout as sleep } from 'node:timers/promises';
import type { Ports } from '../core/ports.ts';
import type { ReportView, ViolationView } from '../wings/compliance/contract.ts';
import { type ControlView, readControls } from '../wings/compliance/list-controls.ts';
import { listViolations } from '../wings/compliance/manage-violations.ts';
import { readReport } from '../wings/compliance/reports/read-report.ts';
import { requestReport } from '../wings/compliance/reports/request-report.ts';
import { assertWing } from './assert-wing.ts';
import { PrivacyControlService, type PrivacyControlServicePorts } from './privacy-control-service.ts';

export type ComplianceResult = {
  /** Controls that failed or contradicted themselves. A control that is unknown is in `unknown`, never passed. */
  readonly failed: readonly ControlView[];
  readonly unknown: readonly ControlView[];
  readonly passed: readonly ControlView[];
  readonly notApplicable: readonly ControlView[];
};
export type ComplianceReport = ReportView;
export type ViolationReport = { readonly violations: readonly ViolationView[]; readonly overdue: number };

export type HIPAAComplianceServicePorts = Pick<Ports, 'sql' | 'transact' | 'random' | 'clock'> &
  PrivacyControlServicePorts;

const POLL_MS = 500;
const PAGE = 100;

/**
 * The compliance use-cases for TypeScript code in the same process, and those of health data: `encryptPHI`,
 * `logPHIAccess`, `recordUserConsent` and the other methods of PrivacyControlService. Each method does what its endpoint
 * does. None says that an installation meets the law: they return evidence.
 */
export class HIPAAComplianceService extends PrivacyControlService {
  readonly #ports: HIPAAComplianceServicePorts;

  /** Throws `wing_left_out` (404). */
  constructor(ports: HIPAAComplianceServicePorts) {
    super(ports, 'compliance-service');
    assertWing(ports, 'compliance');
    this.#ports = ports;
  }

  /** Returns every control by its status, as the workers last checked it. */
  async validateHIPAACompliance(): Promise<ComplianceResult> {
    const controls = await readControls(this.#ports);
    const having = (...statuses: readonly ControlView['status'][]): ControlView[] =>
      controls.filter(({ status }) => statuses.includes(status));
    return {
      failed: having('fail', 'error'),
      unknown: having('unknown'),
      passed: having('pass'),
      notApplicable: having('not_applicable'),
    };
  }

  /**
   * Requests a report and waits until a worker has built it, at most `waitSeconds`; the status of the result says whether
   * it is done. Throws `reports_busy` (409).
   */
  async generateComplianceReport({
    waitSeconds = 600,
  }: {
    readonly waitSeconds?: number;
  } = {}): Promise<ComplianceReport> {
    const { report_id: id } = await requestReport(this.#ports, {}, this.caller());
    const until = this.#ports.clock.monotonic() + waitSeconds * 1_000;
    let report = await readReport(this.#ports, id);
    while (report.ended_at === null && this.#ports.clock.monotonic() < until) {
      await sleep(POLL_MS);
      report = await readReport(this.#ports, id);
    }
    return report;
  }

  /** Returns the violations that are not resolved, newest first: at most a hundred, one for each control. */
  async trackComplianceViolations(): Promise<ViolationReport> {
    const { violations } = await listViolations(this.#ports, { limit: PAGE, isUnresolved: true });
    return { violations, overdue: violations.filter(({ overdue }) => overdue).length };
  }
}
