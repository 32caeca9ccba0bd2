import { canonicalJson, type Json } from '#services/core/audit/log/canonical-json.ts';
import { inclusionRoot } from '#services/core/audit/log/inclusion-root.ts';
import { hashLeaf } from '#services/core/audit/log/merkle.ts';
import { type NoteKey, openNote, parseCheckpoint, parseVkey } from '#services/core/audit/log/note.ts';
import { parseProof } from '#services/core/audit/log/proof.ts';
import { digestOf, noteTextOf } from './report-note.ts';
import { type ReportDocument, type ReportItem, type ReportProof, reportBundle } from './report-shapes.ts';

/** What is wrong with a bundle, and in which item: a control, or a part of the report. */
type BundleFault = { readonly item: string; readonly why: string };

export type VerifiedBundle = {
  readonly valid: boolean;
  readonly faults: readonly BundleFault[];
  /** Absent if the text is not a bundle. */
  readonly report?: ReportDocument;
  /** Whether the keys were given, and did not come from the bundle itself. */
  readonly pinned: boolean;
};

/**
 * Verifies a bundle from its bytes alone: form, signature, every item against its sealed leaf, and every leaf against the
 * signed head of the log.
 * @param vkeys verifier keys of the audit log, obtained elsewhere; without them the bundle's own, which prove only that
 *   the bundle is whole
 */
export function verifyBundle(text: string, vkeys: readonly string[] = []): VerifiedBundle {
  const pinned = vkeys.length > 0;
  const parsed = parseBundle(text);
  if ('fault' in parsed) return { valid: false, pinned, faults: [parsed.fault] };
  const { report, note } = parsed;
  const faults: BundleFault[] = [];
  const keys = (pinned ? vkeys : report.vkeys).flatMap((vkey) => keyOf(vkey, faults));
  const proofs = new Map(report.proofs.map((proof) => [proof.control_id, proof]));
  for (const item of report.controls) {
    const why = faultOfItem(report, item, proofs.get(item.control_id), keys);
    if (why !== null) faults.push({ item: item.control_id, why });
  }
  const known = new Set(report.controls.map(({ control_id }) => control_id));
  if (known.size !== report.controls.length) faults.push({ item: 'controls', why: 'a control is listed twice' });
  for (const { control_id } of report.proofs)
    if (!known.has(control_id)) faults.push({ item: control_id, why: 'the item of this proof is missing' });
  const counted = summaryFault(report);
  if (counted !== null) faults.push({ item: 'summary', why: counted });
  const signature = signatureFault(report, note, keys);
  // A changed item changes the digest too: then the item is named, and what else differs.
  if (signature !== null) faults.push({ item: faults.length === 0 ? partOf(report) : 'signature', why: signature });
  return { valid: faults.length === 0, pinned, faults, report };
}

const partOf = ({ report_id }: ReportDocument): string => `report ${report_id}`;

function parseBundle(
  text: string,
): { readonly report: ReportDocument; readonly note: string } | { readonly fault: BundleFault } {
  const fault = (why: string): { fault: BundleFault } => ({ fault: { item: 'bundle', why } });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return fault('it is not JSON');
  }
  const bundle = reportBundle.safeParse(value);
  if (!bundle.success) {
    const at = bundle.error.issues[0]?.path ?? [];
    const control = at[0] === 'report' && at[1] === 'controls' ? controlAt(value, at[2]) : undefined;
    return { fault: { item: control ?? (at.join('.') || 'bundle'), why: 'it does not have the form of a report' } };
  }
  if (`${canonicalJson(value as Json)}\n` !== text)
    return fault('it is not canonical JSON: bytes were added or changed');
  return bundle.data;
}

function controlAt(value: unknown, index: unknown): string | undefined {
  const controls = (value as { report?: { controls?: readonly { control_id?: unknown }[] } }).report?.controls;
  const id = controls?.[Number(index)]?.control_id;
  return typeof id === 'string' ? id : undefined;
}

function keyOf(vkey: string, faults: BundleFault[]): NoteKey[] {
  try {
    return [parseVkey(vkey)];
  } catch {
    faults.push({ item: 'vkeys', why: 'a verifier key is malformed' });
    return [];
  }
}

function faultOfItem(
  report: ReportDocument,
  item: ReportItem,
  proof: ReportProof | undefined,
  keys: readonly NoteKey[],
): string | null {
  if (proof === undefined) return 'it has no place in the audit log';
  if (item.check !== null && digestOf(item.check.observed) !== item.check.observed_sha256)
    return 'what the check saw does not have the stated digest';
  if (digestOf(item) !== proof.item_sha256) return 'the item does not have the stated digest';
  const leaf = Buffer.from(proof.leaf, 'base64');
  const sealed = leafOf(leaf);
  if (leaf.toString('base64') !== proof.leaf || sealed === null) return 'the leaf is malformed';
  const isSame =
    sealed.type === 'compliance.evidence_collected' &&
    sealed.event_id === proof.event_id &&
    sealed.seq === proof.seq &&
    sealed.outcome === item.status &&
    sealed.target?.id === item.control_id &&
    sealed.detail?.report_id === report.report_id &&
    sealed.detail?.item_sha256 === proof.item_sha256;
  if (!isSame) return 'the sealed event states something else';
  try {
    const { index, hashes, checkpoint } = parseProof(proof.proof);
    const head = parseCheckpoint(openNote(checkpoint, keys).text);
    if (head.origin !== report.origin) return 'the proof is of another log';
    const root = inclusionRoot(hashLeaf(leaf), index, head.size, hashes);
    return root?.equals(head.root) ? null : 'the leaf is not in the log that was signed';
  } catch {
    return 'the inclusion proof or the signature of its checkpoint is wrong';
  }
}

type SealedEvidence = {
  readonly type?: unknown;
  readonly event_id?: unknown;
  readonly seq?: unknown;
  readonly outcome?: unknown;
  readonly target?: { readonly id?: unknown };
  readonly detail?: { readonly report_id?: unknown; readonly item_sha256?: unknown };
};

function leafOf(bytes: Buffer): SealedEvidence | null {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    return typeof value === 'object' && value !== null ? (value as SealedEvidence) : null;
  } catch {
    return null;
  }
}

function summaryFault({ summary, controls }: ReportDocument): string | null {
  const isRight = Object.entries(summary).every(
    ([status, count]) => controls.filter((control) => control.status === status).length === count,
  );
  return isRight ? null : 'the counts are not those of the controls';
}

function signatureFault(report: ReportDocument, note: string, keys: readonly NoteKey[]): string | null {
  try {
    const { text } = openNote(note, keys);
    return text === noteTextOf(report, digestOf(report)) ? null : 'the signed digest is of other content';
  } catch {
    return 'no trusted key has signed it';
  }
}
