import { signOffEvents } from '#observability/metrics/signoff.ts';
import type { HasAccess } from '#services/core/access/access-directory.ts';
import { recordEvent } from '#services/core/audit/record-event.ts';
import { actingAgentOf } from '#services/core/authority/callers.ts';
import type { Caller, Ports, Tx } from '#services/core/ports.ts';
import { isIncidentOpen } from '#services/core/security/open-incidents.ts';
import type { HasSecurityScore } from '#services/core/shared/security-score.ts';
import { isAppError } from '#services/platform/define/error.ts';
import { signOffRefused, signOffStarted } from './audit-events.ts';
import { bindArguments } from './bind-arguments.ts';
import type { SignOffView } from './contract.ts';
import {
  agentAmountUnreadable,
  agentLimitReached,
  signOffApprovalVoid,
  signOffArgumentsChanged,
  signOffConditionUnmet,
  signOffNotRunnable,
  signOffRequesterEnded,
} from './errors.ts';
import { assertSignedIn, lockBehind, ownRow } from './requester.ts';
import { approvalsOf, factsOf, signOffHint, signOffViewOf } from './signoff-view.ts';
import { lockSignOff, readLimitRefusal, readSignOffRow, type SignOffRow, startSignOffRow } from './signoffs.store.ts';
import { voidApprovals } from './void-approvals.ts';

export type StartSignOffPorts = Pick<Ports, 'transact' | 'sql'> & HasAccess & HasSecurityScore;

export type StartInput = { readonly signoff_id: string; readonly act: string; readonly arguments: unknown };

async function assertConditions(ports: StartSignOffPorts, row: SignOffRow): Promise<void> {
  const { min_security_score: least, no_open_incident: noOpenIncident } = row;
  if (least !== null) {
    const score = await ports.readSecurityScore();
    if (score === null || score < least)
      throw signOffConditionUnmet({ detail: `The security score is ${score ?? 'unknown'}; ${least} is required.` });
  }
  if (noOpenIncident && (await isIncidentOpen(ports)))
    throw signOffConditionUnmet({ detail: 'A security incident of severity high or critical is open.' });
}

/** The agent that calls, by itself or with a token of its owner. */
function agentOf(caller: Caller): { agent_id?: string } {
  const agentId = actingAgentOf(caller);
  return agentId === null ? {} : { agent_id: agentId };
}

/** A sign-off that waits or runs needs no other one. */
const STILL_OPEN: ReadonlySet<string> = new Set(['pending', 'running']);

function assertRunnable(row: SignOffRow, act: string, argumentsSha256: string): void {
  if (row.act !== act || row.arguments_sha256 !== argumentsSha256)
    throw signOffArgumentsChanged({ isRecorded: true, members: signOffHint(row, act, argumentsSha256) });
  if (row.state === 'approved') return;
  const members = STILL_OPEN.has(row.state) ? {} : signOffHint(row, act, argumentsSha256);
  throw signOffNotRunnable({ detail: `The sign-off is ${row.state}.`, isRecorded: true, members });
}

/** Call it under the lock of the agent. Throws `agent_amount_unreadable` (403), `agent_limit_reached` (429). */
async function assertWithinLimits(tx: Tx, id: string): Promise<void> {
  const refusal = await readLimitRefusal(tx, id);
  if (refusal === undefined) return;
  const { code, act, set_by: setBy, currency, most, retry_seconds: retryAfterSeconds } = refusal;
  if (code === 'agent_amount_unreadable')
    throw agentAmountUnreadable({ detail: `The amount of ${act} is limited by the ${setBy}.`, isRecorded: true });
  const detail = `The ${setBy} limits ${act} to ${most} ${currency ?? 'acts'} a day.`;
  throw agentLimitReached({ detail, retryAfterSeconds, isRecorded: true });
}

/** Null, after the commit, if an approval does not count any more: the sign-off then waits again. */
async function startLocked(
  tx: Tx,
  before: SignOffRow,
  { act, sha256 }: { readonly act: string; readonly sha256: string },
  caller: Caller,
): Promise<SignOffRow | null> {
  if (!(await lockBehind(tx, before))) throw signOffRequesterEnded({ isRecorded: true });
  const locked = ownRow(await lockSignOff(tx, before.id), caller);
  assertRunnable(locked, act, sha256);
  const counted = await voidApprovals(tx, locked, caller);
  if (counted.state === 'pending') return null;
  await assertWithinLimits(tx, before.id);
  if (!(await startSignOffRow(tx, before.id))) throw signOffNotRunnable({ isRecorded: true });
  await recordEvent(tx, caller, signOffStarted, {
    outcome: 'ok',
    target: { kind: 'signoff', id: before.id },
    detail: { ...factsOf(locked), approvals: approvalsOf(locked) },
  });
  return (await readSignOffRow(tx, before.id)) as SignOffRow;
}

/**
 * Starts an approved act: succeeds once for a sign-off, and only for its requester with the approved act and arguments,
 * while its approvals count and its conditions are met. The caller that gets an answer runs the act and reports its end
 * with `finishSignOff`; if it never does, the act is not started again.
 * Throws `signoff_arguments_invalid` (400), `signoff_sign_in_required`, `signoff_requester_ended`,
 * `agent_amount_unreadable` (403), `signoff_unknown` (404), `signoff_arguments_changed`, `signoff_not_runnable`,
 * `signoff_approval_void`, `signoff_condition_unmet` (409), `agent_limit_reached` (429).
 */
export async function startSignOff(
  ports: StartSignOffPorts,
  { signoff_id: signOffId, act, arguments: given }: StartInput,
  caller: Caller,
): Promise<SignOffView> {
  const { sha256 } = bindArguments(given);
  const before = ownRow(await readSignOffRow(ports.sql, signOffId), caller);
  await assertSignedIn(ports.sql, caller);
  try {
    assertRunnable(before, act, sha256);
    await assertConditions(ports, before);
    const row = await ports.transact((tx) => startLocked(tx, before, { act, sha256 }, caller));
    if (row === null) throw signOffApprovalVoid({ isRecorded: true });
    signOffEvents.add(1, { event: 'started' });
    return signOffViewOf(row);
  } catch (err) {
    if (!isAppError(err) || err.options.isRecorded !== true) throw err;
    await recordEvent(ports.sql, caller, signOffRefused, {
      outcome: 'refused',
      target: { kind: 'signoff', id: signOffId },
      detail: { ...factsOf(before), ...agentOf(caller), code: err.code },
    });
    signOffEvents.add(1, { event: 'refused' });
    throw err;
  }
}
