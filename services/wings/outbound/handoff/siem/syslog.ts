import { hash } from 'node:crypto';
import type { AuditEventView } from '#services/core/audit/read/event-view.ts';
import { siemEventOf } from './siem-events.ts';
import type { SiemSource } from './to-ocsf.ts';

/** Facility 13 of RFC 5424 §6.2.1: log audit. */
const AUDIT_FACILITY = 13;
/** By severity of the event: informational, low, medium, high, critical. */
const SYSLOG_SEVERITIES: Readonly<Record<number, number>> = { 1: 6, 2: 5, 3: 4, 4: 3, 5: 2 };
const HOSTNAME_MAX = 255;
const MSGID_MAX = 32;
/** RFC 5425 §4.3.1: receivers should take messages of this length; several cut longer ones. */
export const MESSAGE_BYTES_MAX = 8_192;
/** RFC 5424 §7.2.2 reserves this enterprise number for names without one of their own. */
const DATA_ID = 'sallyport@32473';

/** RFC 5424 §6: a field of the header is printable ASCII without spaces, or a dash. */
const headerOf = (text: string, maximum: number): string => text.replace(/[^\x21-\x7e]/g, '').slice(0, maximum) || '-';

/** RFC 5424 §6.3.3. A control character has no escape there and would look like the end of a message: it is replaced. */
const paramOf = (name: string, value: string | number | null | undefined): string => {
  if (value === null || value === undefined) return '';
  const text = String(value)
    .toWellFormed()
    .replace(/[\p{Cc}\p{Zl}\p{Zp}]/gu, '\uFFFD')
    .replace(/["\\\]]/g, '\\$&');
  return ` ${name}="${text}"`;
};

/** JSON in ASCII alone: it needs no byte order mark, and has no character that a terminal or a parser of lines acts on. */
const asciiJson = (value: object): string =>
  JSON.stringify(value).replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);

const withoutDetail = (event: AuditEventView): AuditEventView => {
  const text = JSON.stringify(event.detail);
  return {
    ...event,
    detail: { omitted_bytes: Buffer.byteLength(text), omitted_sha256: hash('sha256', text, 'base64') },
  };
};

/**
 * A sealed event as a message of RFC 5424 in the frame of RFC 5425 and 6587: its length in bytes, a space, the message.
 * The header and the structured data say what it is; the text is the document of `format`. If that is too long, the
 * detail is replaced by its size and digest: the API has it.
 */
export function toSyslog(
  event: AuditEventView,
  source: SiemSource,
  format: (event: AuditEventView, source: SiemSource) => object,
): string {
  const priority = AUDIT_FACILITY * 8 + (SYSLOG_SEVERITIES[siemEventOf(event.type).severity] as number);
  const host = headerOf(new URL(source.issuer).hostname, HOSTNAME_MAX);
  const data = [
    paramOf('seq', event.seq),
    paramOf('id', event.event_id),
    paramOf('type', event.type),
    paramOf('outcome', event.outcome),
    paramOf('actor', event.actor.id === null ? event.actor.kind : `${event.actor.kind}:${event.actor.id}`),
    paramOf('target', event.target === null ? null : `${event.target.kind}:${event.target.id ?? ''}`),
    paramOf('client', event.client_id),
  ].join('');
  const header = `<${priority}>1 ${event.occurred_at} ${host} sallyport - ${headerOf(event.type, MSGID_MAX)} [${DATA_ID}${data}] `;
  const whole = header + asciiJson(format(event, source));
  const isShort = Buffer.byteLength(whole) <= MESSAGE_BYTES_MAX;
  const message = isShort ? whole : header + asciiJson(format(withoutDetail(event), source));
  return `${Buffer.byteLength(message)} ${message}`;
}
