import { isUtf8 } from 'node:buffer';
import { parse } from 'node:querystring';
import { bodyMalformed } from '#services/platform/errors.ts';

/** A `%` that begins no escape stands for itself (URL Standard §5.1). */
const STRAY_PERCENT = /%(?![0-9a-f]{2})/gi;

/**
 * The fields of a form (application/x-www-form-urlencoded); one that comes several times is a list.
 * Throws `body_malformed` (400) for bytes that are no UTF-8, percent-encoded or not: none is put in their place.
 */
export function parseForm(bytes: Buffer): Record<string, unknown> {
  if (!isUtf8(bytes)) throw bodyMalformed();
  let isText = true;
  const decode = (text: string): string => {
    if (!text.includes('%')) return text;
    try {
      return decodeURIComponent(text.replaceAll(STRAY_PERCENT, '%25'));
    } catch {
      isText = false;
      return '';
    }
  };
  // No maximum of keys: whatever was left out would have been accepted in silence.
  const fields = parse(bytes.toString('utf8'), '&', '=', { decodeURIComponent: decode, maxKeys: 0 });
  if (!isText) throw bodyMalformed();
  return fields;
}
