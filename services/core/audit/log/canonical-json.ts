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
  for (const member of Object.keys(object).sort()) {
    text += `${text === '' ? '' : ','}${JSON.stringify(member)}:${canonicalJson(object[member] as Json)}`;
  }
  return `{${text}}`;
}
