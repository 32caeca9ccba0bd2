/**
 * How an event is guaranteed before the response is sent.
 * `durable`: its row is committed before the response. `counted`: it is counted in a metric and a per-minute summary row.
 */
type AuditDurability = 'durable' | 'counted';

/** An audit event with a closed list of outcomes, so that every outcome can be counted and tested. */
export type AuditEvent<Outcome extends string = string> = {
  readonly type: string;
  readonly durability: AuditDurability;
  readonly outcomes: readonly Outcome[];
  readonly meaning: string;
};

export function defineAuditEvent<const Outcome extends string>(event: AuditEvent<Outcome>): AuditEvent<Outcome> {
  return event;
}
