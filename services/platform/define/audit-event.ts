/**
 * How sure an event is before the answer leaves.
 * `durable`: its row is committed before the answer. `counted`: a metric and a per-minute summary row.
 */
type AuditDurability = 'durable' | 'counted';

/** An audit event: closed outcomes, so that every row can be counted and every claim tested. */
export type AuditEvent<Outcome extends string = string> = {
  readonly type: string;
  readonly durability: AuditDurability;
  readonly outcomes: readonly Outcome[];
  readonly meaning: string;
};

export function defineAuditEvent<const Outcome extends string>(event: AuditEvent<Outcome>): AuditEvent<Outcome> {
  return event;
}
