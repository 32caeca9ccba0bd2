import type { Caller, Ports, Tx } from '#services/core/ports.ts';
import type { Approval, SignedAct } from '#services/core/shared/approval.ts';
import { bindArguments } from './bind-arguments.ts';
import { lockBehind, requesterOf } from './requester.ts';
import { signOffHint } from './signoff-view.ts';
import { findOpenSignOff, lockSignOff, type SignOffRow } from './signoffs.store.ts';
import { voidApprovals } from './void-approvals.ts';

/** The sign-off as its approvals count now; an approval that does not is removed, and the sign-off waits again. */
async function counted(tx: Tx, row: SignOffRow, caller: Caller): Promise<SignOffRow | null> {
  if (!(await lockBehind(tx, row))) return null;
  const locked = (await lockSignOff(tx, row.id)) as SignOffRow;
  return locked.state === 'approved' ? voidApprovals(tx, locked, caller) : locked;
}

/**
 * Whether people have approved that the caller runs this act with exactly these arguments, and it has not started. Else
 * what the caller lacks is the hint of a start that needs another sign-off; one that is open needs none.
 */
export async function readApproval(
  ports: Pick<Ports, 'sql' | 'transact'>,
  { act, arguments: given }: SignedAct,
  caller: Caller,
): Promise<Approval> {
  const { sha256 } = bindArguments(given);
  const requester = requesterOf(caller);
  const found = requester && (await findOpenSignOff(ports.sql, requester, act, sha256));
  const row = found?.state === 'approved' ? await ports.transact((tx) => counted(tx, found, caller)) : found;
  if (row?.state === 'approved') return { id: row.id, expiresAt: Math.floor(Date.parse(row.expires_at) / 1_000) };
  if (row?.state === 'pending' || row?.state === 'running')
    return { why: `the sign-off ${row.id} is ${row.state}`, lacks: {} };
  const why = 'people have not approved this act with exactly these values: request a sign-off';
  return { why, lacks: signOffHint(row ?? null, act, sha256) };
}
