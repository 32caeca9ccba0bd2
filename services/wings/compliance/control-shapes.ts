/** Closed lists that contracts, rules and the database share. */

export const MACHINE = 'machine';
export const ATTESTATION = 'attestation';
export const PROFILES = ['current', 'proposed'] as const;
export const REQUIREMENTS = ['required', 'addressable'] as const;

/**
 * `pass`: a population that is not empty, without exceptions. `unknown`: the check could not run, so nothing is known.
 * `error`: the check ran and contradicted itself.
 */
export const CONTROL_STATUSES = ['pass', 'fail', 'error', 'not_applicable', 'unknown'] as const;
export type ControlStatus = (typeof CONTROL_STATUSES)[number];

/** Whether a status means that the control is broken. */
export const isRed = (status: ControlStatus): boolean => status === 'fail' || status === 'error';

/** `accepted`: the organisation documents why it lives with the exception. `resolved`: the check passes again. */
export const VIOLATION_STATES = ['open', 'assigned', 'accepted', 'resolved'] as const;
export type ViolationState = (typeof VIOLATION_STATES)[number];
