/** Closed lists that contracts, rules and the database share. */

/** `high` and above pages the operator on call. */
export const SEVERITIES = ['low', 'medium', 'high', 'critical'] as const;
export type Severity = (typeof SEVERITIES)[number];

/** The kind of subject of an incident. `identifier` and `network` are keyed hashes. */
export const SUBJECT_KINDS = ['user', 'client', 'identifier', 'network', 'installation'] as const;
export type IncidentSubject = { readonly kind: (typeof SUBJECT_KINDS)[number]; readonly id: string };

export const INCIDENT_STATES = ['open', 'acknowledged', 'closed'] as const;
export type IncidentState = (typeof INCIDENT_STATES)[number];
