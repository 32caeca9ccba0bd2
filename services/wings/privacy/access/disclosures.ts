import { recordEvent } from '#services/core/audit/record-event.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import { PLACE, pageOf, placeOfCursor } from '#services/core/shared/pagination.ts';
import { storeUnavailable } from '#services/platform/errors.ts';
import { assertSubject } from '../assert-subject.ts';
import { phiDisclosed } from '../audit-events.ts';
import { STANDARD } from '../clearance.ts';
import { openPhi, sealPhi } from '../phi-envelope.ts';
import { lockDataKey, readDataKey } from '../phi-keys.store.ts';
import type { PhiPurpose } from '../phi-shapes.ts';
import { liveSubjectKey, openDataKey, type SubjectKeyPorts } from '../subject-keys.ts';
import { NONCE_BYTES } from '../xaes-256-gcm.ts';
import { type DisclosureRow, insertDisclosure, listDisclosureRows } from './access.store.ts';
import type { DisclosureView } from './access-contract.ts';
import { ROUTINE_PURPOSES } from './access-shapes.ts';

type DisclosureInput = {
  readonly subject_id: string;
  readonly purpose: PhiPurpose;
  readonly disclosed_at: string;
  /** Name and, if known, address of the recipient. */
  readonly recipient: string;
  readonly description: string;
};

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** What the words of a disclosure are encrypted for, whatever its own purpose: the accounting is for the person. */
const BOUND = { purpose: 'individual_request', level: 'standard' } as const;
const TRIES = 3;

/** Records a disclosure to a third party (45 CFR 164.528(b)). Recipient and description are encrypted, and in no event. Throws
 * `phi_subject_unknown` (404). */
export async function recordDisclosure(
  ports: SubjectKeyPorts,
  input: DisclosureInput,
  caller: Caller,
): Promise<{ readonly disclosure_id: string }> {
  const { subject_id: subjectId, purpose, disclosed_at: disclosedAt, ...words } = input;
  const id = ports.random.uuid();
  await assertSubject(ports.sql, subjectId);
  for (let tries = 0; tries < TRIES; tries += 1) {
    const dataKey = await liveSubjectKey(ports, { subjectId, level: BOUND.level }, caller);
    const about = { ...BOUND, subjectId, keyVersion: dataKey.version };
    const encrypted = sealPhi(dataKey.key, about, words, ports.random.bytes(NONCE_BYTES));
    dataKey.key.fill(0);
    const isRecorded = await ports.transact(async (tx) => {
      if (!(await lockDataKey(tx, dataKey.id))) return false;
      await insertDisclosure(tx, { id, subjectId, purpose, disclosed_at: disclosedAt, encrypted });
      await recordEvent(tx, caller, phiDisclosed, {
        target: { kind: 'subject', id: subjectId },
        detail: { disclosure_id: id, purpose, disclosed_at: disclosedAt },
      });
      return true;
    });
    if (isRecorded) return { disclosure_id: id };
  }
  throw storeUnavailable({ retryAfterSeconds: 1 });
}

/**
 * The accounting of a person's disclosures in the last six years, newest first, without those for treatment, payment
 * and operations. After the person's keys were destroyed, `recipient` and `description` are null.
 * Throws `cursor_invalid` (400).
 */
export async function listDisclosures(
  ports: Pick<Ports, 'sql' | 'vault'>,
  input: { readonly subject_id: string; readonly limit: number; readonly cursor?: string | undefined },
): Promise<{ readonly disclosures: DisclosureView[]; readonly next: string | null }> {
  const { subject_id: subjectId } = input;
  const after = placeOfCursor(input.cursor, [PLACE.time, UUID]);
  const rows = await listDisclosureRows(ports.sql, subjectId, ROUTINE_PURPOSES, after, input.limit + 1);
  const { items, next } = pageOf(rows, input.limit, (row) => [row.disclosed_at, row.id]);
  const views: DisclosureView[] = [];
  for (const row of items) views.push(await viewOf(ports, subjectId, row));
  return { disclosures: views, next };
}

async function viewOf(
  ports: Pick<Ports, 'sql' | 'vault'>,
  subjectId: string,
  { id, purpose, disclosed_at: disclosedAt, encrypted }: DisclosureRow,
): Promise<DisclosureView> {
  const subject = { subjectId, level: BOUND.level };
  const dataKey = await readDataKey(ports.sql, subject, encrypted.key_version);
  let words: { recipient: string | null; description: string | null } = { recipient: null, description: null };
  if (dataKey !== undefined && dataKey.wrapped !== '') {
    const { key } = openDataKey(ports, dataKey, subjectId, STANDARD);
    words = openPhi(key, encrypted, BOUND.purpose) as typeof words;
    key.fill(0);
  }
  return { disclosure_id: id, purpose, disclosed_at: disclosedAt, ...words };
}
