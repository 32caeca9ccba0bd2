import type { Ports } from '#services/core/ports.ts';
import { auditEventUnknown, auditRowAltered } from '../errors.ts';
import { type PersonalRow, readPersonal, readPlacedEvent } from '../events.store.ts';
import { type AuditEventView, eventViewOf } from './event-view.ts';

type PlacedEvent = AuditEventView & {
  /** Base64 of the exact sealed bytes. */
  readonly leaf: string;
  readonly origin: string;
  readonly index: number;
  /** The personal values behind the commitments, unless erased. */
  readonly personal: readonly PersonalRow[];
};

/**
 * Parses a sequence number.
 * @throws auditEventUnknown (404) if the text is not one
 */
export function parseSeq(text: string): number {
  const seq = /^(0|[1-9]\d{0,15})$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(seq)) throw auditEventUnknown();
  return seq;
}

/**
 * Reads a sealed event with its log and its index there.
 * @throws auditEventUnknown (404); auditRowAltered (500) if the row differs from what was sealed
 */
export async function readEvent({ sql }: Pick<Ports, 'sql'>, seq: number): Promise<PlacedEvent> {
  const row = await readPlacedEvent(sql, seq);
  if (row === null) throw auditEventUnknown();
  const view = eventViewOf(row);
  if (view.altered) throw auditRowAltered({ detail: `Event ${seq} was altered.` });
  const personal = await readPersonal(sql, row.event_id);
  const { leaf, origin, index } = row;
  return { ...view, leaf: leaf.toString('base64'), origin, index, personal };
}

/** The event at the place that an address names. Throws what `parseSeq` and `readEvent` throw. */
export const readAuditEvent = (ports: Pick<Ports, 'sql'>, input: { readonly seq: string }): Promise<PlacedEvent> =>
  readEvent(ports, parseSeq(input.seq));
