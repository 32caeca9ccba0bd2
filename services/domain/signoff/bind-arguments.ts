import { hash } from 'node:crypto';
import { canonicalJson, type Json } from '../audit/log/canonical-json.ts';
import { signOffArgumentsInvalid } from './errors.ts';
import { ARGUMENTS_BYTES_MAX, ARGUMENTS_DEPTH_MAX } from './signoff-shapes.ts';

export type BoundArguments = {
  /** Canonical JSON (RFC 8785). */
  readonly text: string;
  /** SHA-256 of the text, hex. */
  readonly sha256: string;
};

/**
 * Whether a value is JSON that RFC 8785 §3.2.2 can write: no lone surrogate, no infinite number, no other type. Beyond
 * 2^53 parsers round integers (RFC 7493 §2.2), so people would approve another number than the one that was sent.
 */
function isBindable(value: unknown, depth: number): value is Json {
  if (value === null || typeof value === 'boolean') return true;
  if (typeof value === 'string') return value.isWellFormed();
  if (typeof value === 'number') return Math.abs(value) <= Number.MAX_SAFE_INTEGER;
  if (typeof value !== 'object' || depth === 0) return false;
  if (Array.isArray(value)) return value.every((item) => isBindable(item, depth - 1));
  return Object.entries(value).every(([name, member]) => name.isWellFormed() && isBindable(member, depth - 1));
}

/**
 * The exact bytes that people approve, and their hash. Arguments that differ in the order of members or in spaces only
 * are the same. Throws `signoff_arguments_invalid` (400).
 */
export function bindArguments(value: unknown): BoundArguments {
  if (!isBindable(value, ARGUMENTS_DEPTH_MAX)) throw signOffArgumentsInvalid();
  const text = canonicalJson(value);
  if (Buffer.byteLength(text) > ARGUMENTS_BYTES_MAX) throw signOffArgumentsInvalid();
  return { text, sha256: hash('sha256', text, 'hex') };
}
