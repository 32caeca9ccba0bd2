/** Deepest nesting of a header or claim set; ours use three levels. */
const MAXIMUM_DEPTH = 16;

export type JsonObject = { readonly [name: string]: unknown };

/** Members written in the text, or -1 past the depth limit. Text that is no JSON may give any number. */
function membersWritten(text: string): number {
  let members = 0;
  let depth = 0;
  for (let at = 0; at < text.length; at += 1) {
    switch (text.charCodeAt(at)) {
      case 0x22: // a string: hop over it
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

/** Position of the quote that closes the string begun before `from`, or the end of the text. */
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

function membersHeld(value: unknown): number {
  if (value === null || typeof value !== 'object') return 0;
  let members = 0;
  if (Array.isArray(value)) {
    for (const item of value) members += membersHeld(item);
    return members;
  }
  for (const name of Object.keys(value)) members += 1 + membersHeld((value as JsonObject)[name]);
  return members;
}

/**
 * A JSON object whose member names are unique at every level, or null.
 * JSON.parse lets the last duplicate win, so what was written is counted against what was kept
 * (RFC 7519 §4 leaves the choice; we refuse).
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
  return membersHeld(value) === written ? (value as JsonObject) : null;
}
