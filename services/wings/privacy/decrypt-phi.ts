import { phiOperations } from '#observability/metrics/privacy.ts';
import { lockAgent } from '#services/core/access/lock-agent.ts';
import { recordEvent } from '#services/core/audit/record-event.ts';
import { actingAgentOf } from '#services/core/authority/callers.ts';
import type { HasStepUp } from '#services/core/authority/recent-sign-in.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import type { AppError } from '#services/platform/define/error.ts';
import { agentNotAccepted } from '#services/platform/errors.ts';
import { phiAccessRefused } from './access/access-errors.ts';
import { type AccessDecision, decideAccess } from './access/decide-access.ts';
import { applyMinimumNecessary } from './access/minimum-necessary.ts';
import { phiDecrypted } from './audit-events.ts';
import { type Clearance, clearanceFor } from './clearance.ts';
import { phiShredded, phiUnreadable } from './errors.ts';
import { openPhi, PhiOpenError } from './phi-envelope.ts';
import { type DataKeyRow, lockDataKey, readDataKey } from './phi-keys.store.ts';
import type { PhiEnvelope, PhiPurpose } from './phi-shapes.ts';
import { openDataKey } from './subject-keys.ts';

export type DecryptPhiPorts = Pick<Ports, 'transact' | 'sql' | 'vault'> & HasStepUp;
type DecryptPhiInput = { readonly purpose: PhiPurpose; readonly encrypted: PhiEnvelope };

/**
 * Decrypts an envelope for the purpose it was encrypted for. The access is committed to the audit log before the value
 * is returned; a refusal is recorded too. Only the fields that the caller needs are returned. Throws
 * `phi_access_refused` (403), `phi_unreadable` (400), `phi_shredded` (410), `phi_key_unavailable` (503), and at level
 * `high` `step_up_required` (403) for a user whose sign-in is too old and `agent_not_accepted` (403) for an agent.
 */
export async function decryptPhi(
  ports: DecryptPhiPorts,
  input: DecryptPhiInput,
  caller: Caller,
): Promise<{ readonly data: unknown }> {
  const { encrypted, purpose } = input;
  const { subject_id: subjectId, level, key_version: keyVersion } = encrypted;
  // No sign-in helps an agent: it is refused below, where the refusal is recorded.
  const isForAgent = level === 'high' && actingAgentOf(caller) !== null;
  const clearance = isForAgent ? null : clearanceFor(level, caller, ports.stepUp);
  const about = {
    target: { kind: 'subject', id: subjectId },
    detail: { purpose, level, key_version: keyVersion },
  } as const;
  const refuse = async (refusal: AppError): Promise<never> => {
    phiOperations.add(1, { operation: 'decrypt', outcome: 'refused' });
    await ports.transact((tx) =>
      recordEvent(tx, caller, phiDecrypted, {
        ...about,
        outcome: 'refused',
        detail: { ...about.detail, code: refusal.code },
      }),
    );
    throw refusal;
  };
  const use = { subject_id: subjectId, purpose };
  const refusalOf = ({ isAllowed, reason, agentId }: AccessDecision): AppError | undefined => {
    if (level === 'high' && agentId !== null) return agentNotAccepted({ isRecorded: true });
    return isAllowed ? undefined : phiAccessRefused({ isRecorded: true, members: { reason } });
  };
  let decision = await decideAccess(ports, use, caller);
  let refusal = refusalOf(decision);
  if (refusal !== undefined || clearance === null) return refuse(refusal as AppError);
  const row = await readDataKey(ports.sql, { subjectId, level }, keyVersion);
  if (row === undefined) return refuse(phiUnreadable({ isRecorded: true }));
  if (row.wrapped === '') return refuse(phiShredded({ isRecorded: true }));
  const opened = openWith(ports, row, input, clearance);
  if (opened === undefined) return refuse(phiUnreadable({ isRecorded: true }));
  const { agentId } = decision;
  const isRecorded = await ports.transact(async (tx) => {
    if (agentId !== null) {
      // Its owner may have lost the role meanwhile: what the rows say at the answer counts.
      await lockAgent(tx, agentId);
      decision = await decideAccess({ sql: tx }, use, caller);
      refusal = refusalOf(decision);
      if (refusal !== undefined) return false;
    }
    if (!(await lockDataKey(tx, row.id))) return false;
    const basis = { basis: decision.basis, break_glass_id: decision.breakGlassId ?? undefined };
    await recordEvent(tx, caller, phiDecrypted, { ...about, outcome: 'ok', detail: { ...about.detail, ...basis } });
    return true;
  });
  if (!isRecorded) return refuse(refusal ?? phiShredded({ isRecorded: true }));
  phiOperations.add(1, { operation: 'decrypt', outcome: 'ok' });
  return { data: applyMinimumNecessary(opened.data, decision.fields) };
}

/** Undefined where the envelope does not open. */
function openWith(
  ports: Pick<Ports, 'vault'>,
  row: DataKeyRow,
  { encrypted, purpose }: DecryptPhiInput,
  clearance: Clearance,
): { readonly data: unknown } | undefined {
  const { key } = openDataKey(ports, row, encrypted.subject_id, clearance);
  try {
    return { data: openPhi(key, encrypted, purpose) };
  } catch (err) {
    if (err instanceof PhiOpenError) return undefined;
    throw err;
  } finally {
    key.fill(0);
  }
}
