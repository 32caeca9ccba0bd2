import { auditProofPending } from '#services/core/audit/errors.ts';
import { proveEvent } from '#services/core/audit/read/prove-event.ts';
import { holds } from '#services/core/authority/callers.ts';
import { accountRead } from '#services/core/authority/own-scopes.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import { PLACE, pageOf, placeOfCursor } from '#services/core/shared/pagination.ts';
import type { ReceiptView, SignOffView } from './contract.ts';
import { signOffUnfinished, signOffUnknown } from './errors.ts';
import { signoffsRead } from './permissions.ts';
import { isRequester } from './requester.ts';
import { approvalsOf, requirementsOf, signOffViewOf } from './signoff-view.ts';
import {
  readEventPlace,
  readSignOffRow,
  readSignOffsOfUser,
  readSignOffsPage,
  type SignOffFilter,
  type SignOffRow,
} from './signoffs.store.ts';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

type SignOffPage = { readonly signoffs: SignOffView[]; readonly next: string | null };
type Chosen = { readonly signoff_id: string };

/** Lists sign-offs, newest first, one page at a time. Throws `cursor_invalid` (400). */
export async function listSignOffs(
  { sql }: Pick<Ports, 'sql'>,
  input: SignOffFilter & { readonly limit: number; readonly cursor?: string | undefined },
): Promise<SignOffPage> {
  const after = placeOfCursor(input.cursor, [PLACE.time, UUID]);
  const rows = await readSignOffsPage(sql, input, after, input.limit + 1);
  return viewOf(rows, input.limit);
}

function viewOf(rows: readonly SignOffRow[], limit: number): SignOffPage {
  const { items, next } = pageOf(rows, limit, (row) => [row.requested_at, row.id]);
  return { signoffs: items.map(signOffViewOf), next };
}

/**
 * Lists the sign-offs that the user asked for, in person or through an application, newest first, one page at a time.
 * Throws `cursor_invalid` (400), `permission_missing` (403).
 */
export async function listOwnSignOffs(
  { sql }: Pick<Ports, 'sql'>,
  input: { readonly limit: number; readonly cursor?: string | undefined },
  caller: Caller,
): Promise<SignOffPage> {
  const { userId } = accountRead(caller, 'own.signoffs');
  const after = placeOfCursor(input.cursor, [PLACE.time, UUID]);
  const rows = await readSignOffsOfUser(sql, userId, after, input.limit + 1);
  return viewOf(rows, input.limit);
}

/** A sign-off for its requester, and for callers with `signoffs:read`; others get 404. */
async function visibleRow(ports: Pick<Ports, 'sql'>, input: Chosen, caller: Caller): Promise<SignOffRow> {
  const row = await readSignOffRow(ports.sql, input.signoff_id);
  if (row === undefined || !(holds(caller, signoffsRead.name) || isRequester(row, caller))) throw signOffUnknown();
  return row;
}

/** Throws `signoff_unknown` (404). */
export const readSignOff = async (ports: Pick<Ports, 'sql'>, input: Chosen, caller: Caller): Promise<SignOffView> =>
  signOffViewOf(await visibleRow(ports, input, caller));

/**
 * The receipt of an act that ended: who approved what, and the proof that the sealed log says so. `sallyport audit prove`
 * verifies it without this server. Throws `signoff_unknown` (404), `signoff_unfinished` (409), `audit_proof_pending`
 * (503) until the event is sealed, about a second.
 */
export async function readReceipt(ports: Pick<Ports, 'sql'>, input: Chosen, caller: Caller): Promise<ReceiptView> {
  const row = await visibleRow(ports, input, caller);
  if (row.event_id === null || row.finished_at === null) throw signOffUnfinished();
  const seq = await readEventPlace(ports.sql, row.event_id);
  if (seq === undefined) throw auditProofPending({ retryAfterSeconds: 1 });
  return {
    signoff_id: row.id,
    act: row.act,
    arguments_sha256: row.arguments_sha256,
    outcome: row.state === 'done' ? 'done' : 'failed',
    ...requirementsOf(row),
    approvals: approvalsOf(row),
    finished_at: row.finished_at,
    event_id: row.event_id,
    seq,
    proof: await proveEvent(ports, seq),
  };
}
