import { type Head, openHead, verifyInclusion } from './inclusion.ts';
import {
  assertVkey,
  fromBase64,
  isEqual,
  openNote,
  ProofError,
  type ProofFault,
  sha256,
  toHex,
  utf8,
} from './notes.ts';
import {
  type Bundle,
  type ControlStatus,
  faultOfForm,
  type Report,
  type ReportItem,
  type ReportProof,
} from './report-shape.ts';

/**
 * Verifies in the browser the bundle of a compliance report, from its bytes alone: what `sallyport report verify` verifies,
 * and that the heads of its proofs do not contradict each other. It shares no code with the server.
 */

type PartFault =
  | 'not_json'
  | 'wrong_form'
  | 'not_canonical'
  | 'key_malformed'
  | 'other_content'
  | 'not_signed'
  | 'control_twice'
  | 'control_missing'
  | 'counts_differ'
  | 'heads_differ';
/** Why a step of a control is wrong. */
type ItemFault = 'no_place' | 'observed_changed' | 'item_changed' | 'leaf_malformed' | 'event_differs' | ProofFault;

export const PARTS = ['form', 'keys', 'signature', 'controls', 'summary', 'heads'] as const;
type Part = (typeof PARTS)[number];
/** What the check saw, the item as a whole, the event that was sealed of it, and the place of that event in the log. */
export const STEPS = ['observed', 'item', 'event', 'place'] as const;

export type PartResult = { readonly part: Part; readonly fault: PartFault | null; readonly at?: string };
export type ItemResult = {
  readonly controlId: string;
  readonly title: string;
  readonly status: ControlStatus;
  /** Null where the step holds. */
  readonly steps: Readonly<Record<(typeof STEPS)[number], ItemFault | null>>;
};
export type VerifiedBundle = {
  readonly isValid: boolean;
  readonly parts: readonly PartResult[];
  readonly items: readonly ItemResult[];
  /** Absent if the text is not a bundle. */
  readonly report?: Report;
  /** The newest signed head among the proofs. */
  readonly head?: Head;
};

/** RFC 8785: members sorted by UTF-16 code units, no spaces, numbers and strings as ECMAScript writes them. */
function canonical(value: unknown): string {
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  const object = value as Readonly<Record<string, unknown>>;
  const names = Object.keys(object).sort();
  return `{${names.map((name) => `${JSON.stringify(name)}:${canonical(object[name])}`).join(',')}}`;
}

const digestOf = async (value: unknown): Promise<string> => toHex(await sha256(utf8(canonical(value))));

type Parsed = { readonly bundle: Bundle } | { readonly fault: PartFault; readonly at?: string };

function parse(text: string): Parsed {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { fault: 'not_json' };
  }
  const at = faultOfForm(value);
  if (at !== null) return { fault: 'wrong_form', at };
  return `${canonical(value)}\n` === text ? { bundle: value as Bundle } : { fault: 'not_canonical' };
}

async function faultOf(run: () => Promise<unknown>): Promise<ProofFault | null> {
  try {
    await run();
    return null;
  } catch (error) {
    if (error instanceof ProofError) return error.fault;
    throw error;
  }
}

function sealedIn(leaf: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(fromBase64(leaf)));
    return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : null;
  } catch {
    return null;
  }
}

function faultOfEvent(reportId: string, item: ReportItem, proof: ReportProof): ItemFault | null {
  const sealed = sealedIn(proof.leaf);
  if (sealed === null) return 'leaf_malformed';
  const target = sealed.target as { readonly id?: unknown } | null | undefined;
  const detail = sealed.detail as { readonly report_id?: unknown; readonly item_sha256?: unknown } | null | undefined;
  const isSame =
    sealed.type === 'compliance.evidence_collected' &&
    sealed.event_id === proof.event_id &&
    sealed.seq === proof.seq &&
    sealed.outcome === item.status &&
    target?.id === item.control_id &&
    detail?.report_id === reportId &&
    detail?.item_sha256 === proof.item_sha256;
  return isSame ? null : 'event_differs';
}

