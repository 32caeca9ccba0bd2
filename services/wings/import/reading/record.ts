import { isUtf8 } from 'node:buffer';
import { parseExactJson } from '#services/core/shared/exact-json.ts';

/** One record of a source as it was read: an object, or why it is none. `line` is where it begins, from 1. */
export type SourceRecord =
  | { readonly line: number; readonly value: Readonly<Record<string, unknown>> }
  | { readonly line: number; readonly reason: string; readonly value: string };

/** A record with more bytes is rejected without being kept. */
export const RECORD_BYTES_MAX = 1_048_576;
const DEPTH_MAX = 32;
/** Names that change what an object inherits, wherever a later copy assigns them. */
const PROTOTYPE_KEYS: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);

export const isPrototypeKey = (name: string): boolean => PROTOTYPE_KEYS.has(name);

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** `prototype_key` or `too_deep`; null if the value holds neither. */
function faultIn(value: unknown, depth = 0): string | null {
  if (typeof value !== 'object' || value === null) return null;
  if (depth > DEPTH_MAX) return 'too_deep';
  for (const [name, member] of Object.entries(value)) {
    if (isPrototypeKey(name)) return 'prototype_key';
    const fault = faultIn(member, depth + 1);
    if (fault !== null) return fault;
  }
  return null;
}

/** Reads the JSON of one record. Null bytes: there were more than a record may have. */
export function recordOf(line: number, bytes: Uint8Array | null): SourceRecord {
  const rejected = (reason: string): SourceRecord => ({ line, reason, value: '' });
  if (bytes === null) return rejected('record_too_large');
  if (!isUtf8(bytes)) return rejected('utf8_invalid');
  let value: unknown;
  try {
    value = parseExactJson(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'));
  } catch (err) {
    // Visiting the numbers of a deeply nested text ends in a RangeError.
    return rejected(err instanceof RangeError ? 'too_deep' : 'json_invalid');
  }
  if (!isObject(value)) return rejected('json_invalid');
  const fault = faultIn(value);
  return fault === null ? { line, value } : rejected(fault);
}
