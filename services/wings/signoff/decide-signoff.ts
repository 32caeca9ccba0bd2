import { signOffEvents } from '#observability/metrics/signoff.ts';
import { recordEvent } from '#services/core/audit/record-event.ts';
import { ownerAsking } from '#services/core/authority/own-account.ts';
import { assertRecentSignIn, type HasStepUp } from '#services/core/authority/recent-sign-in.ts';
import type { Caller, Ports, Tx } from '#services/core/ports.ts';
import { undone } from '#services/core/shared/undone.ts';
import { signOffDecided } from './audit-events.ts';
import type { DecideSignOffInput, SignOffView } from './contract.ts';
import {
  signOffAlreadyDecided,
  signOffArgumentsChanged,
  signOffClosed,
  signOffRoleMissing,
  signOffRoleNotRequired,
  signOffSelfApproval,
  signOffUnknown,
} from './errors.ts';
import type { Decision, SignOffRole } from './signoff-shapes.ts';
import { factsOf, signOffViewOf } from './signoff-view.ts';
import { decideSignOffRow, hasRole, insertDecision, isBarred, lockSignOff, type SignOffRow } from './signoffs.store.ts';
import { voidApprovals } from './void-approvals.ts';

type PersonalDecision = {
  readonly userId: string;
  readonly role: SignOffRole;
  readonly decision: Decision;
  readonly comment: string | null;
};

/**
 * Stores the decision of a person about a sign-off that this transaction has locked, so of several last approvals one
 * completes the quorum. Approvals that do not count any more are removed first. One denial denies.
 * @param isTracked whether an embedding application reports the decision
 */
export async function applyDecision(
  tx: Tx,
  stored: SignOffRow,
  decided: PersonalDecision,
  { caller, isTracked = false }: { readonly caller: Caller; readonly isTracked?: boolean },
): Promise<SignOffRow> {
  const { userId, role, decision } = decided;
  if (await isBarred(tx, stored.id, userId)) throw signOffSelfApproval();
  if (stored.state !== 'pending') throw signOffClosed({ detail: `The sign-off is ${stored.state}.` });
  if (!stored.required_roles.includes(role)) throw signOffRoleNotRequired();
  if (!(await hasRole(tx, userId, role))) throw signOffRoleMissing();
  const row = await voidApprovals(tx, stored, caller);
  if (!(await insertDecision(tx, row.id, decided))) throw signOffAlreadyDecided();
  const approvals = row.decisions.length + 1;
  const state = decision === 'deny' ? 'denied' : approvals >= row.quorum ? 'approved' : 'pending';
  if (state !== 'pending') await decideSignOffRow(tx, row.id, state);
  await recordEvent(tx, caller, signOffDecided, {
    outcome: decision,
    target: { kind: 'signoff', id: row.id },
    detail: { ...factsOf(row), role, user_id: userId, state, ...(isTracked ? { tracked: true } : {}) },
  });
  return (await lockSignOff(tx, row.id)) as SignOffRow;
}

/** Has clients told of a decision now; the timetable does it otherwise. */
export type HasPingWake = { readonly wakePings: () => void };
type DecideSignOffPorts = Pick<Ports, 'transact'> & HasStepUp & HasPingWake;

/**
 * Approves or denies as the calling person, in one role that the person has now, by a recent sign-in with two factors
 * (`stepUp`). An agent with a token of the person cannot. Throws `permission_missing`, `step_up_required`,
 * `signoff_role_missing`, `signoff_self_approval` (403), `signoff_unknown` (404), `signoff_arguments_changed`,
 * `signoff_closed`, `signoff_role_not_required`, `signoff_already_decided` (409).
 */
export async function decideSignOff(
  ports: DecideSignOffPorts,
  input: DecideSignOffInput & { readonly decision: Decision },
  caller: Caller,
): Promise<SignOffView> {
  const { userId } = ownerAsking(caller);
  assertRecentSignIn(caller, ports.stepUp, { usesPermission: true });
  const { role, decision, comment = null, dry_run: isDryRun = false } = input;
  const transact = isDryRun ? undone(ports.transact) : ports.transact;
  const row = await transact(async (tx) => {
    const locked = await lockSignOff(tx, input.signoff_id);
    if (locked === undefined) throw signOffUnknown();
    if (locked.arguments_sha256 !== input.arguments_sha256) throw signOffArgumentsChanged();
    return applyDecision(tx, locked, { userId, role, decision, comment }, { caller });
  });
  if (!isDryRun) signOffEvents.add(1, { event: decision === 'deny' ? 'denied' : 'approval' });
  if (!isDryRun && row.state !== 'pending') ports.wakePings();
  return signOffViewOf(row);
}

/** Throws what `decideSignOff` throws. */
export const approveSignOff = (
  ports: DecideSignOffPorts,
  input: DecideSignOffInput,
  caller: Caller,
): Promise<SignOffView> => decideSignOff(ports, { ...input, decision: 'approve' }, caller);

/** Throws what `decideSignOff` throws. */
export const denySignOff = (
  ports: DecideSignOffPorts,
  input: DecideSignOffInput,
  caller: Caller,
): Promise<SignOffView> => decideSignOff(ports, { ...input, decision: 'deny' }, caller);
