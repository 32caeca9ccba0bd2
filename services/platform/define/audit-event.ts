import type { AuditMembers, DetailOf } from './audit-member.ts';

/**
 * How an event is guaranteed before the response is sent.
 * `durable`: its row is committed before the response. `counted`: it is counted in a metric and a per-minute summary row.
 */
type AuditDurability = 'durable' | 'counted';

/** Every outcome that an event may have, by which events are found; first those that are looked for most. */
export const OUTCOMES =
  `ok refused failed denied unknown accepted acknowledged added ahead applied approve assigned begun
  block_network cancelled changed client closed continued_elsewhere counted created database_behind deleted deletion deny
  done dropped dry_run end_session ended error expired export fail forked given_up global grace grace_spent granted
  ignored issued justified kept key_unknown locked log_forged_continuation lost_answer mismatch no_user not_applicable open pass
  placed redeemed removed replay requested resolved revoke_sessions revoked rotated run second_factor_asked set set_aside skipped
  stale_copy started step_up tiles_damaged uncompared unjustified user withdrawn`.split(/\s+/);

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
