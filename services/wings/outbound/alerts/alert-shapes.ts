/** Closed lists that contracts, rules and the database share. */

export const TARGET_KINDS = ['webhook', 'mail', 'slack'] as const;
export type TargetKind = (typeof TARGET_KINDS)[number];

/** Sources that a target may leave out. */
export const TARGET_SOURCES = ['incident', 'control', 'alertmanager'] as const;
/**
 * Where an alert comes from. `oversight`: one person made the oversight weaker. Every target gets it, whatever its
 * settings, and no silence holds it back.
 */
export const ALERT_SOURCES = [...TARGET_SOURCES, 'oversight'] as const;
export type AlertSource = (typeof ALERT_SOURCES)[number];

export const ALERT_STATES = ['firing', 'acknowledged', 'resolved'] as const;
export type AlertState = (typeof ALERT_STATES)[number];

export type NoticeKind = 'firing' | 'resolved';

export const DELIVERY_STATES = ['waiting', 'sent', 'given_up'] as const;

/** The group of a message that says what did not fit into messages of their own. */
export const ALL_GROUPS = '*';
