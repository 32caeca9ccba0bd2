import { attestationPurge } from './attestations.store.ts';
import { reportPurge } from './reports/reports.store.ts';

/** Tables that this module purges after their retention. */
export const compliancePurges = [reportPurge, attestationPurge] as const;
