/** Deepest nesting of a header or claim set. Ours use three levels. */
const MAXIMUM_DEPTH = 16;

export type JsonObject = { readonly [name: string]: unknown };

/** Counts the members in the text; -1 past the depth limit. The number means nothing when the text is not JSON. */
function membersWritten(text: string): number {
  let members = 0;
  let depth = 0;
  for (let at = 0; at < text.length; at += 1) {
    switch (text.charCodeAt(at)) {
      case 0x22: // '"': skip the string
        at = stringEnd(text, at + 1);
        break;
      case 0x3a: // ':'
        members += 1;
        break;
      case 0x7b: // '{'
      case 0x5b: // '['
        depth += 1;
        if (depth > MAXIMUM_DEPTH) return -1;
        break;
      case 0x7d: // '}'
      case 0x5d: // ']'
        depth -= 1;
        break;
    }
  }
  return members;
}

/** Position of the quote that closes the string starting before `from`, or the end of the text. */
function stringEnd(text: string, from: number): number {
  let at = from;
  for (;;) {
    at = text.indexOf('"', at);
    if (at < 0) return text.length;
    let backslashes = 0;
    while (text.charCodeAt(at - 1 - backslashes) === 0x5c) backslashes += 1;
    if (backslashes % 2 === 0) return at;
    at += 1;
  }
}

function membersParsed(value: unknown): number {
  if (value === null || typeof value !== 'object') return 0;
  let members = 0;
  if (Array.isArray(value)) {
    for (const item of value) members += membersParsed(item);
    return members;
  }
  for (const name of Object.keys(value)) members += 1 + membersParsed((value as JsonObject)[name]);
  return members;
}

/**
 * Parses a JSON object whose member names are unique at every level; null for anything else.
 * JSON.parse keeps only the last of two equal names, so this compares the number of members in the text with the
 * number in the result. RFC 7519 §4 allows either choice; we reject duplicates.
 */
export function parseStrictObject(text: string): JsonObject | null {
  const written = membersWritten(text);
  if (written < 0) return null;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return null;
  return membersParsed(value) === written ? (value as JsonObject) : null;
}
