import type { AuditMembers, DetailOf } from './audit-member.ts';

/**
 * How an event is guaranteed before the response is sent.
 * `durable`: its row is committed before the response. `counted`: it is counted in a metric and a per-minute summary row.
 */
type AuditDurability = 'durable' | 'counted';

/**
 * An audit event with a closed list of outcomes, so that every outcome can be counted and tested, and with every member
 * that its detail may have. A leaf of the public log shows nothing else of a detail.
 */
export type AuditEvent<Outcome extends string = string, Members extends AuditMembers = AuditMembers> = {
  readonly type: string;
  /** `durable` unless declared otherwise. */
  readonly durability: AuditDurability;
  /** `ok` alone unless declared otherwise. */
  readonly outcomes: readonly Outcome[];
  readonly detail: Members;
  readonly meaning: string;
  /** Whether it is pushed unless HANDOFF_TYPES names others. */
  readonly isPushed?: boolean;
};

/** The detail of an event, for functions that pass one on. */
export type EventDetail<Event extends AuditEvent> = DetailOf<Event['detail']>;

const declared = new Map<string, AuditEvent>();

/** The event of this type, if a module of this process declares one. */
export const declaredEvent = (type: string): AuditEvent | undefined => declared.get(type);

type Declared<Outcome extends string, Members extends AuditMembers> = Pick<AuditEvent, 'type' | 'meaning'> &
  Partial<AuditEvent<Outcome, Members>>;

// biome-ignore lint/complexity/noBannedTypes: an event without a detail has no member
export function defineAuditEvent<const Outcome extends string = 'ok', const Members extends AuditMembers = {}>(
  event: Declared<Outcome, Members>,
): AuditEvent<Outcome, Members> {
  const { durability = 'durable', outcomes = ['ok' as Outcome], detail = {} as Members } = event;
  const whole = { ...event, durability, outcomes, detail };
  declared.set(event.type, whole);
  return whole;
}
