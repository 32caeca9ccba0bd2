import { canonicalJson, type Json } from '#services/core/audit/log/canonical-json.ts';
import { inclusionRoot } from '#services/core/audit/log/inclusion-root.ts';
import { hashLeaf } from '#services/core/audit/log/merkle.ts';
import { type NoteKey, openNote, parseCheckpoint, parseVkey } from '#services/core/audit/log/note.ts';
import { parseProof } from '#services/core/audit/log/proof.ts';
import { digestOfStatement } from '../run/statement.ts';
import { certificateNoteText } from './certificate-note.ts';
import { type ImportCertificate, importCertificate } from './certificate-shapes.ts';

type VerifiedCertificate = {
  readonly valid: boolean;
  /** What was altered, and how that shows. */
  readonly faults: readonly { readonly item: string; readonly why: string }[];
  readonly statement?: ImportCertificate['certificate']['statement'];
  /** Whether the keys were given, and did not come from the certificate itself. */
  readonly pinned: boolean;
};

type Fault = VerifiedCertificate['faults'][number];

/**
 * Verifies a certificate from its bytes alone: form, statement against the sealed event, the event against the signed
 * head of the log, and the signature.
 * @param vkeys verifier keys of the audit log, obtained elsewhere; without them the certificate's own, which prove only
 *   that it is whole
 */
export function verifyCertificate(text: string, vkeys: readonly string[] = []): VerifiedCertificate {
  const pinned = vkeys.length > 0;
  const parsed = parse(text);
  if ('why' in parsed) return { valid: false, pinned, faults: [parsed] };
  const { certificate, note } = parsed;
  const faults: Fault[] = [];
  const keys = (pinned ? vkeys : certificate.vkeys).flatMap((vkey) => keyOf(vkey, faults));
  const checks = [statementFault(certificate), proofFault(certificate, keys), signatureFault(certificate, note, keys)];
  faults.push(...checks.filter((fault) => fault !== null));
  return { valid: faults.length === 0, pinned, faults, statement: certificate.statement };
}

function parse(text: string): ImportCertificate | Fault {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { item: 'certificate', why: 'it is not JSON' };
  }
  const read = importCertificate.safeParse(value);
  if (!read.success)
    return {
      item: read.error.issues[0]?.path.join('.') || 'certificate',
      why: 'it does not have the form of a certificate',
    };
  if (`${canonicalJson(value as Json)}\n` !== text)
    return { item: 'certificate', why: 'it is not canonical JSON: bytes were added or changed' };
  return read.data;
}

function keyOf(vkey: string, faults: Fault[]): NoteKey[] {
  try {
    return [parseVkey(vkey)];
  } catch {
    faults.push({ item: 'vkeys', why: 'a verifier key is malformed' });
    return [];
  }
}

type SealedEnd = {
  readonly type?: unknown;
  readonly event_id?: unknown;
  readonly seq?: unknown;
  readonly target?: { readonly id?: unknown };
  readonly detail?: Readonly<Record<string, unknown>>;
};

/** The sealed event has the digest of the statement, and its counts: a count that was altered is named. */
function statementFault({ statement, event_id: eventId, seq, leaf }: ImportCertificate['certificate']): Fault | null {
  let sealed: SealedEnd;
  try {
    sealed = JSON.parse(Buffer.from(leaf, 'base64').toString('utf8')) as SealedEnd;
  } catch {
    return { item: 'leaf', why: 'the sealed event is malformed' };
  }
  const { detail = {} } = sealed;
  const isItsEnd =
    sealed.type === 'import.finished' &&
    sealed.event_id === eventId &&
    sealed.seq === seq &&
    sealed.target?.id === statement.import_id;
  if (!isItsEnd) return { item: 'leaf', why: 'the sealed event is another' };
  for (const name of ['new', 'changed', 'same', 'rejected'] as const)
    if (detail[name] !== statement.counts[name])
      return { item: `statement.counts.${name}`, why: `the sealed event states ${String(detail[name])}` };
  if (detail.kind !== statement.kind)
    return { item: 'statement.kind', why: `the sealed event states ${String(detail.kind)}` };
  return detail.statement_sha256 === digestOfStatement(statement)
    ? null
    : { item: 'statement', why: 'it does not have the digest that the sealed event states' };
}

function proofFault({ leaf, proof, origin }: ImportCertificate['certificate'], keys: readonly NoteKey[]): Fault | null {
  try {
    const { index, hashes, checkpoint } = parseProof(proof);
    const head = parseCheckpoint(openNote(checkpoint, keys).text);
    if (head.origin !== origin) return { item: 'proof', why: 'it is of another log' };
    const root = inclusionRoot(hashLeaf(Buffer.from(leaf, 'base64')), index, head.size, hashes);
    return root?.equals(head.root) ? null : { item: 'leaf', why: 'it is not in the log that was signed' };
  } catch {
    return { item: 'proof', why: 'the inclusion proof or the signature of its checkpoint is wrong' };
  }
}

function signatureFault(
  certificate: ImportCertificate['certificate'],
  note: string,
  keys: readonly NoteKey[],
): Fault | null {
  try {
    const { text } = openNote(note, keys);
    return text === certificateNoteText(certificate, digestOfStatement(certificate))
      ? null
      : { item: 'signature', why: 'the signed digest is of other content' };
  } catch {
    return { item: 'signature', why: 'no trusted key has signed it' };
  }
}
