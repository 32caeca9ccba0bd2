import { hash } from 'node:crypto';
import { canonicalJson, type Json, uncanonicalPart } from '#services/core/audit/log/canonical-json.ts';
import { cutText } from '#services/platform/define/cut-text.ts';
import { signOffArgumentsInvalid } from './errors.ts';
import { ARGUMENTS_BYTES_MAX, ARGUMENTS_DEPTH_MAX } from './signoff-shapes.ts';

type BoundArguments = {
  /** Canonical JSON (RFC 8785). */
  readonly text: string;
  /** SHA-256 of the text, hex. */
  readonly sha256: string;
};

const PLACE_CHARACTERS = 200;

/**
 * The exact bytes that people approve, and their hash. Arguments that differ in the order of members or in spaces only
 * are the same. Throws `signoff_arguments_invalid` (400).
 */
export function bindArguments(value: unknown): BoundArguments {
  const at = uncanonicalPart(value, '/arguments', ARGUMENTS_DEPTH_MAX);
  if (at !== undefined) throw signOffArgumentsInvalid({ detail: `At ${cutText(at, PLACE_CHARACTERS)}.` });
  const text = canonicalJson(value as Json);
  if (Buffer.byteLength(text) > ARGUMENTS_BYTES_MAX) throw signOffArgumentsInvalid();
  return { text, sha256: hash('sha256', text, 'hex') };
}
