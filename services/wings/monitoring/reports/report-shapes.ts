import { z } from 'zod';
import type { Severity } from '#services/core/security/incident-shapes.ts';
import { component } from '#services/platform/define/component-names.ts';
import { type SecurityFigures, securityFigures } from '../dashboard-shapes.ts';

const SECURITY_REPORT_KINDS = ['weekly', 'demand'] as const;
const SECURITY_REPORT_STATUSES = ['queued', 'done', 'failed'] as const;

const instant = z.iso.datetime();

export const securityReportView = component('SecurityReport', {
  report_id: z.string(),
  /** `weekly`: of a week from Monday to Monday, UTC. */
  kind: z.enum(SECURITY_REPORT_KINDS),
  /** Whole hours: from the first (inclusive) to the last (exclusive). */
  from: instant,
  to: instant,
  status: z.enum(SECURITY_REPORT_STATUSES),
  requested_by: z.string(),
  requested_at: instant,
  ended_at: instant.nullable(),
  /** Of the bytes of its JSON file; the audit log has it too. */
  sha256: z.string().nullable(),
});
export type SecurityReportView = z.output<typeof securityReportView>;

/** The file of a report: counts alone, and no id of a person. */
export type SecurityReportFile = {
  readonly report_id: string;
  readonly kind: string;
  readonly from: string;
  readonly to: string;
  readonly made_at: string;
  readonly product_version: string;
  readonly sign_ins: { readonly succeeded: number; readonly failed: number; readonly success_percent: number | null };
  /** Each day that has an event, UTC. */
  readonly days: readonly ({ readonly day: string } & SecurityFigures)[];
  readonly events: readonly { readonly type: string; readonly outcome: string; readonly events: number }[];
  readonly incidents: readonly {
    readonly detection: string;
    readonly severity: Severity;
    /** First seen in the period. */
    readonly raised: number;
    readonly sightings: number;
    /** Of those, not closed when the report was made. */
    readonly open: number;
  }[];
};
export const DAY_FIGURES = Object.keys(securityFigures) as (keyof SecurityFigures)[];