async function verifyItem(report: Report, item: ReportItem, vkeys: readonly string[]): Promise<ItemResult> {
  const about = { controlId: item.control_id, title: item.title, status: item.status };
  const proof = report.proofs.findLast(({ control_id: id }) => id === item.control_id);
  const observed =
    item.check === null || (await digestOf(item.check.observed)) === item.check.observed_sha256
      ? null
      : 'observed_changed';
  if (proof === undefined)
    return { ...about, steps: { observed, item: 'no_place', event: 'no_place', place: 'no_place' } };
  const { leaf, item_sha256: sha256OfItem, proof: path } = proof;
  return {
    ...about,
    steps: {
      observed,
      item: (await digestOf(item)) === sha256OfItem ? null : 'item_changed',
      event: faultOfEvent(report.report_id, item, proof),
      place: await faultOf(async () => verifyInclusion(fromBase64(leaf), report, path, vkeys)),
    },
  };
}

/** The heads that keys of ours signed, smallest first. */
async function headsOf({ proofs }: Report, vkeys: readonly string[]): Promise<Head[]> {
  const notes = new Set(proofs.map(({ proof }) => proof.slice(proof.indexOf('\n\n') + 2)));
  const heads: Head[] = [];
  for (const note of notes) await faultOf(async () => void heads.push(await openHead(note, vkeys)));
  return heads.sort((left, right) => left.size - right.size);
}

/** Two heads of one size have one root; otherwise the log showed different entries to different readers. */
const areOneLog = (heads: readonly Head[]): boolean =>
  heads.every((head, at) => {
    const next = heads[at + 1];
    return (
      next === undefined || (next.size === head.size ? isEqual(next.root, head.root) : next.origin === head.origin)
    );
  });

function faultOfControls({ controls, proofs }: Report): { readonly fault: PartFault; readonly at: string } | null {
  const known = new Set<string>();
  for (const { control_id: id } of controls) {
    if (known.has(id)) return { fault: 'control_twice', at: id };
    known.add(id);
  }
  const stray = proofs.find(({ control_id: id }) => !known.has(id));
  return stray === undefined ? null : { fault: 'control_missing', at: stray.control_id };
}

const isCounted = ({ summary, controls }: Report): boolean =>
  Object.entries(summary).every(([name, count]) => controls.filter(({ status }) => status === name).length === count);

async function faultOfSignature({ report, note }: Bundle, vkeys: readonly string[]): Promise<PartFault | null> {
  let signed = '';
  const fault = await faultOf(async () => {
    signed = (await openNote(note, vkeys)).text;
  });
  if (fault !== null) return 'not_signed';
  const text = `${report.origin}/compliance-report\nreport ${report.report_id}\nsha256 ${await digestOf(report)}\n`;
  return signed === text ? null : 'other_content';
}

/** @param vkeys the keys that the caller trusts; without them the bundle's own, which show only that it is whole */
export async function verifyBundle(text: string, vkeys: readonly string[] = []): Promise<VerifiedBundle> {
  const parsed = parse(text);
  if ('fault' in parsed) return { isValid: false, parts: [{ part: 'form', ...parsed }], items: [] };
  const { bundle } = parsed;
  const { report } = bundle;
  const given = vkeys.length > 0 ? vkeys : report.vkeys;
  const keys: string[] = [];
  for (const vkey of given) if ((await faultOf(() => assertVkey(vkey))) === null) keys.push(vkey);
  const items = await Promise.all(report.controls.map((item) => verifyItem(report, item, keys)));
  const heads = await headsOf(report, keys);
  const head = heads.at(-1);
  const parts: readonly PartResult[] = [
    { part: 'form', fault: null },
    { part: 'keys', fault: keys.length < given.length ? 'key_malformed' : null },
    { part: 'signature', fault: await faultOfSignature(bundle, keys) },
    { part: 'controls', fault: null, ...faultOfControls(report) },
    { part: 'summary', fault: isCounted(report) ? null : 'counts_differ' },
    { part: 'heads', fault: areOneLog(heads) ? null : 'heads_differ' },
  ];
  const isValid =
    parts.every(({ fault }) => fault === null) &&
    items.every(({ steps }) => Object.values(steps).every((fault) => fault === null));
  return { isValid, parts, items, report, ...(head === undefined ? {} : { head }) };
}
