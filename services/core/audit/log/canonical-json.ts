/** A value that JSON.parse returns. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [member: string]: Json };

/**
 * Serializes a JSON value by RFC 8785: members sorted by UTF-16 code units, no spaces, numbers and strings as ECMAScript
 * writes them.
 */
export function canonicalJson(value: Json): string {
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  const object = value as { readonly [member: string]: Json };
  let text = '';
  for (const member of Object.keys(object).sort())
    text += `${text === '' ? '' : ','}${JSON.stringify(member)}:${canonicalJson(object[member] as Json)}`;
  return `{${text}}`;
}

/**
 * The place (RFC 6901) of a part that RFC 8785 §3.2.2 cannot write: a lone surrogate, an infinite number, another type.
 * Beyond 2^53 parsers round integers (RFC 7493 §2.2), so people would approve another number than the one that was sent.
 */
export function uncanonicalPart(value: unknown, at: string, depth: number): string | undefined {
  if (value === null || typeof value === 'boolean') return undefined;
  if (typeof value === 'string') return value.isWellFormed() ? undefined : at;
  if (typeof value === 'number') return Math.abs(value) <= Number.MAX_SAFE_INTEGER ? undefined : at;
  if (typeof value !== 'object' || depth === 0) return at;
  for (const [name, member] of Object.entries(value)) {
    const place = `${at}/${name.toWellFormed()}`;
    const wrong = name.isWellFormed() ? uncanonicalPart(member, place, depth - 1) : place;
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}
