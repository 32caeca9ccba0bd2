import { recordEvent } from '#services/core/audit/record-event.ts';
import type { HasStepUp } from '#services/core/authority/recent-sign-in.ts';
import type { Caller, JobRun, Ports } from '#services/core/ports.ts';
import { assertSubject } from '../assert-subject.ts';
import { privacyRequestDone, privacyRequestMade } from '../audit-events.ts';
import { clearanceFor } from '../clearance.ts';
import { openPhi, sealPhi } from '../phi-envelope.ts';
import { lockDataKey, readDataKey, shredDataKeys } from '../phi-keys.store.ts';
import { assertNotHeld } from '../retention/legal-holds.ts';
import { liveSubjectKey, openDataKey, type SubjectKeyPorts } from '../subject-keys.ts';
import { NONCE_BYTES } from '../xaes-256-gcm.ts';
import type { PrivacyRequestView } from './access-contract.ts';
import { privacyRequestUnfinished, privacyRequestUnknown } from './access-errors.ts';
import { listDisclosures } from './disclosures.ts';
import {
  finishRequest,
  insertRequest,
  readExportRow,
  readNextRequest,
  readRequest,
  readResult,
} from './privacy-requests.store.ts';

/** Requests the job; never fails, because the timetable runs it anyway. */
type HasPrivacyWake = { readonly wakePrivacyRequests: () => void };

const BOUND = { purpose: 'individual_request', level: 'high' } as const;
const DISCLOSURES_MAX = 1_000;

type RequestPorts = Pick<Ports, 'transact' | 'random'> & HasPrivacyWake;
type Asked = { readonly subject_id: string; readonly reason: string };

/** Queues an export or a deletion: a row first, so that no lost job loses it. Throws `phi_subject_unknown`
 * (404), and for a deletion `subject_held` (409). */
export function requestPrivacyJob(
  ports: RequestPorts,
  input: Asked & { readonly kind: 'export' | 'deletion' },
  caller: Caller,
): Promise<PrivacyRequestView> {
  const { kind, subject_id: subjectId, reason } = input;
  return ports.transact(async (tx) => {
    await assertSubject(tx, subjectId);
    if (kind === 'deletion') await assertNotHeld(tx, subjectId);
    const row = await insertRequest(tx, { id: ports.random.uuid(), kind, subjectId });
    await recordEvent(tx, caller, privacyRequestMade, {
      outcome: kind,
      target: { kind: 'subject', id: subjectId },
      detail: { request_id: row.request_id, reason },
    });
    tx.afterCommit(ports.wakePrivacyRequests);
    return row;
  });
}

/** Throws `phi_subject_unknown` (404). */
export const requestExport = (ports: RequestPorts, input: Asked, caller: Caller): Promise<PrivacyRequestView> =>
  requestPrivacyJob(ports, { ...input, kind: 'export' }, caller);

/** Throws `phi_subject_unknown` (404), `subject_held` (409). */
export const requestDeletion = (ports: RequestPorts, input: Asked, caller: Caller): Promise<PrivacyRequestView> =>
  requestPrivacyJob(ports, { ...input, kind: 'deletion' }, caller);

type Chosen = { readonly request_id: string };

/** Throws `privacy_request_unknown` (404). */
export async function readPrivacyRequest({ sql }: Pick<Ports, 'sql'>, input: Chosen): Promise<PrivacyRequestView> {
  const row = await readRequest(sql, input.request_id);
  if (row === undefined) throw privacyRequestUnknown();
  return row;
}

/**
 * An export is of level `high`. Throws `agent_not_accepted`, `step_up_required` (403), `privacy_request_unknown` (404),
 * `privacy_request_unfinished` (409).
 */
export async function readExport(
  ports: Pick<Ports, 'sql' | 'vault'> & HasStepUp,
  input: Chosen,
  caller: Caller,
): Promise<{ readonly subject_id: string; readonly export: unknown }> {
  const clearance = clearanceFor(BOUND.level, caller, ports.stepUp);
  const row = await readResult(ports.sql, input.request_id);
  if (row === undefined) throw privacyRequestUnknown();
  if (row.result === null) throw privacyRequestUnfinished();
  const subject = { subjectId: row.subject_id, level: BOUND.level };
  const dataKey = await readDataKey(ports.sql, subject, row.result.key_version);
  if (dataKey === undefined || dataKey.wrapped === '') throw privacyRequestUnfinished();
  const { key } = openDataKey(ports, dataKey, row.subject_id, clearance);
  const found = openPhi(key, row.result, BOUND.purpose);
  key.fill(0);
  return { subject_id: row.subject_id, export: found };
}

/**
 * One run of the job: carries out queued requests, oldest first, each in one transaction with its receipt. A run that is killed repeats nothing that was committed.
 */
export async function processPrivacyRequests(
  ports: SubjectKeyPorts,
  { fence, signal, caller }: Pick<JobRun, 'fence' | 'signal' | 'caller'>,
): Promise<void> {
  for (let next = await readNextRequest(ports.sql); next !== undefined && !signal.aborted; ) {
    if (next.kind === 'export') await exportSubject(next);
    else await deleteSubject(next);
    next = await readNextRequest(ports.sql);
  }

  async function exportSubject({ request_id: id, subject_id: subjectId }: PrivacyRequestView): Promise<void> {
    const row = await readExportRow(ports.sql, subjectId);
    const { disclosures } = await listDisclosures(ports, { subject_id: subjectId, limit: DISCLOSURES_MAX });
    const data = { subject_id: subjectId, ...row, disclosures };
    const summary = {
      keys: row.keys.length,
      restrictions: row.restrictions.length,
      consents: row.consents.length,
      uses: row.uses.length,
      disclosures: disclosures.length,
    };
    const dataKey = await liveSubjectKey(ports, { subjectId, level: BOUND.level }, caller);
    const about = { ...BOUND, subjectId, keyVersion: dataKey.version };
    const result = sealPhi(dataKey.key, about, data, ports.random.bytes(NONCE_BYTES));
    dataKey.key.fill(0);
    await ports.transact(async (tx) => {
      await fence.hold(tx);
      // Shredded meanwhile: the next round exports under a new key.
      if (!(await lockDataKey(tx, dataKey.id))) return;
      const eventId = ports.random.uuid();
      if (!(await finishRequest(tx, id, { eventId, summary, result }))) return;
      await recordEvent(tx, caller, privacyRequestDone, {
        outcome: 'export',
        eventId,
        target: { kind: 'subject', id: subjectId },
        detail: { request_id: id, ...summary },
      });
    });
  }

  function deleteSubject({ request_id: id, subject_id: subjectId }: PrivacyRequestView): Promise<void> {
    return ports.transact(async (tx) => {
      await fence.hold(tx);
      const summary = { destroyed_keys: (await shredDataKeys(tx, subjectId)).length };
      const eventId = ports.random.uuid();
      if (!(await finishRequest(tx, id, { eventId, summary, result: null }))) return;
      await recordEvent(tx, caller, privacyRequestDone, {
        outcome: 'deletion',
        eventId,
        target: { kind: 'subject', id: subjectId },
        detail: { request_id: id, ...summary },
      });
    });
  }
}
