import { type AuditReport, generateAuditReport } from '../core/audit/read/generate-audit-report.ts';
import type { HasAuditLogKeys } from '../core/audit/read/read-log.ts';
import { type AuditValidationResult, validateAuditTrail } from '../core/audit/trail/validate-audit-trail.ts';
import type { Ports } from '../core/ports.ts';

export type AuditServicePorts = Pick<Ports, 'sql' | 'clock'> & HasAuditLogKeys;

/** The use-cases of the audit log for TypeScript code in the same process. */
export class AuditService {
  readonly #ports: AuditServicePorts;

  constructor(ports: AuditServicePorts) {
    this.#ports = ports;
  }

  /** Reports every sealed event from `startDate` to `endDate`, both inclusive. */
  generateAuditReport(startDate: Date, endDate: Date): Promise<AuditReport> {
    return generateAuditReport(this.#ports, { start: startDate, end: endDate });
  }

  /**
   * Verifies every log of the database: rows, tiles and signed roots. It reads every event. `firstBadId` names the first
   * row that is changed or missing.
   */
  validateAuditTrail(): Promise<AuditValidationResult> {
    return validateAuditTrail(this.#ports);
  }
}
