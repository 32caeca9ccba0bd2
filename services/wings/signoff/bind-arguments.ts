import { hash } from 'node:crypto';
import { canonicalJson, type Json } from '#services/core/audit/log/canonical-json.ts';
import { cutText } from '#services/platform/define/cut-text.ts';
import { signOffArgumentsInvalid } from './errors.ts';
import { ARGUMENTS_BYTES_MAX, ARGUMENTS_DEPTH_MAX } from './signoff-shapes.ts';

export type BoundArguments = {
  /** Canonical JSON (RFC 8785). */
  readonly text: string;
  /** SHA-256 of the text, hex. */
  readonly sha256: string;
};

const PLACE_CHARACTERS = 200;

/**
 * The place (RFC 6901) of a part that RFC 8785 §3.2.2 cannot write: a lone surrogate, an infinite number, another type.
 * Beyond 2^53 parsers round integers (RFC 7493 §2.2), so people would approve another number than the one that was sent.
 */
function unbindablePart(value: unknown, at: string, depth: number): string | undefined {
  if (value === null || typeof value === 'boolean') return undefined;
  if (typeof value === 'string') return value.isWellFormed() ? undefined : at;
  if (typeof value === 'number') return Math.abs(value) <= Number.MAX_SAFE_INTEGER ? undefined : at;
  if (typeof value !== 'object' || depth === 0) return at;
  for (const [name, member] of Object.entries(value)) {
    const place = `${at}/${name.toWellFormed()}`;
    const wrong = name.isWellFormed() ? unbindablePart(member, place, depth - 1) : place;
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}

/**
 * The exact bytes that people approve, and their hash. Arguments that differ in the order of members or in spaces only
 * are the same. Throws `signoff_arguments_invalid` (400).
 */
export function bindArguments(value: unknown): BoundArguments {
  const at = unbindablePart(value, '/arguments', ARGUMENTS_DEPTH_MAX);
  if (at !== undefined) throw signOffArgumentsInvalid({ detail: `At ${cutText(at, PLACE_CHARACTERS)}.` });
  const text = canonicalJson(value as Json);
  if (Buffer.byteLength(text) > ARGUMENTS_BYTES_MAX) throw signOffArgumentsInvalid();
  return { text, sha256: hash('sha256', text, 'hex') };
}
