import { LIMITS } from './generated/contract.ts';

export type JsonObject = { readonly [name: string]: unknown };

export const isObject = (value: unknown): value is JsonObject =>
  value !== null && typeof value === 'object' && !Array.isArray(value);

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

/** Counts the members in the text; -1 past the depth limit. The number means nothing when the text is not JSON. */
function membersWritten(text: string): number {
  let members = 0;
  let depth = 0;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === 0x22) at = stringEnd(text, at + 1);
    else if (code === 0x3a) members += 1;
    else if (code === 0x7b || code === 0x5b) {
      depth += 1;
      if (depth > LIMITS.jsonDepth) return -1;
    } else if (code === 0x7d || code === 0x5d) depth -= 1;
  }
  return members;
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
 * Parses a JSON object whose member names are unique at every level; null for anything else. JSON.parse keeps only the
 * last of two equal names, so the members in the text are compared with those of the result.
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
  return isObject(value) && membersParsed(value) === written ? value : null;
}
