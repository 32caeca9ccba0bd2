import { auditRowsRefused } from '#observability/metrics/audit.ts';
import type { Log } from '#services/core/ports.ts';
import { cutText } from '#services/platform/define/cut-text.ts';
import { auditRowRefused } from '../audit-events.ts';
import type { HasLogSigner } from './log-signer.ts';
import type { OutboxRow } from './seal.store.ts';

const KEY_EVENT = /^key\./;
const KID = /^[\w-]{1,128}$/;
/** The actor of an event that takes the place of a refused row. */
const SEALER = 'seal-events';

/**
 * Replaces each row about a key that the vault does not have by the event that the row was refused: any process that may
 * write the outbox can claim a key, and a reader of the log could take the claim for a fact. The row keeps its id and
 * its place, and is sealed as `audit.row_refused`; what it claimed stays in the outbox until its partition is dropped.
 */
export async function refuseKeyEvents(
  { logSigner, log }: HasLogSigner & { readonly log: Log },
  rows: readonly OutboxRow[],
): Promise<OutboxRow[]> {
  const checked: OutboxRow[] = [];
  for (const row of rows) checked.push(KEY_EVENT.test(row.type) && !(await isOwn(logSigner, row)) ? refused(row) : row);
  const claimed = rows.filter((row, at) => row !== checked[at]);
  if (claimed.length > 0) {
    auditRowsRefused.add(claimed.length);
    log.error({ rows: claimed.map((row) => ({ id: row.id, eventId: row.event_id })) }, 'audit rows refused');
  }
  return checked;
}

const isOwn = (
  signer: HasLogSigner['logSigner'],
  { type, target_kind: targetKind, target_id: targetId, detail }: OutboxRow,
) => signer.ownsKey({ type, kid: targetKind === 'key' ? targetId : null, detail });

function refused(row: OutboxRow): OutboxRow {
  const isKid = row.target_kind === 'key' && KID.test(row.target_id ?? '');
  return {
    ...row,
    type: auditRowRefused.type,
    outcome: 'key_unknown',
    actor_kind: 'system',
    actor_id: SEALER,
    target_kind: isKid ? 'key' : null,
    target_id: isKid ? row.target_id : null,
    client_id: null,
    detail: { claimed_type: cutText(row.type, 64), claimed_actor: row.actor_kind, claimed_actor_id: row.actor_id },
  };
}
