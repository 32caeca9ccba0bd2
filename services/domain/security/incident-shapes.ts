/** Closed lists that contracts, rules and the database share. */

/** How bad it is: `high` and above pages somebody. */
export const SEVERITIES = ['low', 'medium', 'high', 'critical'] as const;
export type Severity = (typeof SEVERITIES)[number];

/** Whom or what an incident is about. `identifier` and `network` are keyed hashes. */
export const SUBJECT_KINDS = ['user', 'client', 'identifier', 'network', 'installation'] as const;
type SubjectKind = (typeof SUBJECT_KINDS)[number];
export type Subject = { readonly kind: SubjectKind; readonly id: string };

export const INCIDENT_STATES = ['open', 'acknowledged', 'closed'] as const;
export type IncidentState = (typeof INCIDENT_STATES)[number];
