import { isUtf8 } from 'node:buffer';
import { bodyMalformed } from '#services/platform/errors.ts';

/** A `%` that begins no escape is literal (URL Standard §5.1). */
const STRAY_PERCENT = /%(?![0-9a-f]{2})/gi;

/** Has no inherited members, like `Object.create(null)`, but keeps V8's fast object representation. */
function Fields(this: Record<string, unknown>): void {}
Fields.prototype = Object.create(null);
const NewFields = Fields as unknown as new () => Record<string, unknown>;

/**
 * The fields of a form (application/x-www-form-urlencoded); a repeated field is a list. Throws `body_malformed` (400)
 * for bytes that are not UTF-8, percent-encoded or not, instead of replacing them.
 */
export function parseForm(bytes: Buffer): Record<string, unknown> {
  if (!isUtf8(bytes)) throw bodyMalformed();
  let isText = true;
  const decode = (text: string): string => {
    const spaced = text.includes('+') ? text.replaceAll('+', ' ') : text;
    if (!spaced.includes('%')) return spaced;
    try {
      return decodeURIComponent(spaced.replaceAll(STRAY_PERCENT, '%25'));
    } catch {
      isText = false;
      return '';
    }
  };
  const fields = new NewFields();
  for (const pair of bytes.toString('utf8').split('&')) {
    if (pair === '') continue;
    const end = pair.indexOf('=');
    const name = decode(end < 0 ? pair : pair.slice(0, end));
    const value = end < 0 ? '' : decode(pair.slice(end + 1));
    const known = fields[name];
    if (known === undefined) fields[name] = value;
    // In place: a copy for each repetition would take seconds for a body full of them.
    else if (Array.isArray(known)) known.push(value);
    else fields[name] = [known, value];
  }
  if (!isText) throw bodyMalformed();
  return fields;
}
