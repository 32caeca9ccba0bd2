import { attestationPurge } from './attestations.store.ts';
import { reportPurge } from './reports/reports.store.ts';
import { violationPurge } from './violations.store.ts';

/** Tables that this module purges after their retention. */
export const compliancePurges = [reportPurge, attestationPurge, violationPurge] as const;
